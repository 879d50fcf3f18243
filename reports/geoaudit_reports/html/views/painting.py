"""Maps as tiles, or as sketches that weigh nothing: encoding tiles is what rendering costs, so it is done once."""

from __future__ import annotations

from collections.abc import Callable, Collection

from geoaudit.audit.result import ImageInfo, MethodResult
from geoaudit.flags import SHOWS_PICTURE
from geoaudit_reports.html.tiles import Tile, map_tile
from geoaudit_reports.html.views.images import Images
from geoaudit_reports.maps import MapStore

Draw = Callable[[ImageInfo, MethodResult], tuple[Tile | None, str]]
"""The tile of a method on an image, or why there is none."""

_WITHHELD = "Not drawn: it is made from the photograph alone, and photographs are kept out."
_LONGEST_LIMIT = 1.2e-300


class Painter:
    """Draws tiles.

    Args:
        images: the report, sorted by image.
        maps: where the maps are.
        photos: ids of the images whose photographs are shown.
        side: the tiles' longer side in pixels at most.
    """

    def __init__(self, images: Images, maps: MapStore, photos: Collection[str], side: int) -> None:
        self._images = images
        self._maps = maps
        self._photos = photos
        self._side = side
        self._kept: dict[tuple[str, str], Tile | None] = {}

    def __call__(self, image: ImageInfo, method: MethodResult) -> tuple[Tile | None, str]:
        """The tile, or why there is none.

        Raises:
            UsageError: the map is damaged.
        """
        missing = _missing(self._maps, self._photos, image, method)
        if missing:
            return None, missing
        known = (image.id, method.id)
        tile = self._kept.pop(known) if known in self._kept else self._paint(image, method)
        return tile, "" if tile else "No picture: the map holds non-finite numbers"

    def typical_bytes(self, image: ImageInfo) -> float:
        """The mean length of a tile of `image`, by drawing them all; they are kept until they are asked for."""
        for method in self._images.methods:
            if not _missing(self._maps, self._photos, image, method):
                self._kept[image.id, method.id] = self._paint(image, method)
        lengths = [len(tile.uri) for tile in self._kept.values() if tile]
        return sum(lengths) / len(lengths) if lengths else 0.0

    def _paint(self, image: ImageInfo, method: MethodResult) -> Tile | None:
        summed = self._maps.summed_map(image.id, method.id, self._images.layout)
        return map_tile(summed, self._side) if summed is not None else None


class Sketcher:
    """Counts the tiles that a painter would draw, and leaves room for their limits; reads no map.

    Attributes:
        tiles: how many so far.
    """

    def __init__(self, maps: MapStore, photos: Collection[str]) -> None:
        self._maps = maps
        self._photos = photos
        self.tiles = 0

    def __call__(self, image: ImageInfo, method: MethodResult) -> tuple[Tile | None, str]:
        """A tile without content, or why there would be none."""
        missing = _missing(self._maps, self._photos, image, method)
        if missing:
            return None, missing
        self.tiles += 1
        return Tile("data:,", _LONGEST_LIMIT), ""


def _missing(maps: MapStore, photos: Collection[str], image: ImageInfo, method: MethodResult) -> str:
    if SHOWS_PICTURE in method.flags and image.id not in photos:
        return _WITHHELD
    if not maps.holds(image.id, method.id):
        return f"No picture: {method.reason or 'no map was stored'}"
    return ""
