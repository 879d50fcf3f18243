"""A method's scores, readings, masking curves and findings of checks, as tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from geoaudit.audit.result import CheckResult, Curve, MethodResult, ScoreSummary
from geoaudit_reports.html.cells import Cell, Column, Row, Table, interval, number, status, text
from geoaudit_reports.html.formats import count, decimal, for_metric, listing, percent, significant
from geoaudit_reports.html.sentences import sentence
from geoaudit_reports.html.views.checks import badge_of, title_of
from geoaudit_reports.html.words import METRICS

_READ = {"magnitude": "by summed magnitude", "signed": "by signed sum"}
_MASKED = {"morf": "most relevant first", "lerf": "least relevant first"}
_DIRECTION = {True: "higher is better", False: "lower is better", None: "no direction"}
_SHARES = (0.1, 0.25, 0.5, 0.75)


def scores(method: MethodResult, unfit: Collection[str] = ()) -> Table:
    """Every metric's mean with its interval; names lead to the glossary.

    Args:
        method: what was scored.
        unfit: metrics that failed their own test on this model.
    """
    body = []
    for metric, score in sorted(method.scores.items()):
        form = for_metric(metric)
        reason = score.reason or f"{score.status.value.lower()}: no image has a value"
        body.append(
            Row(
                (
                    Cell(METRICS.get(metric, metric), _direction(score, metric in unfit), metric, "head",
                         link=f"#glossary-{metric}" if metric in METRICS else ""),
                    interval(score.mean, score.ci_low, score.ci_high, form, reason),
                    number(score.median, form, reason),
                    number(score.n, count, note=f"{score.missing} missing" if score.missing else ""),
                    status(score.status, score.reason or ""),
                )
            )
        )  # fmt: skip
    columns = (
        Column("Metric"), Column("Mean", True, "95 % interval"), Column("Median", True),
        Column("Images", True), Column("Status"),
    )  # fmt: skip
    empty = f"No scores: {method.reason or 'nothing was measured'}"
    return Table(f"Scores of {method.title} over the images", columns, tuple(body), empty)


def _direction(score: ScoreSummary, unfit: bool) -> str:
    told = _DIRECTION[score.higher_is_better]
    return f"{told}; not believed on this model" if unfit else told


def readings(method: MethodResult) -> Table | None:
    """SRG by region size and order of regions; None where it was read in one way."""
    if not method.readings:
        return None
    regions = sorted({reading.region for reading in method.readings})
    found: dict[tuple[str, int], float] = {(r.order, r.region): r.srg for r in method.readings}
    orders = [order for order in _READ if any(key[0] == order for key in found)]
    body = tuple(
        Row((text(_READ[order]), *(number(found.get((order, r)), decimal, "not read this way") for r in regions)))
        for order in orders
    )
    columns = (Column("Regions ordered"), *(Column(f"{region} px", True) for region in regions))
    return Table("SRG read other ways: region size and order", columns, body)


def seeds(method: MethodResult) -> Table | None:
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
    numbers = listing([str(seed) for seed in found.seeds])
    shown = "the first image" if found.images == 1 else f"the first {count(found.images)} images"
    return Table(f"What moves a score: the seed (seeds {numbers} on {shown}) and the image", columns, body)


def masking(curves: Sequence[Curve]) -> Table | None:
    """The target probability with some shares of the regions replaced; None where nothing was masked."""
    body = tuple(
        Row(
            (
                Cell(_MASKED[c.order], f"filled with {c.imputer}", c.order, "head"),
                *(number(float(np.interp(share, c.fractions, c.mean)), decimal) for share in _SHARES),
            )
        )
        for c in sorted(curves, key=lambda c: (c.imputer, c.order))
        if c.fractions
    )
    columns = (Column("Regions replaced"), *(Column(percent(share).replace(".0", ""), True) for share in _SHARES))
    return Table("Mean target probability with this share of the regions replaced", columns, body) if body else None


def findings(checks: Sequence[CheckResult], control: bool, anchors: frozenset[str]) -> Table:
    """Every finding of a check about this method; names lead to the checks."""
    body = []
    for c in sorted(checks, key=lambda c: (not c.gate, title_of(c), c.id)):
        link = f"#check-{c.id}" if c.id in anchors else "#checks"
        estimate = number(c.estimate, significant, "gives no number")
        if c.ci_low is not None:
            estimate = interval(c.estimate, c.ci_low, c.ci_high, significant, "gives no number")
        body.append(
            Row(
                (
                    Cell(title_of(c), "gate check" if c.gate else "", c.id, "head", link=link),
                    Cell("", badges=(badge_of(c, control=control),), sort=c.status),
                    estimate,
                    text(sentence(c.reason) if c.reason.strip() else "No reason was recorded."),
                )
            )
        )
    columns = (Column("Check"), Column("Status"), Column("Estimate", True), Column("Finding"))
    return Table("What the checks found", columns, tuple(body), "No check examined it.")
