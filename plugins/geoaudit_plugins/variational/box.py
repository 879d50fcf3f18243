"""The box of valid inputs, and which images leave their baselines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from geoaudit.api import Floats, Problems
from geoaudit.paths.integrator import CHUNK


def limits(problems: Problems) -> tuple[Floats, Floats]:
    """The range of valid inputs, widened where an image or its baseline lies outside it; two arrays (n, *shape)."""
    space = problems.space
    ends = np.stack([space.per_channel(space.low), space.per_channel(space.high)]).astype(problems.x.dtype)
    low = np.minimum(np.minimum(problems.x, problems.baseline), ends.min(axis=0))
    high = np.maximum(np.maximum(problems.x, problems.baseline), ends.max(axis=0))
    return low, high


def unit(problems: Problems) -> Floats:
    """The range's width for each channel, broadcasting against one picture."""
    space = problems.space
    return np.abs(space.per_channel(space.high) - space.per_channel(space.low)).astype(problems.x.dtype)


def diagonal(problems: Problems) -> float:
    """Euclidean length of the box's diagonal, in model input units."""
    space = problems.space
    widths = np.subtract(space.high, space.low)
    return float(np.sqrt((widths**2).mean() * np.prod(space.shape)))


def moving(problems: Problems, points: int) -> Iterator[list[int]]:
    """The images that differ from their baselines, as many at a time as fill an evaluation of `points` an image."""
    chosen = [i for i in range(len(problems)) if np.any(problems.x[i] != problems.baseline[i])]
    size = max(1, CHUNK // points)
    for start in range(0, len(chosen), size):
        yield chosen[start : start + size]
