"""What lies in a folder of an unfinished run, told without opening a model."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from geoaudit.audit.store import files
from geoaudit.audit.store.database import Busy, Damaged, Database
from geoaudit.audit.store.store import UNITS
from geoaudit.errors import OutputError

State = Literal["unfinished", "running", "unusable"]


@dataclass(frozen=True)
class Standing:
    """An unfinished run.

    Attributes:
        folder: the report folder.
        state: "running": a process has the store; "unusable": it is of another version, somebody else's or damaged.
        bytes: size of the store's files.
        model: name of the model's file; None where it is not known, as the following.
        started: when the run, or the first of several, began; UTC, ISO 8601.
        units: units of work that are finished.
        of: units of the whole run; None where it was interrupted before that was known.
        command: what goes on with it.
    """

    folder: str
    state: State
    bytes: int
    model: str | None = None
    started: str | None = None
    units: int | None = None
    of: int | None = None
    command: str | None = None


def standing(folder: Path) -> Standing | None:
    """What is there; None where nothing is.

    Raises:
        OutputError: the folder cannot be read.
    """
    path = folder / files.NAME
    try:
        if not path.is_file():
            return None
        size = files.size(folder)
        if files.owner(path) != "ours":
            return Standing(str(folder), "unusable", size)
        database = Database(folder)
    except OSError as error:
        raise OutputError(str(path), f"cannot be read ({error.strerror or error})", "See its permissions.") from None
    except Busy:
        return Standing(str(folder), "running", size)
    except Damaged:
        return Standing(str(folder), "unusable", size)
    try:
        facts, units = database.facts(), database.count(UNITS)
    except Damaged:
        return Standing(str(folder), "unusable", size)
    finally:
        database.close()
    total, command = facts.get("units"), json.loads(facts.get("command", "[]"))
    return Standing(
        str(folder), "unfinished", size, facts.get("model"), facts.get("started"), units,
        None if total is None else int(total), shlex.join(command) or None,
    )  # fmt: skip


def clear(folder: Path) -> int | None:
    """Take an unfinished run's store away; returns the bytes that it took, None where there is none of ours.

    The maps that were being written go with it, and the folder if nothing else is in it.  Nothing of a finished
    report is touched.

    Raises:
        OutputError: a run has it, or it cannot be removed.
    """
    path = folder / files.NAME
    if not path.is_file():
        return None
    try:
        if files.owner(path) in ("somebody else", "another version"):
            return None
        size = files.size(folder)
        with suppress(Damaged):
            Database(folder).close()  # nobody else has it
        files.remove(folder)
        (folder / files.PART).unlink(missing_ok=True)
        files.discard_folder(folder)
    except OSError as error:
        raise OutputError(str(path), f"cannot be removed ({error.strerror or error})", "See its permissions.") from None
    return size
