"""The charts of scores, each with its numbers as a table."""

from __future__ import annotations

from geoaudit.audit.result import MethodResult, Report
from geoaudit_reports.html.cells import Cell, Column, Row, Table
from geoaudit_reports.html.charts import strips, tradeoff
from geoaudit_reports.html.charts.canvas import Chart
from geoaudit_reports.html.charts.points import Interval, Point
from geoaudit_reports.html.views.ranking import score_cell
from geoaudit_reports.html.words import is_inverted


def tradeoff_chart(report: Report) -> Chart | None:
    """NCC violation against SRG; None if no method has both."""
    found = [p for p in _points(report) if p.srg and p.ncc]
    if not found:
        return None
    front = [p.id for p in found if p.pareto]
    title = "NCC violation against faithfulness"
    description = f"{len(found)} methods and controls. On the Pareto front: {', '.join(front) or 'none'}."
    caption = (
        "Up is more faithful, left is less cancellation. Filled: methods; hollow: controls; marks without room "
        "carry no name. The dashed line joins the Pareto front; bars are 95 % intervals over images."
    )
    table = _score_table(report, "The numbers of this chart", ("srg", "ncc-violation"), [p.id for p in found])
    return Chart("chart-tradeoff", title, caption, tradeoff.draw(found, title, description), table)


def srg_chart(report: Report) -> Chart | None:
    """SRG bars; None if nothing has an SRG."""
    found = [p for p in _points(report) if p.srg]
    if not found:
        return None
    title = "Faithfulness of every method and control"
    order = sorted(found, key=lambda p: -(p.srg.mean if p.srg else 0.0))
    description = "From most to least faithful: " + ", ".join(p.id for p in order) + "."
    caption = (
        "SRG is the area between the two masking curves (least relevant first minus most relevant "
        "first), mean over "
        "imputers and images; 0 is what random scores. Filled: methods; hollow: controls."
    )
    table = _score_table(report, "The numbers of this chart", ("srg",), [p.id for p in order])
    return Chart("chart-srg", title, caption, strips.draw_srg(found, title, description), table)


def cancellation_chart(report: Report) -> Chart | None:
    """Σ|A|/|Δf|; None if nothing has an excess."""
    found = [p for p in _points(report) if p.excess]
    if not found:
        return None
    title = "How much of a map cancels"
    order = sorted(found, key=lambda p: p.excess.mean if p.excess else 0.0)
    description = "From least to most cancellation: " + ", ".join(p.id for p in order) + "."
    caption = (
        "Σ|A| / |Δf|: how many times over a map holds what it explains, element by element. 1 means "
        "that nothing "
        "cancels; the axis is logarithmic because NCC violation crowds against 1 on photographs."
    )
    table = _score_table(report, "NCC excess: Σ|A| / |Δf| − 1", ("ncc-excess",), [p.id for p in order])
    return Chart("chart-cancellation", title, caption, strips.draw_cancellation(found, title, description), table)


def _points(report: Report) -> list[Point]:
    front = {e.method for e in report.ranking.entries if e.pareto}
    return [
        Point(
            m.id, m.kind == "control", m.id in front,
            _interval(m, "srg"), _interval(m, "ncc-violation"), _interval(m, "ncc-excess"),
        )
        for m in report.methods
        if not is_inverted(m.id)
    ]  # fmt: skip


def _interval(method: MethodResult, metric: str) -> Interval | None:
    score = method.scores.get(metric)
    if score is None or score.mean is None:
        return None
    return Interval(score.mean, score.ci_low, score.ci_high)


def _score_table(report: Report, caption: str, metrics: tuple[str, ...], order: list[str]) -> Table:
    methods = {m.id: m for m in report.methods}
    titles = {"srg": "SRG", "ncc-violation": "NCC violation", "ncc-excess": "NCC excess"}
    body = tuple(
        Row((Cell(name, sort=name, kind="head"), *(score_cell(methods[name], metric) for metric in metrics)),
            "control" if methods[name].kind == "control" else "")
        for name in order
    )  # fmt: skip
    return Table(caption, (Column("Method"), *(Column(titles[m], True) for m in metrics)), body)
