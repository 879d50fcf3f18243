"""Evaluations side by side on a processor, each on few threads.

Threads that share one evaluation wait for each other after every operator; evaluations side by side do not.
EfficientNet-Lite0 on two cores: gradients take a fifth less time so, scores a tenth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST = 8
"""Evaluations side by side; where there are more threads, each gets several.  An audit's groups have 8 images, so that
more would often have nothing to do, and each needs memory for its activations."""


class Lanes:
    """A share of the threads for each evaluation, and as many evaluations at a time.

    Args:
        threads: processor threads in all.

    Attributes:
        count: evaluations at a time.
        threads: of each.
    """

    def __init__(self, threads: int) -> None:
        self.threads = max(1, threads // MOST)
        self.count = max(1, threads // self.threads)

    def map(self, run: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """`run` of each item, in order; it must let go of the interpreter's lock while it computes.

        Raises:
            Exception: what `run` raises for the first item that fails.
        """
        if len(items) < 2 or self.count < 2:
            return [run(item) for item in items]
        return list(self._pool.map(run, items))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.count, "geoaudit-lane")


@cache
def lanes(threads: int) -> Lanes:
    """The lanes for so many threads; all engines of the process share them."""
    return Lanes(threads)
