"""SHA256SUMS: the digests of a report's files, in the format that `sha256sum --check` reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from geoaudit.digests import sha256
from geoaudit.errors import UsageError
from geoaudit_reports.files import write_atomically

NAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


def digest(path: Path) -> str:
    """The sha256 of a file's bytes, lower-case hex."""
    return sha256([path])


def write(folder: Path, names: Sequence[str]) -> None:
    """Write the digests of the files `names` in `folder`, sorted by name.

    Raises:
        OutputError: the file cannot be written.
    """
    write_atomically(folder / NAME, "".join(f"{digest(folder / name)}  {name}\n" for name in sorted(names)))


def read(folder: Path) -> dict[str, str] | None:
    """The digests that the list in `folder` states: file name to lower-case hex; None where there is no list.

    Raises:
        UsageError: the list cannot be read, or a line is none of a digest and a name, or names a file again.
    """
    path = folder / NAME
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no UTF-8 text"
        raise UsageError(str(path), f"cannot be read ({reason})") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in found:
            reason = "is no digest and file name" if match is None else f"names {match[2]} again"
            raise UsageError(str(path), f"line {number} {reason}")
        found[match[2]] = match[1].lower()
    return found
