"""Renderers: each a pure function of the report model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoaudit.audit.result import Report

__all__ = ["HTML_NAME", "JSON_NAME", "MAPS_NAME", "render_folder", "write_report"]

JSON_NAME = "report.json"
MAPS_NAME = "maps.npz"
HTML_NAME = "report.html"


def render_folder(folder: Path) -> Path:
    """Write `report.html` from the `report.json` and, where it exists, the `maps.npz` in `folder`.

    Returns:
        The path of the HTML file, which is complete or not there at all.

    Raises:
        UsageError: there is no report.json, it is no geoaudit report, or the maps file is damaged.
        OutputError: the folder cannot be written.
    """
    from geoaudit_reports import json_report
    from geoaudit_reports.files import write_atomically
    from geoaudit_reports.html import render
    from geoaudit_reports.maps import MapStore

    report = json_report.load(folder / JSON_NAME)
    maps_file = folder / MAPS_NAME
    target = folder / HTML_NAME
    if maps_file.exists():
        with MapStore(maps_file) as maps:
            write_atomically(target, render(report, maps))
    else:
        write_atomically(target, render(report, None))
    return target


def write_report(report: Report, folder: Path) -> Path:
    """Write `report.json`, then `report.html`, into `folder`; the maps must lie there already.

    Returns:
        The path of the HTML file.

    Raises:
        OutputError: the folder cannot be written.
    """
    from geoaudit_reports import json_report

    json_report.write_json(report, folder / JSON_NAME)
    return render_folder(folder)
