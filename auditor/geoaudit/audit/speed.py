"""How fast this machine evaluates this model: what turns evaluations into minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from geoaudit.api import Cost, Floats
from geoaudit.model.explain import Space
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

_SEVERAL = 8  # images at least, for single ones are evaluated side by side
_OVERHEAD = 1.4  # bookkeeping, decoding, scoring, imputing and writing, as a share of the model's time


@dataclass(frozen=True)
class Speed:
    """Measured seconds for one image."""

    gradient: float
    forward: float

    def seconds(self, cost: Cost) -> float:
        """What `cost` takes, bookkeeping included."""
        return _OVERHEAD * (cost.gradients * self.gradient + cost.forwards * self.forward)


def measure_speed(runtime: Runtime, twin: Twin | None, point: Floats, space: Space, rounds: int = 6) -> Speed:
    """Time of several gradients and of several forwards: the shortest of some, after one that is not counted.

    The shortest, because another program's burst lengthens a round and nothing shortens one.

    Args:
        runtime: onnxruntime on the audited file.
        twin: its differentiable twin; None: gradients cost nothing, for there are none.
        point: one image in model input space, shape (1, *shape).
        space: the explained scalar.
        rounds: batches timed of each.
    """
    forwards = np.repeat(point, max(runtime.batch_size, _SEVERAL), axis=0)
    forward = _shortest(lambda: runtime.logits(forwards), len(forwards), rounds)
    return Speed(0.0 if twin is None else _gradient_seconds(twin, point, space, rounds), forward)


def _gradient_seconds(twin: Twin, point: Floats, space: Space, rounds: int) -> float:
    twin.value_and_gradient(point, np.zeros(1, dtype=np.int64), space)  # settles layout and batch size
    batch = max(_SEVERAL, 1 if twin.setting is None else twin.setting.batch_size)
    points, targets = np.repeat(point, batch, axis=0), np.zeros(batch, dtype=np.int64)
    return _shortest(lambda: twin.value_and_gradient(points, targets, space), batch, rounds)


def _shortest(evaluate: Callable[[], object], images: int, rounds: int) -> float:
    """Seconds an image in the quickest of some rounds."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        evaluate()
        seconds.append(time.perf_counter() - start)
    return min(seconds) / images
