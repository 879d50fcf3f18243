"""Making findings: what is shared by all steps of a verification."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from geoaudit.digests import sha256
from geoaudit.verify.result import Finding

SENSELESS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What working on a report raises that follows its schema but contradicts itself."""


def passed(check: str, subject: str, reason: str) -> Finding:
    """Looked at and found as the report says."""
    return Finding(id=check, subject=subject, status="PASS", reason=reason)


def failed(check: str, subject: str, reason: str, expected: object = None, found: object = None) -> Finding:
    """Looked at and found otherwise."""
    told = [None if value is None else str(value) for value in (expected, found)]
    return Finding(id=check, subject=subject, status="FAIL", reason=reason, expected=told[0], found=told[1])


def skipped(check: str, subject: str, reason: str) -> Finding:
    """Not looked at, or nothing to decide."""
    return Finding(id=check, subject=subject, status="SKIP", reason=reason)


def settled(check: str, subject: str, reason: str, faults: Iterable[Finding]) -> list[Finding]:
    """The faults, or one finding that there are none."""
    return list(faults) or [passed(check, subject, reason)]


def compared(check: str, subject: str, expected: str, path: Path) -> Finding:
    """Whether the file at `path` has the sha256 `expected`."""
    try:
        found = sha256([path])
    except OSError as error:
        return failed(check, subject, f"cannot be read ({error.strerror or error})", expected)
    if found == expected.lower():
        return passed(check, subject, "has the stated sha256")
    return failed(check, subject, "its bytes are not those that the sha256 was taken of", expected, found)


def inside(folder: Path, name: str) -> Path | None:
    """The path of `name` in `folder`; None where it would lead out of it."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or PureWindowsPath(name).drive or ".." in parts.parts or not parts.parts:
        return None
    return folder / name


def some(names: Iterable[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
