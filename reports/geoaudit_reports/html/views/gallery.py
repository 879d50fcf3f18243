"""The gallery: a stated choice of images in report.html, all images on the gallery pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from geoaudit.audit.result import ImageInfo
from geoaudit_reports.html.formats import count
from geoaudit_reports.html.tiles import photo_uri
from geoaudit_reports.html.views import blocks
from geoaudit_reports.html.views.images import Images, page_name
from geoaudit_reports.html.views.painting import Draw
from geoaudit_reports.maps import MapStore

PHOTO_SIDE = 224
UNFOLDED = 60
"""So many maps of report.html are shown at once; the images after them are folded up."""


@dataclass(frozen=True)
class Choice:
    """A method that can be picked out of the gallery."""

    method: str
    control: bool


@dataclass(frozen=True)
class Link:
    """A page of the gallery, from the page that shows the link."""

    title: str
    href: str
    here: bool = False


@dataclass(frozen=True)
class Gallery:
    """Some images, and what the reader must know about the choice."""

    notes: tuple[str, ...]
    images: tuple[blocks.ImageView, ...]
    choices: tuple[Choice, ...]
    links: tuple[Link, ...]

    @property
    def has_photos(self) -> bool:
        """Whether any photograph is shown."""
        return any(image.photo_uri for image in self.images)

    @property
    def has_maps(self) -> bool:
        """Whether any map is shown."""
        return any(view.uri for image in self.images for view in image.maps)


def photographs(maps: MapStore | None, chosen: Sequence[ImageInfo]) -> dict[str, str]:
    """Image id to the photograph as a data URI; images whose photograph is not stored are left out.

    Raises:
        UsageError: a photograph is damaged.
    """
    found = {}
    for image in chosen:
        pixels = maps.thumbnail(image.id) if maps is not None else None
        if pixels is not None:
            found[image.id] = photo_uri(pixels, PHOTO_SIDE)
    return found


def build(
    images: Images, chosen: Sequence[ImageInfo], draw: Draw | None, photos: dict[str, str], notes: Sequence[str],
    links: Sequence[Link], unfolded: int,
) -> Gallery:  # fmt: skip
    """The blocks of the `chosen` images.

    Args:
        images: the report, sorted by image.
        chosen: which images, in this order.
        draw: makes the tiles; None for no maps.
        photos: image id to photograph.
        notes: said before the blocks.
        links: to the gallery pages.
        unfolded: so many maps are shown at once; later images are folded up.

    Raises:
        UsageError: a map is damaged.
    """
    views = []
    for place, image in enumerate(chosen):
        opened = place == 0 or (place + 1) * len(images.methods) <= unfolded
        views.append(blocks.build(images, image, draw, photos.get(image.id, ""), opened))
    choices = tuple(Choice(method.id, method.kind == "control") for method in images.methods)
    return Gallery(tuple(notes), tuple(views), choices if draw is not None else (), tuple(links))


def sample_rule(shown: int, total: int) -> str:
    """Which images report.html shows, in a sentence."""
    if total == 0:
        return "No image was audited."
    if shown == 0:
        return f"This file has no room for any of the {count(total)} images; the gallery pages show them."
    if shown >= total:
        return "The one image." if total == 1 else f"All {count(total)} images."
    verb = "is" if shown == 1 else "are"
    rule = f"{count(shown)} of {count(total)} images {verb} shown here"
    if shown > 1:
        rule += ", evenly spaced by their mean SRG over the methods, lowest to highest"
    return f"{rule}. The gallery pages show all {count(total)}."


def reading(maps: MapStore | None, side: int, native: int, has_photos: bool) -> tuple[str, ...]:
    """How the pictures are to be read, and why some are not there.

    Args:
        maps: None if no maps.npz is at hand.
        side: the tiles' side in pixels; 0 if there was no room.
        native: the maps' own side in pixels.
        has_photos: whether photographs were stored.
    """
    if maps is None:
        return ("No maps.npz lies beside report.json, so this file has no pictures, only numbers.",)
    if not side:
        return ("The pictures are left out: this file would exceed 10 MB with them. maps.npz holds every map.",)
    small = f"Maps are scaled to {side} px so that this file stays under 10 MB; maps.npz holds them in full."
    private = (
        "Photographs were not stored with the maps, so there is no overlay, and controls made from the photograph "
        "alone are not drawn. File names are shown, and a map can show outlines of what was in the picture."
    )
    notes = (
        "Maps are summed over colour channels. Red speaks for the target, blue against it, grey is 0. Each "
        "scale is symmetric and ends at the 99th percentile of |a|, printed below the map in output units.",
        "Inverted controls show their method's picture turned around and are left out here.",
        "" if has_photos else private,
        small if side < native else "",
    )
    return tuple(note for note in notes if note)


def links(pages: Sequence[Sequence[ImageInfo]], images: Images, here: int | None = None) -> tuple[Link, ...]:
    """The gallery pages as seen from report.html (`here` None) or from gallery page `here`, counted from 1."""
    found = []
    for number, held in enumerate(pages, 1):
        first, last = images.numbers[held[0].id], images.numbers[held[-1].id]
        title = f"image {count(first)}" if first == last else f"images {count(first)} to {count(last)}"
        name = page_name(number)
        found.append(Link(title, name if here is None else name.rpartition("/")[2], number == here))
    return tuple(found)
