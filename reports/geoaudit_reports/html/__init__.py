"""The report as HTML: self-contained pages, readable without scripts and without a network.

report.html embeds a stated choice of images; where that is not all of them, gallery pages beside it hold all, the
chosen ones included, a few images a page.  Pictures that would take a page over the size limit shrink, then go, and a
line says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoaudit.audit.result import Report
    from geoaudit_reports.maps import MapStore

__all__ = ["MOST_BYTES", "pages", "remove_stale", "render"]

MOST_BYTES = 10_000_000


def pages(report: Report, maps: MapStore | None, most_bytes: int = MOST_BYTES) -> Iterator[tuple[str, str]]:
    """The report's pages, made one at a time; the same report and maps give the same pages.

    Args:
        report: what to show.
        maps: the attribution maps; without them the pages have numbers but no pictures and say so.
        most_bytes: size in UTF-8 that the pictures of each page are scaled down, then left out, to stay under.

    Yields:
        File name relative to the report folder, and HTML text; `report.html` first.

    Raises:
        UsageError: the maps file is damaged.
    """
    from geoaudit_reports.html.book import Book

    yield from Book(report, maps, most_bytes).pages()


def render(report: Report, maps: MapStore | None, most_bytes: int = MOST_BYTES) -> str:
    """The text of report.html alone; see `pages`."""
    return next(pages(report, maps, most_bytes))[1]


def remove_stale(folder: Path, written: Collection[str]) -> None:
    """Remove gallery pages of an earlier rendering in `folder` that are not among the `written` names.

    Only regular files called gallery/images-<number>.html go, and the gallery folder if nothing is left in it.

    Raises:
        OutputError: a page cannot be removed.
    """
    from geoaudit_reports.html.stale import remove

    remove(folder, written)
