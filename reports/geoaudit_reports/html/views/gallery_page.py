"""A gallery page's own words: which images it holds, and the pages next to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from geoaudit_reports.html.formats import count
from geoaudit_reports.html.views.gallery import Link


@dataclass(frozen=True)
class GalleryPage:
    """What stands around the blocks."""

    title: str
    file: str
    heading: str
    before: Link | None
    after: Link | None


def build(file: str, total: int, links: Sequence[Link]) -> GalleryPage:
    """The page among `links` that says it is here.

    Args:
        file: the model's file name.
        total: number of images in the audit.
        links: all pages, as seen from this one.
    """
    here = next(place for place, link in enumerate(links) if link.here)
    name = links[here].title
    heading = f"{name[0].upper()}{name[1:]} of {count(total)}"
    before = links[here - 1] if here else None
    after = links[here + 1] if here + 1 < len(links) else None
    return GalleryPage(f"{heading}: explanation audit of {file}", file, heading, before, after)
