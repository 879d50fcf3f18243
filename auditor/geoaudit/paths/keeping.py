"""Arrays that must be kept for a while: a few in memory, the others in a temporary file.

What lies in the file is mapped: it is read like any array, and the pages that were read are let go again, so that
they do not add up to what was kept.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats
from geoaudit.errors import OutputError

IN_MEMORY = 64 * 2**20
"""Bytes that one keeper, or one block, may hold in memory."""
_SEGMENT = 64 * 2**20


class _Pages(mmap.mmap):
    """A map of a file of ours; other maps may hold changes that letting go would lose.

    Attributes:
        file: the file.
        start: where the map begins in memory.
    """

    file: Any
    start: int


class Keeper:
    """Keeps arrays of one shape; as long as one of them is in use, so is the file.

    Args:
        in_memory: bytes that are kept in memory before the file is begun.
    """

    def __init__(self, in_memory: int | None = None) -> None:
        self._room = IN_MEMORY if in_memory is None else in_memory
        self._segments: list[Floats] = []
        self._used = 0

    def keep(self, array: Floats) -> Floats:
        """A copy of `array`, on its own in memory or a view of the file.

        Raises:
            OutputError: there is no room on the disk.
        """
        if array.nbytes <= self._room:
            self._room -= array.nbytes
            return array.copy()
        if not self._segments or self._used == len(self._segments[-1]):
            rows = max(1, _SEGMENT // max(1, array.nbytes))
            self._segments.append(_on_disk((rows, *array.shape), array.dtype))
            self._used = 0
        place: Floats = self._segments[-1][self._used]
        put(place, array)
        self._used += 1
        return place

    def let_go(self) -> None:
        """Let the pages go that were written and read; what is kept stays."""
        let_go(self._segments)


def block(shape: tuple[int, ...], dtype: npt.DTypeLike, in_memory: int | None = None) -> Floats:
    """An array of zeros that lies in a temporary file where it is large; see `let_go`.

    Args:
        shape: its shape.
        dtype: its type.
        in_memory: bytes up to which it stays in memory; `IN_MEMORY` if None.

    Raises:
        OutputError: there is no room on the disk.
    """
    if prod(shape) * np.dtype(dtype).itemsize <= (IN_MEMORY if in_memory is None else in_memory):
        return np.zeros(shape, dtype)
    return _on_disk(shape, np.dtype(dtype))


def put(place: Floats, values: Floats) -> None:
    """Overwrite `place`, of the same shape; a whole row of a file of ours at once, without a fault for every page."""
    pages = _pages(place)
    if pages is None or not hasattr(os, "pwrite") or not place.flags.c_contiguous:
        place[...] = values
        return
    data = np.ascontiguousarray(values, dtype=place.dtype).reshape(-1).data.cast("B")
    offset = place.ctypes.data - pages.start
    while data:
        written = os.pwrite(pages.file.fileno(), data, offset)
        data, offset = data[written:], offset + written


def let_go(arrays: Iterable[npt.NDArray[Any]]) -> None:
    """Let the pages go that were read of those arrays, or views of them, that lie in a file of ours."""
    if not hasattr(mmap, "MADV_DONTNEED"):  # Windows: the system takes them back when it wants to
        return
    found = {id(pages): pages for array in arrays if (pages := _pages(array)) is not None}
    for pages in found.values():
        pages.madvise(mmap.MADV_DONTNEED)


def _pages(array: Any) -> _Pages | None:
    """The map that an array is a view of."""
    while isinstance(array, np.ndarray | memoryview):
        array = array.base if isinstance(array, np.ndarray) else array.obj
    return array if isinstance(array, _Pages) else None


def _on_disk(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Floats:
    size = prod(shape) * dtype.itemsize
    try:
        file = tempfile.TemporaryFile(prefix="geoaudit-")  # noqa: SIM115  # open as long as the map
        _reserve(file.fileno(), size)
        pages = _Pages(file.fileno(), size)
    except OSError as error:
        raise OutputError(
            tempfile.gettempdir(), f"cannot hold {size / 2**20:.0f} MB of gradients ({error.strerror or error})",
            "Make room there, or name another folder in the environment variable TMPDIR.",
        ) from error  # fmt: skip
    made: Floats = np.frombuffer(pages, dtype).reshape(shape)
    pages.file, pages.start = file, made.ctypes.data
    return made


def _reserve(file: int, size: int) -> None:
    """Room for all of it now: a disk that is full later would end the process without a word."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)
