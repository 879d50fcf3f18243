"""One image's block: what was decided, and every map with its numbers; enough to answer whom the decision concerns."""

from __future__ import annotations

from dataclasses import dataclass

from geoaudit.api import Status
from geoaudit.audit.result import ImageInfo, MethodResult, PerImage
from geoaudit_reports.html.cells import BADGES, Badge, Cell, Column, Fact, Row, Table, code, number, status, text
from geoaudit_reports.html.formats import DASH, decimal, percent, share, significant
from geoaudit_reports.html.views.images import Images, anchor
from geoaudit_reports.html.views.painting import Draw

_TOO_SMALL = "Δf too small to divide by"


@dataclass(frozen=True)
class MapView:
    """One map: its picture, or why there is none, and its scores on this image.

    Attributes:
        verdict: the result's status where it is not PASS.
    """

    title: str
    method: str
    control: bool
    uri: str
    alt: str
    limit: str
    missing: str
    verdict: Badge | None
    scores: tuple[Fact, ...]


@dataclass(frozen=True)
class ImageView:
    """One photograph, the decision about it, and the maps that explain it.

    Attributes:
        anchor: the block's id in its page.
        photo_class: the style class with the photograph as its background.
        photo_uri: a data URI; empty where photographs are kept out.
        open: whether the block is unfolded at first.
        maps: empty where no maps are at hand, or no room is left for them.
        numbers: the result of every method and control, with its reason.
    """

    anchor: str
    image: str
    target: str
    photo_class: str
    photo_uri: str
    open: bool
    facts: tuple[Fact, ...]
    maps: tuple[MapView, ...]
    numbers: Table


def build(images: Images, image: ImageInfo, draw: Draw | None, photo_uri: str, unfolded: bool) -> ImageView:
    """The block of `image`.

    Args:
        images: the report, sorted by image.
        image: which one.
        draw: makes the tiles; None for a block of numbers only.
        photo_uri: the photograph; empty where photographs are kept out.
        unfolded: whether the block is open at first.

    Raises:
        UsageError: a map is damaged.
    """
    rows = images.rows[image.id]
    drawn: tuple[MapView, ...] = ()
    if draw is not None:
        drawn = tuple(_map(draw, image, method, rows.get(method.id)) for method in images.methods)
    identity = anchor(images.numbers[image.id])
    return ImageView(
        anchor=identity,
        image=image.id,
        target=target(image),
        photo_class=f"photo-{identity}",
        photo_uri=photo_uri,
        open=unfolded,
        facts=_facts(images, image),
        maps=drawn,
        numbers=_numbers(images, image),
    )


def target(image: ImageInfo) -> str:
    """The explained class and its probability."""
    name = f"{image.target_name} (class {image.target})" if image.target_name else f"class {image.target}"
    return f"{name}, probability {share(image.probability)}"


def _map(draw: Draw, image: ImageInfo, method: MethodResult, row: PerImage | None) -> MapView:
    tile, missing = draw(image, method)
    ncc = row.scores.get("ncc-violation") if row else None
    told = "not available" if ncc is None else share(ncc)
    return MapView(
        title=method.title,
        method=method.id,
        control=method.kind == "control",
        uri=tile.uri if tile else "",
        alt=f"Map of {method.title} on {image.id}, NCC violation {told}",
        limit=f"±{significant(tile.limit)}" if tile else "",
        missing=missing,
        verdict=BADGES[row.status] if row and row.status is not Status.PASS else None,
        scores=_scores(row),
    )


def _scores(row: PerImage | None) -> tuple[Fact, ...]:
    """The tile's numbers; gap and error bar only for maps that come from a walk."""
    if row is None:
        return ()
    facts = [Fact("NCC", _score(row, "ncc-violation")), Fact("SRG", _score(row, "srg"))]
    if row.walk is not None:
        facts.append(Fact("gap", number(row.walk.completeness_error, percent, _TOO_SMALL)))
        facts.append(Fact("error bar", number(row.walk.error_bar, percent, _TOO_SMALL)))
    return tuple(facts)


def _score(row: PerImage, metric: str) -> Cell:
    """A score, or the reason why it is null; the image's own reason where the metric gave none."""
    form = share if metric == "ncc-violation" else decimal
    return number(row.scores.get(metric), form, row.reasons.get(metric) or row.reason or "not measured")


def _facts(images: Images, image: ImageInfo) -> tuple[Fact, ...]:
    found = next((row.delta_f for row in images.rows[image.id].values()), None)
    change = number(found, significant, "no method was scored", f"{images.space}, photograph less baseline")
    label = Cell(DASH, "no true label") if image.label is None else text(images.class_name(image.label))
    return (
        Fact("Explained class", text(images.class_name(image.target), f"probability {share(image.probability)}")),
        Fact("Predicted class", _predicted(images, image)),
        Fact("Labelled as", label),
        Fact("Δf", change),
        Fact("File", text(image.file, "; ".join(image.notes))),
        Fact("sha256", code(image.sha256)),
    )


def _predicted(images: Images, image: ImageInfo) -> Cell:
    if image.predicted is None:
        return Cell(DASH, "not recorded")
    if image.predicted == image.target:
        return text("the explained class")
    return text(images.class_name(image.predicted), "another class than the explained one")


_COLUMNS = (
    Column("Method"), Column("Result"), Column("NCC violation", True), Column("SRG", True), Column("Δf", True),
    Column("ΣA", True), Column("Gap", True, "|ΣA − Δf| / |Δf|"), Column("Error bar", True),
)  # fmt: skip


def _numbers(images: Images, image: ImageInfo) -> Table:
    rows = images.rows[image.id]
    body = tuple(
        Row((Cell(m.id, sort=m.id, kind="head"), *_result(m, rows.get(m.id))), "control" if m.kind == "control" else "")
        for m in images.methods
    )
    return Table("Every result on this image", _COLUMNS, body, "No method was scored.")


def _result(method: MethodResult, row: PerImage | None) -> tuple[Cell, ...]:
    """The cells after the method's name."""
    if row is None:
        why = "no result on this image"
        nothing = (Cell(DASH, why, kind="number") for _ in _COLUMNS[2:])
        return status(Status.ERROR, method.reason or why), *nothing
    scores = (_score(row, metric) for metric in ("ncc-violation", "srg"))
    return status(row.status, row.reason or ""), *scores, *_gap(row)


def _gap(row: PerImage) -> tuple[Cell, ...]:
    """Δf as the map claims it, ΣA, what is missing between them, and the integral's own uncertainty."""
    walk = row.walk
    if walk is None:
        return number(row.delta_f, significant), *(Cell(DASH, "no walk", kind="number") for _ in range(3))
    claimed = row.delta_f if walk.delta_f is None else walk.delta_f
    own = abs(claimed - row.delta_f) > 1e-3 * max(abs(row.delta_f), 1e-12)
    return (
        number(claimed, significant, note="from its own start" if own else ""),
        number(walk.attribution_sum, significant),
        number(walk.completeness_error, percent, _TOO_SMALL),
        number(walk.error_bar, percent, _TOO_SMALL),
    )
