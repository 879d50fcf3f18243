"""Seconds of a run, how far its maps are from being complete, and whether two tools' maps point the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Problems


@dataclass(frozen=True)
class Timed:
    """What came out, maps of shape (n, *shape), and how long it took."""

    values: npt.NDArray[Any]
    seconds: float


def timed(make: Callable[[], npt.NDArray[Any]]) -> Timed:
    """Run once."""
    begun = perf_counter()
    values = make()
    return Timed(values, perf_counter() - begun)


def misses(values: npt.NDArray[Any], problems: Problems) -> npt.NDArray[np.float64]:
    """|sum A - delta f| / |delta f| of each map, shape (n,)."""
    sums = values.reshape(len(values), -1).sum(axis=1, dtype=np.float64)
    errors: npt.NDArray[np.float64] = np.abs(sums - problems.delta_f) / np.abs(problems.delta_f)
    return errors


def alike(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """The median over photographs of the cosine of two maps, in [-1, 1]."""
    left, right = (m.reshape(len(m), -1).astype(np.float64) for m in (a, b))
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(np.median((left * right).sum(axis=1) / norms))
