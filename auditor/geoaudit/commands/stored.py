"""Naming a stored report: its report.json, or the folder it lies in."""

from __future__ import annotations

from pathlib import Path

from geoaudit.errors import UsageError


def folder_of(report: Path) -> Path:
    """The folder of a stored report.

    Args:
        report: a report.json, or the folder it lies in.

    Raises:
        UsageError: it is neither.
    """
    from geoaudit_reports import JSON_NAME

    if not report.is_dir() and report.name != JSON_NAME:
        raise UsageError(str(report), f"is not called {JSON_NAME}", f"Name the {JSON_NAME} or the folder it lies in.")
    return report if report.is_dir() else report.parent
