"""The table of all images: one row each, with what it can be searched and narrowed down by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from geoaudit.api import Status
from geoaudit.audit.result import ImageInfo
from geoaudit_reports.html.cells import BADGES, Badge, Cell, Column, number, text
from geoaudit_reports.html.formats import DASH, count, decimal, share
from geoaudit_reports.html.views.images import Images, anchor, page_name

MOST_ROWS = 1000
"""So many images are listed in report.html; the gallery pages list the rest."""

COLUMNS = (
    Column("Image"), Column("Explained class"), Column("Probability", True), Column("Predicted"), Column("Label"),
    Column("Mean SRG", True, "of the methods"), Column("Results"),
)  # fmt: skip


@dataclass(frozen=True)
class ImageRow:
    """One image.

    Attributes:
        href: to its block, in this file or on a gallery page.
        note: the digest's beginning, and what was done to the picture.
        cells: in the order of `COLUMNS`, without the first and the last.
        predicted: the predicted class as a filter's value; empty if it was not recorded.
        results: how often the methods came out how; filters read the words.
    """

    id: str
    note: str
    href: str
    cells: tuple[Cell, ...]
    predicted: str
    results: tuple[tuple[Badge, int], ...]


@dataclass(frozen=True)
class Option:
    """A value that rows can be narrowed down to."""

    value: str
    title: str


@dataclass(frozen=True)
class ImageTable:
    """The rows and the filters that fit them."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[ImageRow, ...]
    predicted: tuple[Option, ...]
    statuses: tuple[Option, ...]


def build(images: Images, embedded: Collection[str], pages: Sequence[Sequence[ImageInfo]]) -> ImageTable:
    """The table of `images`, with links to blocks in this file for `embedded` ids, else to the gallery `pages`."""
    page_of = {image.id: page for page, held in enumerate(pages, 1) for image in held}
    shown = images.images[:MOST_ROWS]
    rows = tuple(_row(images, image, _href(images, image, embedded, page_of)) for image in shown)
    caption, listed = "Audited images", len(images.images)
    if listed < images.audited:
        caption = f"{count(listed)} of {count(images.audited)} audited images, drawn by class"
    if len(shown) < listed:
        kind = "listed" if listed < images.audited else "audited"
        caption = f"The first {count(len(shown))} of {count(listed)} {kind} images"
    return ImageTable(caption, COLUMNS, rows, _predicted(images, shown), _statuses(rows))


def _href(images: Images, image: ImageInfo, embedded: Collection[str], page_of: dict[str, int]) -> str:
    place = f"#{anchor(images.numbers[image.id])}"
    return place if image.id in embedded else page_name(page_of[image.id]) + place


def _row(images: Images, image: ImageInfo, href: str) -> ImageRow:
    scored = {method.id for method in images.methods if method.kind == "method"}
    tally = Counter(row.status for name, row in images.rows[image.id].items() if name in scored)
    target = image.target_name or f"class {image.target}"
    cells = (
        text(target, f"class {image.target}" if image.target_name else ""),
        number(image.probability, share),
        Cell(DASH, "not recorded") if image.predicted is None else _guess(images, image),
        Cell(DASH, "no true label") if image.label is None else text(f"class {image.label}"),
        number(images.means.get(image.id), decimal, "no method was scored"),
    )
    results = tuple((BADGES[status], tally[status]) for status in Status if tally[status])
    predicted = "" if image.predicted is None else str(image.predicted)
    note = "; ".join([image.sha256[:12] + "…", *image.notes])
    return ImageRow(image.id, note, href, cells, predicted, results)


def _guess(images: Images, image: ImageInfo) -> Cell:
    assert image.predicted is not None
    wrong = image.label is not None and image.label != image.predicted
    return text(f"class {image.predicted}", "not the label" if wrong else "")


def _predicted(images: Images, shown: Sequence[ImageInfo]) -> tuple[Option, ...]:
    tally = Counter(image.predicted for image in shown if image.predicted is not None)
    return tuple(Option(str(c), f"{images.class_name(c)}: {count(n)}") for c, n in sorted(tally.items()))


def _statuses(rows: Sequence[ImageRow]) -> tuple[Option, ...]:
    found = {badge.word for row in rows for badge, _ in row.results}
    return tuple(Option(status.value, status.value) for status in Status if status.value in found)
