"""Evaluations side by side on a processor, each on few threads.

Threads that share one evaluation wait for each other after every operator; evaluations side by side do not.
EfficientNet-Lite0 on two cores: gradients take a fifth less time so, scores a tenth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, cached_property
from itertools import count
from typing import Generic, TypeVar

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
        turns = _Turns(run, items)
        others = [self._pool.submit(turns.take) for _ in range(min(self.count, len(items)) - 1)]
        try:
            turns.take()  # this thread is a lane as well
        finally:
            turns.stop()
            wait(others)
        return turns.results()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.count - 1, "geoaudit-lane")


class _Turns(Generic[T, R]):
    """Items that several threads take one after another, the next whenever one is done."""

    def __init__(self, run: Callable[[T], R], items: Sequence[T]) -> None:
        self._run = run
        self._items = items
        self._next = count()  # drawing from it is one step for the interpreter
        self._made: dict[int, R] = {}
        self._failed: dict[int, Exception] = {}

    def take(self) -> None:
        """Work until no item is left or one has failed."""
        while not self._failed and (turn := next(self._next)) < len(self._items):
            try:
                self._made[turn] = self._run(self._items[turn])
            except Exception as error:  # raised by `results`, in the thread that waits for them
                self._failed[turn] = error

    def stop(self) -> None:
        """No more items are begun."""
        self._next = count(len(self._items))

    def results(self) -> list[R]:
        """What was made, in the items' order.

        Raises:
            Exception: the first item's that failed.
        """
        if self._failed:
            raise self._failed[min(self._failed)]
        return [self._made[turn] for turn in range(len(self._items))]


@cache
def lanes(threads: int) -> Lanes:
    """The lanes for so many threads; all engines of the process share them."""
    return Lanes(threads)
