"""What the image table, the blocks and the gallery pages look up about images, gathered once a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geoaudit.audit.result import ImageInfo, MethodResult, PerImage, Report
from geoaudit_reports.html.words import is_inverted
from geoaudit_reports.maps import Layout

PAGE_FOLDER = "gallery"


@dataclass(frozen=True)
class Images:
    """The images of a report and what belongs to each.

    Attributes:
        images: all that the report lists, in its order; the first has number 1.
        audited: how many were audited.
        numbers: image id to number.
        methods: those with maps to show: ranked ones first, then controls; without inverted controls and without
            methods that were not applicable.
        rows: image id to method id to result; methods in `methods` only.
        means: image id to the mean SRG over methods, without controls; images without any are not in it.
        names: class to its name, as far as explained classes have names.
        space: what is explained, such as "logit".
        layout: of the stored maps.
    """

    images: tuple[ImageInfo, ...]
    audited: int
    numbers: dict[str, int]
    methods: tuple[MethodResult, ...]
    rows: dict[str, dict[str, PerImage]]
    means: dict[str, float]
    names: dict[int, str]
    space: str
    layout: Layout

    def class_name(self, index: int) -> str:
        """The class by name and number, `tabby (class 281)`; `class 281` where it has no name."""
        return f"{self.names[index]} (class {index})" if index in self.names else f"class {index}"


def gather(report: Report) -> Images:
    """Sort the report by image."""
    methods = tuple(_ordered(report))
    shown = {m.id for m in methods}
    scored = {m.id for m in methods if m.kind == "method"}
    rows: dict[str, dict[str, PerImage]] = {image.id: {} for image in report.data.images}
    found: dict[str, list[float]] = {}
    for row in report.per_image:
        if row.method in shown and row.image in rows:
            rows[row.image][row.method] = row
            value = row.scores.get("srg")
            if row.method in scored and value is not None:
                found.setdefault(row.image, []).append(value)
    return Images(
        images=tuple(report.data.images),
        audited=report.data.count,
        numbers={image.id: place for place, image in enumerate(report.data.images, 1)},
        methods=methods,
        rows=rows,
        means={image: sum(values) / len(values) for image, values in found.items()},
        names={image.target: image.target_name for image in report.data.images if image.target_name},
        space=report.model.explained_output.space,
        layout=_layout(report),
    )


def choose(images: Images, most: int) -> list[ImageInfo]:
    """All images if they fit, else evenly spaced ones from the lowest to the highest mean SRG of methods."""
    if len(images.images) <= most:
        return list(images.images)
    order = sorted(images.images, key=lambda image: (images.means.get(image.id, float("-inf")), image.id))
    return [order[int(place)] for place in np.rint(np.linspace(0, len(order) - 1, most))] if most else []


def anchor(number: int) -> str:
    """The id of the block of image `number` on whichever page it stands."""
    return f"image-{number}"


def page_name(page: int) -> str:
    """The file of gallery page `page`, counted from 1, relative to the report folder; made of no user's text."""
    return f"{PAGE_FOLDER}/images-{page:03d}.html"


def paged(items: Sequence[Any], most: int) -> list[Sequence[Any]]:
    """`items` in order, `most` at a time."""
    return [items[start : start + most] for start in range(0, len(items), most)]


def _layout(report: Report) -> Layout:
    """NCHW unless the report says NHWC."""
    found = report.data.preprocess.get("layout")
    return "NHWC" if found is not None and found.value == "NHWC" else "NCHW"


def _ordered(report: Report) -> list[MethodResult]:
    place = {entry.method: number for number, entry in enumerate(report.ranking.entries)}
    shown = [m for m in report.methods if not is_inverted(m.id) and m.status != "skipped"]
    return sorted(shown, key=lambda m: (m.kind == "control", place.get(m.id, len(place)), m.id))
