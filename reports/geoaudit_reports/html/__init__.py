"""report.html: one self-contained file, readable without scripts and without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoaudit.audit.result import Report
    from geoaudit_reports.maps import MapStore

__all__ = ["MOST_BYTES", "render"]

MOST_BYTES = 10_000_000

_LADDER = ((224, 8), (112, 8), (112, 4), (112, 2), (112, 0))
"""Tile side in pixels and number of images, tried in this order until the file is small enough."""


def render(report: Report, maps: MapStore | None, most_bytes: int = MOST_BYTES) -> str:
    """The report as one HTML document; the same report and maps give the same text.

    Args:
        report: what to show.
        maps: the attribution maps; without them the report has no pictures and says so.
        most_bytes: size in UTF-8 that pictures are scaled down, then left out, to stay under.

    Raises:
        UsageError: the maps file is damaged.
    """
    from geoaudit_reports.html.document import fill
    from geoaudit_reports.html.views import gallery, page

    content = page.build(report)
    text = ""
    for side, images in _LADDER:
        text = fill(content, gallery.build(report, maps, side, images))
        if len(text.encode("utf-8")) <= most_bytes:
            break
    return text
