"""Seconds of a run, and how far its maps are from being complete."""

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
