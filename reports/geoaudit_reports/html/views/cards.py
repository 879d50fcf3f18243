"""One card a method or control: scores, parameters, cost, and what is known against it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from geoaudit.audit.result import CostInfo, MethodResult, PerImage, Report, WalkInfo
from geoaudit.flags import MEANINGS
from geoaudit_reports.html.cells import (
    CONTROL,
    TIERS,
    Badge,
    Cell,
    Column,
    Fact,
    Row,
    Table,
    code,
    interval,
    number,
    status,
    text,
)
from geoaudit_reports.html.formats import (
    count,
    decimal,
    duration,
    for_metric,
    listing,
    percent,
    setting,
    significant,
)
from geoaudit_reports.html.sentences import luck, sentence, why
from geoaudit_reports.html.words import CONTROLS, FAMILY_LIMITS, INVERTED, METRICS, is_inverted

_ORDERS = {"magnitude": "by summed magnitude", "signed": "by signed sum"}
_DIRECTION = {True: "higher is better", False: "lower is better", None: "no direction"}


@dataclass(frozen=True)
class Card:
    """One method."""

    id: str
    title: str
    control: bool
    badge: Badge
    why: str
    scores: Table
    readings: Table | None
    seeds: Table | None
    luck: str | None
    notes: tuple[str, ...]
    facts: tuple[Fact, ...]
    limits: tuple[str, ...]

    @property
    def inverted(self) -> bool:
        """Whether it is a method's inverted control; these are folded together."""
        return is_inverted(self.id)


def build(report: Report) -> tuple[Card, ...]:
    """Ranked methods first, in their order, then the rest by id, then controls."""
    entries = {e.method: e for e in report.ranking.entries}
    place = {method: number_ for number_, method in enumerate(entries)}
    walks: dict[str, list[PerImage]] = {}
    for row in report.per_image:
        walks.setdefault(row.method, []).append(row)
    cards = []
    for method in sorted(report.methods, key=lambda m: (m.kind == "control", place.get(m.id, len(place)), m.id)):
        entry = entries.get(method.id)
        badge = TIERS[entry.tier] if entry else CONTROL
        reason = why(entry) if entry else _control_meaning(method)
        if not entry and (method.kind == "method" or method.status == "skipped"):
            badge, reason = _unranked(method)
        cards.append(
            Card(
                method.id, method.title, method.kind == "control", badge, reason, _scores(method),
                _readings(method), _seeds(method), luck(method), tuple(map(sentence, method.notes)),
                _facts(method, walks.get(method.id, [])), _limits(method),
            )
        )  # fmt: skip
    return tuple(cards)


def _unranked(method: MethodResult) -> tuple[Badge, str]:
    if method.status == "skipped":
        return Badge("not applicable", "–", "quiet"), sentence(method.reason or "it was not run")
    return Badge("not ranked", "–", "quiet"), method.reason or "Not among the ranked methods."


def _control_meaning(method: MethodResult) -> str:
    return INVERTED if is_inverted(method.id) else CONTROLS.get(method.id, "A control.")


def _scores(method: MethodResult) -> Table:
    body = []
    for metric, score in sorted(method.scores.items()):
        form = for_metric(metric)
        reason = score.reason or f"{score.status.value.lower()}: no image has a value"
        body.append(
            Row(
                (
                    Cell(METRICS.get(metric, metric), _DIRECTION[score.higher_is_better], metric, "head"),
                    interval(score.mean, score.ci_low, score.ci_high, form, reason),
                    number(score.median, form, reason),
                    number(score.n, count, note=f"{score.missing} missing" if score.missing else ""),
                    status(score.status, score.reason or ""),
                )
            )
        )
    columns = (
        Column("Metric"), Column("Mean", True, "95 % interval"), Column("Median", True),
        Column("Images", True), Column("Status"),
    )  # fmt: skip
    empty = f"No scores: {method.reason or 'nothing was measured'}"
    return Table(f"Scores of {method.title} over the images", columns, tuple(body), empty)


def _readings(method: MethodResult) -> Table | None:
    if not method.readings:
        return None
    regions = sorted({reading.region for reading in method.readings})
    found: dict[tuple[str, int], float] = {(r.order, r.region): r.srg for r in method.readings}
    orders = [order for order in _ORDERS if any(key[0] == order for key in found)]
    body = tuple(
        Row(
            (
                text(_ORDERS[order]),
                *(number(found.get((order, r)), decimal, "not read this way") for r in regions),
            )
        )
        for order in orders
    )
    columns = (Column("Regions ordered"), *(Column(f"{region} px", True) for region in regions))
    return Table("SRG read other ways: region size and order", columns, body)


def _seeds(method: MethodResult) -> Table | None:
    """The spread over seeds beside that over images; None where there is none to show."""
    found = method.seeds
    if found is None or len(found.seeds) < 2:
        return None
    body = tuple(
        Row(
            (
                Cell(METRICS.get(s.metric, s.metric), "", s.metric, "head"),
                number(s.seed_sd, for_metric(s.metric), "no image has all scores"),
                number(s.image_sd, for_metric(s.metric), "fewer than two images"),
            )
        )
        for s in found.spread
        if s.seed_sd is not None or s.image_sd is not None
    )
    columns = (Column("Metric"), Column("Seed", True, "standard deviation"), Column("Image", True, "likewise"))
    seeds = listing([str(seed) for seed in found.seeds])
    shown = "the first image" if found.images == 1 else f"the first {count(found.images)} images"
    return Table(f"What moves a score: the seed (seeds {seeds} on {shown}) and the image", columns, body)


def _facts(method: MethodResult, rows: list[PerImage]) -> tuple[Fact, ...]:
    parameters = [Fact(f"parameter {name}", code(setting(value))) for name, value in sorted(method.parameters.items())]
    outcome = text("ok") if method.status == "ok" else text(method.status, method.reason or "no reason was recorded")
    return (
        Fact("Reference", text(method.reference or "none given")),
        Fact("Family", text(method.family)),
        Fact("Provided by", text(method.plugin)),
        Fact("Outcome", outcome),
        Fact("Cost", _cost(method.cost, "for all images")),
        *([Fact("Cost of the repeats", _cost(method.seeds.cost, "for other seeds"))] if method.seeds else []),
        *_walk_facts([row.walk for row in rows if row.walk is not None]),
        *_own_start(method, rows),
        *parameters,
    )


def _cost(cost: CostInfo, what_for: str) -> Cell:
    spent = f"{count(cost.gradients)} gradients, {count(cost.forwards)} forwards"
    return text(spent, f"{duration(cost.seconds)} {what_for}")


def _walk_facts(walks: list[WalkInfo]) -> tuple[Fact, ...]:
    if not walks:
        return ()
    bars = [w.error_bar for w in walks if w.error_bar is not None]
    misses = [w.completeness_error for w in walks if w.completeness_error is not None]
    unclear = "Δf too small to divide by on every image"
    met = sum(w.met for w in walks)
    return (
        Fact("Error bar, worst image", number(max(bars, default=None), percent, unclear)),
        Fact("Completeness error, worst image", number(max(misses, default=None), percent, unclear)),
        Fact("Tolerance met", text(f"{met} of {len(walks)} images")),
        Fact("Gradients an image", text(count(sum(w.gradients for w in walks) / len(walks)), "mean")),
    )


def _own_start(method: MethodResult, rows: list[PerImage]) -> tuple[Fact, ...]:
    """What the method's maps add up to, where that is not the run's Δf."""
    own = [row.walk.delta_f for row in rows if row.walk is not None and row.walk.delta_f is not None]
    if "own-baseline" not in method.flags or not own:
        return ()
    usual = median(row.delta_f for row in rows)
    return (Fact("Δf from its own start", number(median(own), significant, note=_beside(usual))),)


def _beside(usual: float) -> str:
    return f"median over images; {significant(usual)} from the run's baseline"


def _limits(method: MethodResult) -> tuple[str, ...]:
    flags = [MEANINGS.get(flag, f"Flag: {flag}.") for flag in method.flags]
    family = FAMILY_LIMITS.get(method.family)
    return (*flags, *([family] if family else [])) or ("No limits are recorded for this family.",)
