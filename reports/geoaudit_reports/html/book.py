"""report.html and its gallery pages, laid out under the size limit and made one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from geoaudit.audit.result import ImageInfo, Report
from geoaudit_reports.html.document import fill, fill_gallery_page
from geoaudit_reports.html.tiles import most_tile_bytes
from geoaudit_reports.html.views import gallery, gallery_page, image_table, page
from geoaudit_reports.html.views.images import choose, gather, page_name, paged
from geoaudit_reports.html.views.painting import Draw, Painter, Sketcher
from geoaudit_reports.maps import MapStore

A_PAGE = 8
"""Images on a gallery page, and at most in report.html."""

_CHOICES = ((224, 8), (112, 8), (112, 4), (112, 2), (0, 8), (0, 2), (0, 0))
"""For report.html: tile side in pixels (0: no pictures) and number of images, best first."""
_SIDES = (224, 112, 56, 0)
"""For gallery pages, which hold their images whatever happens: tile side in pixels, best first."""

_MARGIN = 1.1  # other images' tiles against those of the first; a page that comes out too large is made smaller again


@dataclass(frozen=True)
class Picture:
    """How the images of a page are painted.

    Attributes:
        side: of the tiles in pixels; 0 where there is no room for pictures.
        draw: makes the tiles; None for none.
        photos: image id to photograph, as a data URI.
    """

    side: int
    draw: Draw | None
    photos: dict[str, str]


@dataclass(frozen=True)
class Sketch:
    """A page without what its maps show.

    Attributes:
        weight: UTF-8 bytes.
        tiles: number of maps to be drawn.
        photos: image id to photograph, as a data URI; their bytes are in the weight.
    """

    weight: int
    tiles: int
    photos: dict[str, str]


Steps = Sequence[tuple[int, Sequence[ImageInfo]]]
"""Tile side in pixels (0: no pictures) and images, best first."""
FillIn = Callable[[Sequence[ImageInfo], Picture], str]


class Book:
    """All pages of a report.

    Args:
        report: what to show.
        maps: the attribution maps; None for pages of numbers.
        most_bytes: the size of a page, UTF-8, that pictures must not exceed.
    """

    def __init__(self, report: Report, maps: MapStore | None, most_bytes: int) -> None:
        self._report = report
        self._maps = maps
        self._most = most_bytes
        self._images = gather(report)
        self._pages: list[Sequence[ImageInfo]] = paged(self._images.images, A_PAGE)
        self._native = self._side_of_maps()

    def pages(self) -> Iterator[tuple[str, str]]:
        """File name and text of every page; report.html first.

        Raises:
            UsageError: the maps file is damaged.
        """
        text, whole = self._front()
        yield "report.html", text
        if not whole:
            for number in range(1, len(self._pages) + 1):
                yield page_name(number), self._gallery_page(number)

    def _front(self) -> tuple[str, bool]:
        """report.html, and whether it holds all images."""
        content = page.build(self._report)
        total = len(self._images.images)

        def fill_in(chosen: Sequence[ImageInfo], picture: Picture) -> str:
            listed = () if len(chosen) == total else self._pages
            notes = (gallery.sample_rule(len(chosen), total), *self._reading(picture))
            links = gallery.links(listed, self._images)
            shots = gallery.build(
                self._images, chosen, picture.draw, picture.photos, notes, links, gallery.UNFOLDED
            )  # fmt: skip
            return fill(content, shots, image_table.build(self._images, {image.id for image in chosen}, listed))

        different = dict.fromkeys((min(side, self._native), min(most, total)) for side, most in _CHOICES)
        text, chosen = self._fitted([(side, choose(self._images, most)) for side, most in different], fill_in)
        return text, len(chosen) == total

    def _gallery_page(self, number: int) -> str:
        links = gallery.links(self._pages, self._images, number)
        content = gallery_page.build(self._report.model.file, len(self._images.images), links)

        def fill_in(chosen: Sequence[ImageInfo], picture: Picture) -> str:
            everything = len(chosen) * len(self._images.methods)
            shots = gallery.build(
                self._images, chosen, picture.draw, picture.photos, self._reading(picture), links, everything
            )  # fmt: skip
            return fill_gallery_page(content, shots)

        different = dict.fromkeys(min(side, self._native) for side in _SIDES)
        return self._fitted([(side, self._pages[number - 1]) for side in different], fill_in)[0]

    def _reading(self, picture: Picture) -> tuple[str, ...]:
        return gallery.reading(self._maps, picture.side, self._native, bool(picture.photos))

    def _fitted(self, steps: Steps, fill_in: FillIn) -> tuple[str, Sequence[ImageInfo]]:
        """The page as the first of the `steps` that fits, and its images; the last one if none does."""
        text, chosen = "", steps[-1][1]
        sketches: dict[int, Sketch] = {}
        for side, chosen in steps:
            picture: Picture | None = Picture(0, None, {})
            if side:
                if len(chosen) not in sketches:
                    sketches[len(chosen)] = self._sketch(chosen, fill_in)
                picture = self._promising(side, chosen[0], sketches[len(chosen)])
            if picture is not None:
                text = fill_in(chosen, picture)
                if len(text.encode("utf-8")) <= self._most:
                    break
        return text, chosen

    def _promising(self, side: int, first: ImageInfo, sketch: Sketch) -> Picture | None:
        """Tiles of `side` pixels if the page is likely to have room for them.

        Tiles are painted once: the sketched page and the most that a tile can weigh tell what fits for certain; else
        the tiles of the first image tell what the others are likely to weigh.
        """
        assert self._maps is not None
        paint = Painter(self._images, self._maps, sketch.photos, side)
        room = (self._most - sketch.weight) / max(sketch.tiles, 1)
        if most_tile_bytes(side) > room and _MARGIN * paint.typical_bytes(first) > room:
            return None
        return Picture(side, paint, sketch.photos)

    def _sketch(self, chosen: Sequence[ImageInfo], fill_in: FillIn) -> Sketch:
        assert self._maps is not None
        photos = gallery.photographs(self._maps, chosen)
        sketcher = Sketcher(self._maps, photos)
        text = fill_in(chosen, Picture(1, sketcher, photos))
        return Sketch(len(text.encode("utf-8")), sketcher.tiles, photos)

    def _side_of_maps(self) -> int:
        """The longer side in pixels of the stored maps, which are all alike; 0 without a file of maps."""
        if self._maps is None:
            return 0
        for image in self._images.images:
            for method in self._images.methods:
                summed = self._maps.summed_map(image.id, method.id, self._images.layout)
                if summed is not None:
                    return int(max(summed.shape))
        return _SIDES[0]
