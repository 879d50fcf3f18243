"""Rows of text and arrays in SQLite: what was committed outlives the process, and is checked when it is read.

The log is written ahead (WAL) and synchronised at checkpoints: a process that is killed loses the row that it was
writing; a power cut may lose the newest rows, never damage older ones.  One process has the file at a time, and the
system takes its lock away when it ends, however it ends.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from geoaudit.audit.store import files
from geoaudit.errors import OutputError

_CHUNK = 2**24
_LOG_PAGES = 2**11  # 64 MB of log between two checkpoints: fewer waits for the disk
_TABLES = f"""
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, run TEXT NOT NULL, stage TEXT NOT NULL, name TEXT NOT NULL,
    text TEXT NOT NULL, digest TEXT NOT NULL
);
CREATE TABLE pieces (
    row INTEGER NOT NULL REFERENCES rows (id) ON DELETE CASCADE, array INTEGER NOT NULL, number INTEGER NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (row, array, number)
);
PRAGMA application_id = {files.APPLICATION};
PRAGMA user_version = {files.VERSION};
"""
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Busy(OutputError):  # noqa: N818  (its name is what it says)
    """Another process has the file."""


class Damaged(Exception):  # noqa: N818  (whoever reads goes on without it)
    """The file is not what was written; the message says what is wrong, as a clause."""


class DamagedRow(Exception):  # noqa: N818  (whoever reads goes on without it)
    """One row is not what was written, the others may be; the message says which, as a clause."""


@dataclass(frozen=True)
class Row:
    """What is kept under one key.

    Attributes:
        run: digest of what all rows of a run have in common.
        stage: what kind of row it is.
        name: of what, for people.
        text: JSON.
        arrays: .npy files.
    """

    run: str
    stage: str
    name: str
    text: str
    arrays: Sequence[bytes] = ()

    @property
    def digest(self) -> str:
        """sha256 of it all, lower-case hex."""
        parts = [part.encode() for part in (self.run, self.stage, self.name, self.text)]
        digest = hashlib.sha256(repr([len(part) for part in (*parts, *self.arrays)]).encode())
        for part in (*parts, *self.arrays):
            digest.update(part)
        return digest.hexdigest()


class Database:
    """The store's file, open and locked.

    Args:
        folder: the report folder, which exists.

    Raises:
        Busy: another process has it.
        OutputError: it cannot be written.
        Damaged: it is not one of these files.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / files.NAME
        self._open = _connected(self.path)

    def put(self, key: str, row: Row) -> None:
        """Keep a row in place of the one of the same key; on return it is committed.

        Raises:
            OutputError: the disk is full, or the like.
            Damaged: the file is not what was written.
        """
        with self._working(), self._open:
            self._open.execute("DELETE FROM rows WHERE key = ?", (key,))
            fields = (key, row.run, row.stage, row.name, row.text, row.digest)
            made = self._open.execute(
                "INSERT INTO rows (key, run, stage, name, text, digest) VALUES (?, ?, ?, ?, ?, ?)", fields
            )
            pieces = ((made.lastrowid, *piece) for piece in _pieces(row.arrays))
            self._open.executemany("INSERT INTO pieces VALUES (?, ?, ?, ?)", pieces)

    def get(self, key: str) -> Row | None:
        """The row, if there is one.

        Raises:
            Damaged: the file is not what was written.
            DamagedRow: the row is not what was put.
        """
        with self._working():
            query = "SELECT id, run, stage, name, text, digest FROM rows WHERE key = ?"
            found = self._open.execute(query, (key,)).fetchone()
            if found is None:
                return None
            number, run, stage, name, text, digest = found
            row = Row(run, stage, name, text, self._arrays(number))
        if row.digest != digest:
            raise DamagedRow(f"what it holds of {name} is not what was written")
        return row

    def _arrays(self, row: int) -> list[bytes]:
        arrays: dict[int, list[bytes]] = {}
        query = "SELECT array, data FROM pieces WHERE row = ? ORDER BY array, number"
        for array, data in self._open.execute(query, (row,)):
            arrays.setdefault(array, []).append(data)
        return [pieces[0] if len(pieces) == 1 else b"".join(pieces) for pieces in arrays.values()]

    def count(self, stages: Sequence[str], run: str | None = None) -> int:
        """Number of rows of these stages, of one run or of all."""
        marks = ", ".join("?" * len(stages))
        query = f"SELECT COUNT(*) FROM rows WHERE stage IN ({marks}) AND (? IS NULL OR run = ?)"
        with self._working():
            (found,) = self._open.execute(query, (*stages, run, run)).fetchone()
        return int(found)

    def keep_only(self, runs: Sequence[str]) -> None:
        """Drop the rows of other runs."""
        marks = ", ".join("?" * len(runs))
        with self._working(), self._open:
            self._open.execute(f"DELETE FROM rows WHERE run NOT IN ({marks})", tuple(runs))

    def facts(self) -> dict[str, str]:
        """What is noted about the run, by name."""
        with self._working():
            return dict(self._open.execute("SELECT name, value FROM facts"))

    def note(self, **facts: str) -> None:
        """Note facts in place of those of the same names."""
        with self._working(), self._open:
            self._open.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def close(self) -> None:
        """Write everything into the one file, as far as the disk allows, and let it go."""
        with suppress(sqlite3.Error):
            self._open.close()

    @contextmanager
    def _working(self) -> Iterator[None]:
        with _told(self.path):
            yield


def _connected(path: Path) -> sqlite3.Connection:
    with _told(path):
        opened = sqlite3.connect(path, timeout=0, isolation_level="IMMEDIATE")
        try:
            opened.execute("PRAGMA page_size = 32768")
            opened.execute("PRAGMA locking_mode = EXCLUSIVE")
            with opened:  # takes the lock for as long as the connection lives
                opened.execute("BEGIN IMMEDIATE")
                if not opened.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                    for statement in _TABLES.strip().rstrip(";").split(";"):
                        opened.execute(statement)
            # from here on, so that the file's header says from the beginning whose it is
            opened.execute("PRAGMA journal_mode = WAL")
            opened.execute("PRAGMA synchronous = NORMAL")
            opened.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
            opened.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            opened.close()
            raise
    return opened


def _pieces(arrays: Sequence[bytes]) -> Iterator[tuple[int, int, memoryview]]:
    for number, array in enumerate(arrays):
        for start in range(0, max(1, len(array)), _CHUNK):
            yield number, start // _CHUNK, memoryview(array)[start : start + _CHUNK]


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            raise Busy(
                str(path.parent),
                "another audit is writing into this folder",
                "Wait for its end, or choose another folder with -o.",
            ) from None
        if code in _FULL:
            raise OutputError(
                str(path), f"cannot be written ({error})", "Make room and run the same command again, or choose "
                "another folder with -o.",
            ) from None  # fmt: skip
        raise Damaged(f"it is damaged ({error})") from error
