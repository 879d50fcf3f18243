"""Every method's mean score by every metric in one table."""

from __future__ import annotations

from geoaudit.api import Status
from geoaudit.audit.result import MethodResult, Report
from geoaudit_reports.html.cells import Cell, Column, Row, Table, head
from geoaudit_reports.html.formats import DASH, for_metric
from geoaudit_reports.html.words import METRICS, is_inverted

_DIRECTION = {True: "higher is better", False: "lower is better", None: "no direction"}


def table(report: Report) -> Table:
    """Methods in ranking order and controls in rows, metrics in columns; inverted controls left out."""
    place = {e.method: number_ for number_, e in enumerate(report.ranking.entries)}
    ran = [m for m in report.methods if m.status != "skipped" and not is_inverted(m.id)]
    ran.sort(key=lambda m: (m.kind == "control", place.get(m.id, len(place)), m.id))
    better = {name: score.higher_is_better for m in ran for name, score in m.scores.items()}
    failed = {h.metric for h in report.metric_health if h.status is Status.FAIL}
    columns = [Column("Method")]
    columns += [Column(METRICS.get(n, n), True, _hint(better[n], n in failed)) for n in sorted(better)]
    body = [
        Row((head(m.id, "control" if m.kind == "control" else ""), *(_cell(m, n) for n in sorted(better))),
            "control" if m.kind == "control" else "")
        for m in ran
    ]  # fmt: skip
    caption = "Mean over the images; the cards below have the intervals, and the reason behind every missing score."
    return Table(caption, tuple(columns), tuple(body) if better else (), "Nothing was scored.", "matrix")


def _hint(better: bool | None, failed: bool) -> str:
    return f"{_DIRECTION[better]}; not believed on this model" if failed else _DIRECTION[better]


def _cell(method: MethodResult, metric: str) -> Cell:
    score = method.scores.get(metric)
    if score is None or score.mean is None:
        return Cell(DASH, "no score", kind="number")
    return Cell(for_metric(metric)(score.mean), sort=repr(float(score.mean)), kind="number")
