"""How far one image's map moves among its neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from geoaudit.api import Floats, Method, Probe, Problems
from geoaudit_plugins.checks.stability_draws import Kept
from geoaudit_plugins.sanity import maps as sanity
from geoaudit_plugins.sanity import numbers
from geoaudit_plugins.sanity.similarity import spearman

_TOGETHER = 8
"""Neighbours whose maps are made at a time."""


@dataclass(frozen=True)
class Moved:
    """What was measured on one image; None where there is no number.

    Attributes:
        image: its id.
        sensitivity: max-sensitivity, a share of the map's size.
        lipschitz: the local Lipschitz estimate, attribution units over model input units.
        similarity: the least rank correlation of |A|, in [-1, 1].
        kept: the draws.
        reason: why there is no max-sensitivity.
    """

    image: str
    sensitivity: float | None
    lipschitz: float | None
    similarity: float | None
    kept: Kept
    reason: str | None

    @property
    def entry(self) -> dict[str, Any]:
        """As it stands in the report."""
        return {
            "draws": len(self.kept.draws),
            "image": self.image,
            "lipschitz": self.lipschitz,
            "max_sensitivity": self.sensitivity,
            "reason": self.reason,
            "rejected": self.kept.rejected,
            "similarity": self.similarity,
        }


def measure(
    method: Method, problem: Problems, probe: Probe, draws: Kept, neighbour: Callable[[int], Floats], nodes: int
) -> Moved:
    """The method's map of one image, held against those of its neighbours.

    Args:
        method: with its own parameters.
        problem: a single problem.
        probe: the run's.
        draws: which neighbours to look at.
        neighbour: the picture of a draw's number, shape (*space.shape).
        nodes: first nodes of the integrator.
    """
    image = problem.ids[0]
    if not draws.draws:
        reason = f"none of {draws.rejected} neighbours is predicted as {image} is"
        return Moved(image, None, None, None, draws, reason)
    own = sanity.original(method, problem, probe, nodes).values[0]
    near: list[tuple[float, float, float]] = []
    for start in range(0, len(draws.draws), _TOGETHER):
        pictures = np.stack([neighbour(number) for number in draws.draws[start : start + _TOGETHER]])
        near += _neighbours(method, problem, pictures, own, probe, nodes)
    changes, slopes, similarities = (np.array(column) for column in zip(*near, strict=True))
    size = _norm(own)
    sensitivity = numbers.finite(changes.max() / size) if size > 0 else None
    why = None
    if sensitivity is None:
        why = f"the map of {image} is zero" if size == 0 else f"a map of {image} or of its neighbours is not finite"
    known = similarities[np.isfinite(similarities)]
    similarity = float(known.min()) if len(known) else None
    return Moved(image, sensitivity, numbers.finite(slopes.max()), similarity, draws, why)


def _neighbours(
    method: Method, problem: Problems, pictures: Floats, own: Floats, probe: Probe, nodes: int
) -> list[tuple[float, float, float]]:
    """For each picture ||A' - A||, the same over ||x' - x||, and the rank correlation of |A'| and |A|.

    All go together, for walks that adapt make their steps once for all of them; under the image's own id, so that a
    method draws the same random numbers for each.
    """
    asked = replace(problem.select([0] * len(pictures)), x=pictures)
    made = sanity.maps(method, sanity.posed(asked, probe), probe, nodes).values
    return [
        _compared(own, other, float(_norm(x.astype(np.float64) - problem.x[0])))
        for other, x in zip(made, pictures, strict=True)
    ]


def _compared(own: Floats, other: Floats, way: float) -> tuple[float, float, float]:
    with np.errstate(invalid="ignore"):  # infinities: told by the number that is none
        change = _norm(other.astype(np.float64) - own)
    return change, change / way if way > 0 else 0.0, spearman(own, other)


def _norm(values: Floats) -> float:
    """The Euclidean norm over all elements, in float64."""
    return math.sqrt(float(np.square(values, dtype=np.float64).sum()))
