"""The straight line as a part of the graph: its ends, some points between, and what its stretches cost."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Probe, Problems
from geoaudit_plugins.geodesics.bank import distance

Array = npt.NDArray[np.float64]
TINY = 1e-12
"""Least cost of a unit of length: where the gradient is exactly 0, the shorter way is still the shorter one."""


@dataclass(frozen=True)
class Line:
    """One image's straight line.

    Attributes:
        points: baseline, points between, image; shape (a + 2, *shape).
        outputs: the explained output there, float64, shape (a + 2,).
        lengths: Euclidean length of each stretch, float64, shape (a + 1,).
        costs: conformal length of each stretch, from all gradients that were taken on the line, shape (a + 1,).
    """

    points: Floats
    outputs: Array
    lengths: Array
    costs: Array


def straight(problems: Problems, probe: Probe, anchors: int) -> list[Line]:
    """Each problem's line, cut at the gradient nodes closest to `anchors` evenly spread places.

    Costs nothing where the straight line has been paid for.  A stretch costs at least the change of the output
    over each of its pieces, so that nodes that miss a ridge do not make it cheap.

    Args:
        problems: problems whose images differ from their baselines.
        probe: the model.
        anchors: points wanted between the ends; fewer come back where the line has fewer nodes.
    """
    recorded = probe.recorded_line(problems)
    lines = []
    walked = zip(recorded.vertices, recorded.gradients, recorded.values, strict=True)
    for i, (vertices, gradients, values) in enumerate(walked):
        slopes = np.array([norm(gradient) for gradient in gradients])
        line = _cut(vertices, slopes, np.asarray(values, dtype=np.float64), anchors)
        line.points[0], line.points[-1] = problems.baseline[i], problems.x[i]
        lines.append(line)
    return lines


def _cut(vertices: Floats, slopes: Array, outputs: Array, anchors: int) -> Line:
    lengths = np.array([distance(a, b) for a, b in itertools.pairwise(vertices)])
    costs = np.maximum(0.5 * (slopes[1:] + slopes[:-1]) * lengths, np.abs(np.diff(outputs)))
    costs = np.maximum(costs, TINY * lengths)
    progress = np.concatenate([[0.0], np.cumsum(lengths)])
    wanted = progress[-1] * np.arange(1, anchors + 1) / (anchors + 1)
    nearest = np.abs(progress[None, :] - wanted[:, None]).argmin(axis=1)
    cuts = np.unique(np.concatenate([[0], nearest, [len(vertices) - 1]]))
    stretches = [np.add.reduceat(part, cuts[:-1]) for part in (lengths, costs)]
    return Line(vertices[cuts], outputs[cuts], *stretches)


def norm(gradient: Floats) -> float:
    """Euclidean norm, added up in float64 by one thread."""
    flat = np.asarray(gradient).ravel()
    return float(np.sqrt(np.einsum("i,i->", flat, flat, dtype=np.float64)))
