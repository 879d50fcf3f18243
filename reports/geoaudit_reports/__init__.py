"""Renderers: each a pure function of the report model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoaudit.audit.result import Report

__all__ = ["CHECKSUMS_NAME", "HTML_NAME", "JSON_NAME", "MAPS_NAME", "SCORES_FOLDER", "render_folder", "write_report"]

JSON_NAME = "report.json"
MAPS_NAME = "maps.npz"
HTML_NAME = "report.html"
CHECKSUMS_NAME = "SHA256SUMS"
SCORES_FOLDER = "scores"


def render_folder(folder: Path) -> Path:
    """Write the HTML pages from the `report.json` and, where it exists, the `maps.npz` in `folder`.

    `SHA256SUMS` is written last, over all files of the report; pages of an earlier rendering that are no longer
    needed are removed.

    Returns:
        The path of `report.html`; every page is complete or not there at all.

    Raises:
        UsageError: there is no report.json, it is no geoaudit report, or the maps file is damaged.
        OutputError: the folder cannot be written.
    """
    from contextlib import nullcontext

    from geoaudit_reports import checksums, html, json_report
    from geoaudit_reports.files import make_folder, write_atomically
    from geoaudit_reports.maps import MapStore

    report = json_report.load(folder / JSON_NAME)
    maps_file = folder / MAPS_NAME
    written = []
    with MapStore(maps_file) if maps_file.exists() else nullcontext() as maps:
        for name, text in html.pages(report, maps):
            make_folder((folder / name).parent)
            write_atomically(folder / name, text)
            written.append(name)
    html.remove_stale(folder, written)
    tables = [path.relative_to(folder).as_posix() for path in folder.glob(f"{SCORES_FOLDER}/*.parquet")]
    checksums.write(folder, [JSON_NAME, *([MAPS_NAME] if maps_file.exists() else []), *written, *tables])
    return folder / HTML_NAME


def write_report(report: Report, folder: Path) -> Path:
    """Write `report.json`, then everything that is made from it, into `folder`; the maps must lie there already.

    Returns:
        The path of `report.html`.

    Raises:
        OutputError: the folder cannot be written.
    """
    from geoaudit_reports import json_report

    json_report.write_json(report, folder / JSON_NAME)
    return render_folder(folder)
