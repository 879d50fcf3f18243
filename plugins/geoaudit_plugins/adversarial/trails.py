"""Trails from each image towards several goals, and the bundle of walks back to the image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Attributions, Bundle, Floats, InputSpace, Ints, Part, Polyline, Probe, Problems
from geoaudit.paths.integrator import integrate

CHUNK = 32
"""Points that are moved at a time."""
Bools = npt.NDArray[np.bool_]
Step = Callable[[Floats, Ints, Ints], tuple[Floats, Bools]]
"""Points (m, *shape), the images' places (m,) and the goals (m,) to the points moved by one step, and who goes on."""


@dataclass(frozen=True)
class Box:
    """The range of the model's input.

    Attributes:
        low: the smaller end, broadcastable to points.
        high: the larger end.
    """

    low: Floats
    high: Floats

    @classmethod
    def of(cls, space: InputSpace, dtype: np.dtype[Any]) -> Box:
        """The input values of pixels 0 and 255, in the points' dtype."""
        ends = [space.per_channel(space.low).astype(dtype), space.per_channel(space.high).astype(dtype)]
        return cls(np.minimum(*ends), np.maximum(*ends))

    @property
    def extent(self) -> Floats:
        """The width of the range."""
        width: Floats = self.high - self.low
        return width

    def clip(self, points: Floats, images: Floats) -> Floats:
        """`points` within the range, and never farther in than the images themselves reach out of it."""
        low, high = np.minimum(self.low, images), np.maximum(self.high, images)
        return np.clip(points, low, high)


def trails(x: Floats, goals: Ints, going: Bools, steps: int, step: Step) -> list[list[Floats]]:
    """Trails from each image towards each of its goals, evaluated across images and goals.

    A trail ends after `steps` steps, when `step` says so, or when it stands still.

    Args:
        x: images, shape (n, *shape).
        goals: what each trail is after, shape (n, k); `step` is told.
        going: False for trails that end where they start, shape (n, k).
        steps: the most steps.
        step: moves points.

    Returns:
        `[j][i]`: the points of image i's trail to its j-th goal, from the image outwards, shape (s + 1, *shape).
    """
    points = {(i, j): [x[i]] for i in range(len(x)) for j in range(goals.shape[1])}
    active = [pair for pair in points if going[pair]]
    for _ in range(steps):
        still = []
        for start in range(0, len(active), CHUNK):
            part = active[start : start + CHUNK]
            images = np.array([i for i, _ in part], dtype=np.int64)
            wanted = np.array([goals[pair] for pair in part], dtype=np.int64)
            moved, on = step(np.stack([points[pair][-1] for pair in part]), images, wanted)
            for pair, point, goes in zip(part, moved, on, strict=True):
                if (point != points[pair][-1]).any():
                    points[pair].append(point.copy())
                    still += [pair] if goes else []
        active = still
    return [[np.stack(points[i, j]) for i in range(len(x))] for j in range(goals.shape[1])]


def way_back(outwards: list[list[Floats]], problems: Problems, probe: Probe) -> Bundle:
    """The walks from the ends of the trails back to the images, each with the same weight, together 1.

    Args:
        outwards: `trails(...)`.
        problems: the images' problems; their baselines are replaced by the trails' ends.
        probe: evaluates the explained output there.
    """
    parts = []
    for own in outwards:
        vertices = [points[::-1] if len(points) > 1 else np.repeat(points, 2, axis=0) for points in own]
        starts = np.stack([points[0] for points in vertices])
        posed = problems.starting_at(starts, probe.outputs(starts, problems.targets))
        parts.append(Part(Polyline(vertices), posed, 1.0 / len(outwards)))
    return Bundle(parts)


def integrated(bundle: Bundle, corners: int, problems: Problems, probe: Probe) -> Attributions:
    """The bundle's maps; the run's node limit is for what comes on top of the corners and a node between each two.

    Args:
        bundle: the walks back to the images.
        corners: the most corners that all walks to one image may have together.
        problems: the images.
        probe: the model.
    """
    limits = probe.quadrature
    return integrate(bundle, problems, probe, replace(limits, node_limit=limits.node_limit + 2 * corners))
