"""The tables of what was measured: ranking, scores, maps."""

from __future__ import annotations

from geoaudit.compare.result import Comparison, Estimate, MetricChange, Standing
from geoaudit_reports.comparison.verdicts import VERDICTS
from geoaudit_reports.html.cells import TIERS, Cell, Column, Row, Table, badge, head, interval, number, rows, text
from geoaudit_reports.html.formats import DASH, Formatter, decimal, for_metric, p_value, share
from geoaudit_reports.html.words import METRICS


def ranking(found: Comparison) -> Table:
    """Places and mean ranks of every method that both reports scored."""
    body = []
    for m in found.methods:
        if m.kind != "method":
            continue
        rank = m.rank
        cells = [Cell(DASH, "not ranked in both")] * 3
        if rank is not None and rank.difference is not None:
            cells = [
                number(rank.rank_a, _one), number(rank.rank_b, _one),
                interval(rank.difference, rank.ci_low, rank.ci_high, _one),
            ]  # fmt: skip
        body.append((head(m.title, m.id), _place(m.a), _place(m.b), *cells))
    columns = (
        Column("Method"), Column("In A"), Column("In B"), Column("Mean rank A", True, "1 is best"),
        Column("Mean rank B", True), Column("Change", True, "positive: a drop"),
    )  # fmt: skip
    caption = (
        "Positions and tiers as the reports have them; mean ranks on the paired images, among the methods that both "
        "reports ranked. Below each change its 95 % interval over images."
    )
    return Table(caption, columns, rows(body), "No method is in both reports.")


def _one(value: float) -> str:
    return decimal(value, 1)


def _place(place: Standing | None) -> Cell:
    if place is None:
        return Cell(DASH, "not in the ranking")
    return Cell(place.position, sort=str(place.place), badges=(TIERS[place.tier],))


def flips(found: Comparison) -> Table:
    """Pairs of methods in another order."""
    words = {"tier": "tier", "position": "position", "no": "nothing"}
    body = [
        (
            head(f.first_a), text(f.first_b), text(words[f.separated_a]), text(words[f.separated_b]),
            text("yes, beyond chance" if f.shown else "not shown"),
        )
        for f in found.ranking.flips
    ]  # fmt: skip
    columns = (
        Column("Higher in A"), Column("Higher in B"), Column("Set apart in A by"), Column("Set apart in B by"),
        Column("Moved against each other"),
    )  # fmt: skip
    return Table("Pairs of methods in another order", columns, rows(body), "No two methods are in another order.")


def metric(found: Comparison, name: str) -> Table:
    """One metric: both means and the paired difference of every method and control."""
    body = [
        Row(
            (head(m.title, m.id), *_change(change)), "control" if m.kind == "control" else ""
        )
        for m in found.methods
        for change in m.metrics
        if change.metric == name
    ]  # fmt: skip
    columns = (
        Column("Method"), Column("Pairs", True), Column("A", True), Column("B", True), Column("B − A", True),
        Column("p", True, "Wilcoxon"), Column("p (Holm)", True), Column("Visible from", True, "smallest difference"),
        Column("Reading"),
    )  # fmt: skip
    title = METRICS.get(name, name)
    caption = (
        f"{title[:1].upper()}{title[1:]}: means over the pairs that have it in both reports, and the mean difference "
        "with its 95 % interval. A difference smaller than that of the last number would mostly have been missed."
    )
    return Table(caption, columns, tuple(body), "Nothing was measured in both reports.")


def _change(change: MetricChange) -> tuple[Cell, ...]:
    form = _fine(change.metric)
    return (
        number(change.n, lambda v: f"{v:.0f}", note=f"{change.missing} missing" if change.missing else ""),
        _number(change.mean_a, form), _number(change.mean_b, form),
        _interval(change.difference, change.ci_low, change.ci_high, form),
        _number(change.p, p_value), _number(change.p_holm, p_value), _number(change.smallest, form),
        badge(VERDICTS[change.verdict], change.reason or ""),
    )  # fmt: skip


def _number(value: float | None, form: Formatter) -> Cell:
    """A number, or a bare dash where the row's last column says why there is none."""
    return Cell(DASH, kind="number") if value is None else number(value, form)


def _interval(value: float | None, low: float | None, high: float | None, form: Formatter) -> Cell:
    return Cell(DASH, kind="number") if value is None else interval(value, low, high, form)


def _fine(name: str) -> Formatter:
    """NCC violations crowd below 1 and their differences about 0; both are decimals here."""
    form = for_metric(name)
    return (lambda value: decimal(value, 4)) if form is share else form


def maps(found: Comparison) -> Table:
    """Similarity of maps."""
    body = []
    for m in found.methods:
        alike = m.maps
        if alike is None:
            continue
        rho, ssim = alike.spearman, alike.ssim
        body.append(
            (
                head(m.title, m.id), number(alike.n, lambda v: f"{v:.0f}"),
                _interval(rho.mean, rho.ci_low, rho.ci_high, two),
                _interval(ssim.mean, ssim.ci_low, ssim.ci_high, two), _number(alike.seeds, two),
                badge(VERDICTS[alike.verdict], alike.reason or ""),
            )
        )  # fmt: skip
    columns = (
        Column("Method"), Column("Pairs", True), Column("Rank correlation", True, "of |A|"),
        Column("SSIM", True, "of |A| as pictures"), Column("Two seeds", True, "rank correlation"), Column("Reading"),
    )  # fmt: skip
    caption = "How alike the two maps of an image are: 1 is the same map. Means over pairs with their 95 % intervals."
    return Table(caption, columns, rows(body), "No method is in both reports.")


def two(value: float) -> str:
    """Two decimals."""
    return decimal(value, 2)


def estimate(found: Estimate, why: str, form: Formatter = two) -> Cell:
    """A mean with its interval."""
    return interval(found.mean, found.ci_low, found.ci_high, form, why)
