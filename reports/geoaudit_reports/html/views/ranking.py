"""The ranking table, controls in their places, and the tests behind the tiers."""

from __future__ import annotations

from geoaudit.audit.result import MethodResult, RankingEntry, RankInterval, Report, ScoreSummary
from geoaudit_reports.html.cells import (
    CONTROL,
    PARETO,
    TIERS,
    Cell,
    Column,
    Row,
    Table,
    badge,
    code,
    head,
    interval,
    number,
    rows,
    text,
)
from geoaudit_reports.html.formats import DASH, decimal, for_metric, p_value, percent, significant
from geoaudit_reports.html.sentences import why
from geoaudit_reports.html.words import CONTROLS, is_inverted

_FEW = "too few methods or images"


def table(report: Report) -> Table:
    """One row an entry, in order; each control stands above the first entry whose SRG it exceeds."""
    methods = {m.id: m for m in report.methods}
    ran = (m for m in report.methods if m.kind == "control" and m.status != "skipped" and not is_inverted(m.id))
    controls = sorted(ran, key=lambda m: (-(_srg(m) or 0.0), m.id))
    placed: list[Row] = []
    for entry in report.ranking.entries:
        method = methods.get(entry.method)
        level = _srg(method)
        while controls and level is not None and (_srg(controls[0]) or 0.0) > level:
            placed.append(_control(controls.pop(0)))
        placed.append(_entry(entry, method))
    placed += [_control(control) for control in controls]
    columns = (
        Column("Position"), Column("Method"), Column("Tier and reasons"),
        Column("SRG", True, "higher is better"), Column("NCC violation", True, "lower is better"),
        Column("NCC rank", True, "mean over images"), Column("SRG rank", True, "mean over images"),
        Column("P(best)", True, "bootstrap"),
    )  # fmt: skip
    return Table(
        "Below each number its 95 % interval over images; “=” marks positions that methods share because they cannot "
        "be told apart. Each control "
        "stands above the first method whose SRG it exceeds and is never numbered; inverted controls, whose SRG is "
        "their method's with its sign turned, are left out.",
        columns, tuple(placed), "No method was ranked.",
    )  # fmt: skip


def score_of(method: MethodResult | None, metric: str) -> ScoreSummary | None:
    """A method's score, if it has one."""
    return method.scores.get(metric) if method else None


def score_cell(method: MethodResult | None, metric: str) -> Cell:
    """Mean and interval of a metric, or a dash with the reason."""
    score = score_of(method, metric)
    if score is None:
        reason = method.reason if method and method.reason else "not scored"
        return number(None, reason=reason)
    reason = score.reason or f"{score.status.value.lower()}: no image has a value"
    return interval(score.mean, score.ci_low, score.ci_high, for_metric(metric), reason)


def _srg(method: MethodResult | None) -> float | None:
    score = score_of(method, "srg")
    return score.mean if score else None


def _entry(entry: RankingEntry, method: MethodResult | None) -> Row:
    title = method.title if method else entry.method
    name = Cell(title, entry.method, sort=title, kind="head", badges=(PARETO,) if entry.pareto else ())
    return Row(
        (
            text(entry.position), name, badge(TIERS[entry.tier], why(entry)),
            score_cell(method, "srg"), score_cell(method, "ncc-violation"),
            _rank(entry.ncc), _rank(entry.faithfulness),
            number(entry.p_best, percent, "not ranked"),
        )
    )  # fmt: skip


def _rank(rank: RankInterval) -> Cell:
    return interval(rank.rank, rank.rank_low, rank.rank_high, lambda v: decimal(v, 1), "not ranked by it")


def _control(method: MethodResult) -> Row:
    dash = Cell(DASH, "not ranked")
    meaning = CONTROLS.get(method.id, method.title)
    if method.status == "error":
        meaning = f"{meaning} Failed: {method.reason or 'no reason was recorded'}"
    return Row(
        (
            badge(CONTROL), head(method.title, method.id), Cell("", meaning, CONTROL.word),
            score_cell(method, "srg"), score_cell(method, "ncc-violation"),
            dash, dash, dash,
        ),
        "control",
    )  # fmt: skip


def friedman(report: Report) -> Table:
    """Friedman's test."""
    cells = [
        (code(t.metric), number(t.n, lambda v: f"{v:.0f}"),
         number(t.statistic, significant, _FEW), number(t.p, p_value, _FEW))
        for t in report.ranking.tests.friedman
    ]  # fmt: skip
    columns = (Column("Metric"), Column("Images", True), Column("χ²", True), Column("p", True))
    caption = "Friedman's test: do the methods differ at all?"
    return Table(caption, columns, rows(cells), "Friedman's test was not run: it needs three methods.")


def pairwise(report: Report) -> Table:
    """Paired Wilcoxon tests with Holm's correction."""
    short = "too few images"
    cells = [
        (code(t.a), code(t.b), code(t.metric), number(t.n, lambda v: f"{v:.0f}"),
         number(t.median_difference, reason=short), number(t.cliffs_delta, lambda v: decimal(v, 2), short),
         number(t.p_holm, p_value, short))
        for t in report.ranking.tests.pairwise
    ]  # fmt: skip
    columns = (
        Column("A"), Column("B"), Column("Metric"), Column("Images", True), Column("Median A − B", True),
        Column("Cliff's δ", True, "effect size, −1 to 1"), Column("p (Holm)", True),
    )  # fmt: skip
    caption = "Paired Wilcoxon tests on the images' scores, corrected by Holm's method."
    return Table(caption, columns, rows(cells), "No pair of methods was tested.")
