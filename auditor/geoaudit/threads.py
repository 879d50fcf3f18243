"""Bookkeeping on several cores, and bookkeeping beside the model.

numpy, scipy's image filters and onnxruntime let go of the interpreter's lock while they compute, so that threads are
enough.  Both functions keep the order of the work and change no number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from geoaudit.model.cores import usable_cores

S = TypeVar("S")
T = TypeVar("T")


LARGE = 2**14
"""Numbers from which on an item is worth a thread, which takes a tenth of a millisecond to start."""


_allowed: int | None = None


def allow(threads: int | None) -> None:
    """From now on bookkeeping takes no more threads than this; None: all usable cores."""
    global _allowed
    _allowed = threads


@contextmanager
def plain_algebra() -> Iterator[None]:
    """One thread for numpy's and scipy's matrix products and decompositions meanwhile.

    Theirs spin for a while after every product, on the cores that the model computes on; `each` shares out the work
    better.  Only their own OpenBLAS is told, not the one that torch may use.
    """
    import scipy.linalg  # noqa: F401  # loads the library
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    found = [lib for lib in ThreadpoolController().lib_controllers if "scipy_openblas" in Path(lib.filepath).name]
    before = [lib.num_threads for lib in found]
    for library in found:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, threads in zip(found, before, strict=True):
            library.set_num_threads(threads)


def each(work: Callable[[S], T], items: Iterable[S], size: int) -> list[T]:
    """What `work` returns for each item, in the items' order; large ones one thread a core, see `allow`.

    Args:
        work: does not evaluate the model, which has all cores and counts what is evaluated, and writes to nothing that
            another item reads or writes.
        items: what is worked on.
        size: numbers that one item goes through at least once.

    Raises:
        Exception: what `work` raises, for the first item that fails; no more items are begun then.
    """
    waiting = list(items)
    threads = min(len(waiting), _allowed or usable_cores()) if size >= LARGE else 1
    if threads < 2:
        return [work(item) for item in waiting]
    pool = ThreadPoolExecutor(threads, "geoaudit-each")
    try:
        return list(pool.map(work, waiting))
    finally:
        pool.shutdown(cancel_futures=True)


def ahead(made: Iterable[T]) -> Iterator[T]:
    """The same values in the same order; while one is used the next is made, in a thread of its own.

    Args:
        made: does not evaluate the model.  At most one value is made ahead, so that two are held at a time.

    Raises:
        Exception: what making a value raises, when its turn has come.
    """
    values, end = iter(made), object()
    with ThreadPoolExecutor(1, "geoaudit-ahead") as maker:
        coming = maker.submit(next, values, end)
        while (value := coming.result()) is not end:
            coming = maker.submit(next, values, end)
            yield value  # type: ignore[misc]  # only the end is no T
