"""One image's walk as the integrator sees it: a parameter t in [0, 1], points, and where nodes must lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoaudit.api import Curve, Floats, Polyline, Problems, Recorded


@dataclass(frozen=True)
class Track:
    """One image's walk.

    Attributes:
        at: points at parameters t (float64, shape (k,)), shape (k, *shape).
        corners: parameters at which the direction jumps, ends included, ascending from 0 to 1.
    """

    at: Callable[[npt.NDArray[np.float64]], Floats]
    corners: npt.NDArray[np.float64]


def straight_line(problems: Problems) -> Curve:
    """The walk of integrated gradients; both ends are exact."""

    def at(i: int, t: npt.NDArray[np.float64]) -> Floats:
        start, end = problems.baseline[i], problems.x[i]
        points: Floats = start + t.astype(start.dtype)[:, None, None, None] * (end - start)
        points[t == 1.0] = end
        return points

    return Curve(at)


def tracks(walk: Curve | Polyline | Recorded, problems: Problems) -> list[Track]:
    """The walk of each problem."""
    if isinstance(walk, Curve):
        return [_curve_track(walk, i) for i in range(len(problems))]
    return [_polyline_track(vertices) for vertices in walk.vertices]


def _curve_track(curve: Curve, i: int) -> Track:
    return Track(lambda t: curve.at(i, t), np.array([0.0, 1.0]))


def _polyline_track(vertices: Floats) -> Track:
    segments = len(vertices) - 1

    def at(t: npt.NDArray[np.float64]) -> Floats:
        position = t * segments
        left = np.minimum(position.astype(np.int64), segments - 1)
        share = (position - left).astype(vertices.dtype)[:, None, None, None]
        points: Floats = vertices[left] + share * (vertices[left + 1] - vertices[left])
        return points

    return Track(at, np.arange(segments + 1) / segments)
