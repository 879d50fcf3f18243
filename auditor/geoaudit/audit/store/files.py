"""The store's files in a report folder: their names, whose they are, and how they go away."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal

NAME = "store.sqlite"
PART = ".maps.npz.part"
"""The maps while they are being written; a killed process leaves them behind."""
APPLICATION = 0x67656F61
"""Stands in the file's header (SQLite's application id): "geoa"."""
VERSION = 1
"""Of the tables; stands in the file's header (SQLite's user version)."""
_SUFFIXES = ("", "-wal", "-shm", "-journal")
_MAGIC = b"SQLite format 3\x00"

Owner = Literal["ours", "another version", "somebody else"]


def store_files(folder: Path) -> list[Path]:
    """The files that are there."""
    return [path for path in (folder / f"{NAME}{suffix}" for suffix in _SUFFIXES) if path.exists()]


def size(folder: Path) -> int:
    """Bytes of all of them."""
    return sum(path.stat().st_size for path in store_files(folder))


def owner(path: Path) -> Owner | None:
    """Who has written this file, by its header; None where nothing is in it.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        header = stream.read(100)
    if not any(header):  # nothing, or a transaction that was not finished
        return None
    if len(header) < 100 or not header.startswith(_MAGIC) or _number(header, 68) != APPLICATION:
        return "somebody else"
    return "ours" if _number(header, 60) == VERSION else "another version"


def remove(folder: Path) -> None:
    """Take the store away, the log first: what is left of it by a crash in between is whole.

    Raises:
        OSError: a file cannot be removed.
    """
    for path in reversed(store_files(folder)):
        path.unlink(missing_ok=True)


def set_aside(folder: Path) -> Path:
    """Give a file that is not ours another name, and its companions with it; returns that of the file.

    Raises:
        OSError: it cannot be renamed.
    """
    for path in store_files(folder):
        path.replace(path.with_name(f"{NAME}.old{path.name.removeprefix(NAME)}"))
    return folder / f"{NAME}.old"


def discard_folder(folder: Path) -> None:
    """Remove the folder if nothing is in it."""
    with suppress(OSError):
        folder.rmdir()


def _number(header: bytes, place: int) -> int:
    return int.from_bytes(header[place : place + 4], "big")
