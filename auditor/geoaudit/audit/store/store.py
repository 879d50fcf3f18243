"""The store of one report folder: what a run has done is kept until the report is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from geoaudit.audit.store import files
from geoaudit.audit.store.database import Damaged, DamagedRow, Database, Row
from geoaudit.errors import OutputError
from geoaudit.words import counted

T = TypeVar("T")
UNITS = ("scores", "free scores", "unit", "check")
"""Stages whose rows are counted: a method's scores of a group of images (those that evaluate nothing, where an adaptive
audit asks for no others), its whole unit where that was made elsewhere,
and a check's findings about a method."""


class Warner(Protocol):
    """Whoever tells the user."""

    def warn(self, text: str) -> None:
        """One line that the user must not miss."""
        ...

    def say(self, text: str) -> None:
        """One line."""
        ...


class Store:
    """Opens the store, or makes it and the folder; no other run can have it at the same time.

    As a context it removes the store when it ends well.  When it ends by an exception the store stays if a unit has
    been finished; if none has, nothing stays, not even the folder if it was made here.

    Args:
        folder: the report folder.
        tell: told of what is there, and of what cannot be used.
        resume: go on with what is there; else it is dropped.

    Raises:
        OutputError: another run has it, or it cannot be written.
    """

    def __init__(self, folder: Path, tell: Warner, *, resume: bool = True) -> None:
        self._folder = folder
        self._tell = tell
        self._made = not folder.exists()
        self._noted: dict[str, str] = {}
        self._database: Database | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = self._opened()
            if not resume:
                self.forget()
        except OSError as error:
            raise OutputError(
                str(folder), f"cannot be written ({error.strerror or error})", "Choose another folder with -o."
            ) from None
        except OutputError:
            if self._made:
                files.discard_folder(folder)
            raise

    @property
    def units(self) -> int:
        """Units that are finished and kept, of whatever run."""
        return self.count()

    def count(self, run: str | None = None) -> int:
        """Units that are kept of this run."""
        return self._safely(lambda database: database.count(UNITS, run)) or 0

    def facts(self) -> dict[str, str]:
        """What was noted, by name."""
        return self._safely(lambda database: database.facts()) or {}

    def note(self, **facts: str) -> None:
        """Note something of the run."""
        self._noted |= facts
        self._safely(lambda database: database.note(**facts))

    def keep_only(self, runs: Collection[str]) -> None:
        """Drop what is kept of other runs than these."""
        self._safely(lambda database: database.keep_only(tuple(runs)))

    def forget(self) -> None:
        """Begin with an empty file: no trace is left in the old one's free pages either."""
        if self.facts() or self.units:
            self._noted = {}
            self._replace()

    def kept(self, key: str, kind: Any) -> Any:
        """The value of this type that is kept under a key; None where there is none, or none that can be used."""
        from geoaudit.audit.store.codec import Encoded, decode

        row = self._safely(lambda database: database.get(key))
        if row is None:
            return None
        try:
            return decode(kind, Encoded(row.text, tuple(row.arrays)))
        except (ValueError, TypeError, KeyError, IndexError) as error:
            self._tell.warn(f"{self.path}: {row.name} cannot be read ({error}); it is made anew")
            return None

    def keep(self, key: str, place: tuple[str, str, str], kind: Any, value: Any) -> None:
        """Keep a value; what no text and no array can hold is not kept.

        Args:
            key: where it is found again.
            place: the run's digest, the stage, and what it is of for people.
            kind: the value's type.
            value: the value.

        Raises:
            OutputError: the disk is full, or the like.
        """
        from geoaudit.audit.store.codec import encode

        try:
            made = encode(kind, value)
        except (ValueError, TypeError):
            return
        run, stage, name = place
        told = json.dumps(name)[1:-1]  # a file's name need not be text
        self._safely(lambda database: database.put(key, Row(run, stage, told, made.text, made.arrays)))

    def finish(self) -> None:
        """Take the store away: the report is there."""
        database, self._database = self._database, None
        if database is not None:
            database.close()
            files.remove(self._folder)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        units = self.units if kind is not None else 0
        if not units:
            self.finish()
            if kind is not None and self._made:
                files.discard_folder(self._folder)
        elif self._database is not None:
            self._database.close()
            self._tell.say(
                f"{counted(units, 'finished unit')} of work {'is' if units == 1 else 'are'} kept in {self.path}: "
                "run the same command again to go on."
            )

    @property
    def path(self) -> Path:
        """The file."""
        return self._folder / files.NAME

    def _opened(self) -> Database:
        """The file; one that cannot be used makes room for a new one."""
        whose = files.owner(self.path) if self.path.exists() else None
        if whose in ("somebody else", "another version"):
            kept = files.set_aside(self._folder)
            self._tell.warn(f"{self.path} is no store of this version of geoaudit: starting afresh; it is now {kept}")
        try:
            return Database(self._folder)
        except Damaged as wrong:
            self._tell.warn(f"{self.path} cannot be used, {wrong}: starting afresh")
            files.remove(self._folder)
            return Database(self._folder)

    def _safely(self, work: Callable[[Database], T]) -> T | None:
        """What the work returns; None where the file is damaged, which is told: a new one takes its place."""
        if self._database is None:
            return None
        try:
            return work(self._database)
        except DamagedRow as wrong:
            self._tell.warn(f"{self.path}: {wrong}; it is made anew")
        except Damaged as wrong:
            self._tell.warn(f"{self.path} cannot be used any more, {wrong}: starting afresh")
            self._replace()
        return None

    def _replace(self) -> None:
        """A new file with the same notes, if one can be made."""
        database, self._database = self._database, None
        if database is not None:
            database.close()
        files.remove(self._folder)
        with suppress(Damaged):  # then nothing is kept
            self._database = Database(self._folder)
            self._database.note(**self._noted)
