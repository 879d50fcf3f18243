"""The gallery: photographs and maps, chosen by a stated rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geoaudit.audit.result import ImageInfo, MethodResult, PerImage, Report
from geoaudit_reports.html.cells import Fact, number
from geoaudit_reports.html.formats import decimal, percent, share, significant
from geoaudit_reports.html.tiles import map_tile, photo_uri
from geoaudit_reports.html.words import is_inverted
from geoaudit_reports.maps import Layout, MapStore

MOST_IMAGES = 8
PHOTO_SIDE = 224
UNFOLDED = 60
"""So many maps are shown at once; the images after them are folded up."""


@dataclass(frozen=True)
class MapView:
    """One map: its picture, or why there is none, and its scores on this image."""

    title: str
    method: str
    control: bool
    uri: str
    alt: str
    limit: str
    missing: str
    scores: tuple[Fact, ...]


@dataclass(frozen=True)
class ImageView:
    """One photograph and the maps that explain it."""

    image: str
    target: str
    photo_class: str
    photo_uri: str
    open: bool
    maps: tuple[MapView, ...]


@dataclass(frozen=True)
class Gallery:
    """The gallery, and what the reader must know about the choice."""

    notes: tuple[str, ...]
    images: tuple[ImageView, ...]
    has_photos: bool


def build(report: Report, maps: MapStore | None, side: int, most: int = MOST_IMAGES) -> Gallery:
    """At most `most` images with tiles of at most `side` pixels; none where there are no maps."""
    if maps is None:
        return Gallery(("No maps.npz lies beside report.json, so this report has no pictures.",), (), False)
    if most == 0:
        note = "The pictures are left out: this file would exceed 10 MB with them. maps.npz holds every map."
        return Gallery((note,), (), False)
    chosen = choose(report, most)
    methods = _ordered(report)
    layout = layout_of(report)
    scores = {(p.image, p.method): p for p in report.per_image}
    images = []
    for place, image in enumerate(chosen):
        pixels = maps.thumbnail(image.id)
        views = tuple(_map(maps, image, method, scores.get((image.id, method.id)), layout, side) for method in methods)
        uri = photo_uri(pixels, PHOTO_SIDE) if pixels is not None else ""
        unfolded = place == 0 or (place + 1) * len(views) <= UNFOLDED
        images.append(ImageView(image.id, _target(image), f"photo-{place}", uri, unfolded, views))
    has_photos = any(image.photo_uri for image in images)
    return Gallery(_notes(report, len(chosen), side, has_photos), tuple(images), has_photos)


def layout_of(report: Report) -> Layout:
    """The layout of the stored maps; NCHW unless the report says NHWC."""
    found = report.data.preprocess.get("layout")
    return "NHWC" if found is not None and found.value == "NHWC" else "NCHW"


def choose(report: Report, most: int) -> list[ImageInfo]:
    """All images if they fit, else evenly spaced ones from the lowest to the highest mean SRG of methods."""
    if len(report.data.images) <= most:
        return list(report.data.images)
    ids = {m.id for m in report.methods if m.kind == "method"}
    found: dict[str, list[float]] = {}
    for entry in report.per_image:
        value = entry.scores.get("srg")
        if entry.method in ids and value is not None:
            found.setdefault(entry.image, []).append(value)
    means = {image: sum(values) / len(values) for image, values in found.items()}
    order = sorted(report.data.images, key=lambda image: (means.get(image.id, float("-inf")), image.id))
    return [order[int(place)] for place in np.rint(np.linspace(0, len(order) - 1, most))]


def _ordered(report: Report) -> list[MethodResult]:
    place = {entry.method: number_ for number_, entry in enumerate(report.ranking.entries)}
    shown = [m for m in report.methods if not is_inverted(m.id) and m.status != "skipped"]
    return sorted(shown, key=lambda m: (m.kind == "control", place.get(m.id, len(place)), m.id))


def _map(
    maps: MapStore, image: ImageInfo, method: MethodResult, scores: PerImage | None, layout: Layout, side: int
) -> MapView:
    summed = maps.summed_map(image.id, method.id, layout)
    tile = map_tile(summed, side) if summed is not None else None
    facts = _scores(scores)
    missing = ""
    if tile is None:
        stored = "the map holds non-finite numbers" if summed is not None else "no map was stored"
        missing = f"No picture: {method.reason or stored}"
    ncc = scores.scores.get("ncc-violation") if scores else None
    told = "not available" if ncc is None else share(ncc)
    alt = f"Map of {method.title} on {image.id}, NCC violation {told}"
    limit = f"±{significant(tile.limit)}" if tile else ""
    control = method.kind == "control"
    return MapView(method.title, method.id, control, tile.uri if tile else "", alt, limit, missing, facts)


def _scores(entry: PerImage | None) -> tuple[Fact, ...]:
    """The tile's numbers; an error bar only for maps that come from a walk."""
    if entry is None:
        return ()
    facts = [
        Fact("NCC", number(entry.scores.get("ncc-violation"), share, _why(entry, "ncc-violation"))),
        Fact("SRG", number(entry.scores.get("srg"), decimal, _why(entry, "srg"))),
    ]
    if entry.walk is not None:
        facts.append(Fact("error bar", number(entry.walk.error_bar, percent, "Δf too small to divide by")))
    return tuple(facts)


def _why(entry: PerImage, metric: str) -> str:
    """Why the score is null; the image's own reason where the metric gave none."""
    return entry.reasons.get(metric) or entry.reason or "not measured"


def _target(image: ImageInfo) -> str:
    name = f"{image.target_name} (class {image.target})" if image.target_name else f"class {image.target}"
    return f"{name}, probability {share(image.probability)}"


def _notes(report: Report, shown: int, side: int, has_photos: bool) -> tuple[str, ...]:
    total = len(report.data.images)
    rule = f"All {total} images."
    if shown < total:
        rule = f"{shown} of {total} images, evenly spaced by their mean SRG over the methods, lowest to highest."
    notes: Sequence[str] = (
        rule,
        "Maps are summed over colour channels. Red speaks for the target, blue against it, grey is 0. Each "
        "scale is symmetric and ends at the 99th percentile of |a|, printed below the map in output units.",
        "Inverted controls show their method's picture turned around and are left out here.",
        "" if has_photos else "Photographs were not stored with the maps, so there is no overlay.",
        "" if side >= PHOTO_SIDE else f"Maps are scaled to {side} px so that this file stays under 10 MB.",
    )
    return tuple(note for note in notes if note)
