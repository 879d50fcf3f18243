"""The line charts, each with its numbers as a table: NCC over granularity, and the masking curves."""

from __future__ import annotations

import numpy as np

from geoaudit.audit.result import Curve, MethodResult, Report
from geoaudit_reports.html.cells import Column, Row, Table, code, number, text
from geoaudit_reports.html.charts import lines
from geoaudit_reports.html.charts.canvas import Chart
from geoaudit_reports.html.charts.lines import MOST_METHODS, Line
from geoaudit_reports.html.formats import decimal, share

_ORDERS = {"morf": "Most relevant first (MoRF)", "lerf": "Least relevant first (LeRF)"}
_SHORT = {"morf": "MoRF", "lerf": "LeRF"}
_QUIET_CONTROLS = ("center", "edges", "random")


def profile_chart(report: Report) -> Chart | None:
    """NCC over granularity; None if no method has a profile."""
    with_profile = [m for m in _ranked(report) if m.ncc_profile]
    steps = list(dict.fromkeys(p.granularity for m in with_profile for p in m.ncc_profile))
    found = [_profile(method, steps) for method in with_profile]
    drawn = [line for line in found if line.x]
    if not drawn:
        return None
    title = "NCC profile over granularity"
    caption = (
        "NCC violation after adding attributions up over elements, pixels and square patches. Where a line "
        "falls early, cancellation is fine grain; where it stays high, whole regions contradict each other."
        f"{_cut(len(drawn))}"
    )
    shown = drawn[:MOST_METHODS]
    description = f"Median NCC violation of {len(shown)} methods at {len(steps)} granularities."
    svg = lines.draw_profile(shown, steps, title, description)
    return Chart("chart-profile", title, caption, svg, _profile_table(with_profile, steps))


def curve_charts(report: Report) -> tuple[Chart, ...]:
    """One chart an imputer: MoRF and LeRF side by side."""
    methods = [m.id for m in _ranked(report)]
    curves: dict[tuple[str, str, str], Curve] = {
        (c.method, c.imputer, c.order): c for c in report.curves if c.fractions
    }
    charts = []
    for place, imputer in enumerate(sorted({c.imputer for c in report.curves})):
        complete = [m for m in (*methods, *_QUIET_CONTROLS) if all((m, imputer, o) in curves for o in _ORDERS)]
        scored = [m for m in complete if m not in _QUIET_CONTROLS]
        controls = [m for m in complete if m in _QUIET_CONTROLS]
        if not complete:
            continue
        panels = {
            title: [_line(curves[m, imputer, order], m in controls) for m in scored[:MOST_METHODS] + controls]
            for order, title in _ORDERS.items()
        }
        title = f"Masking curves, regions replaced by: {imputer}"
        description = "Mean target probability over the share of regions replaced, in both orders."
        caption = (
            "Left, a faithful map makes the probability fall at once (deletion); right, it keeps it up for "
            "long (insertion, read backwards). SRG is the area between the two. Thin grey lines: controls."
            f"{_cut(len(scored))}"
        )
        identity = f"chart-curves-{place + 1}"
        svg = lines.draw_curves(identity, panels, title, description)
        charts.append(Chart(identity, title, caption, svg, _curve_table(report, imputer)))
    return tuple(charts)


def _ranked(report: Report) -> list[MethodResult]:
    place = {e.method: position for position, e in enumerate(report.ranking.entries)}
    methods = (m for m in report.methods if m.kind == "method")
    return sorted(methods, key=lambda m: (place.get(m.id, len(place)), m.id))


def _cut(found: int) -> str:
    if found <= MOST_METHODS:
        return ""
    return f" Drawn: the first {MOST_METHODS} of {found} methods in the ranking; the table has all."


def _line(curve: Curve, control: bool) -> Line:
    return Line(curve.method, control, tuple(curve.fractions), tuple(curve.mean))


def _profile(method: MethodResult, steps: list[str]) -> Line:
    known = [(steps.index(p.granularity), p.ncc_violation) for p in method.ncc_profile]
    pairs = [(float(x), y) for x, y in known if y is not None]
    return Line(method.id, False, tuple(x for x, _ in pairs), tuple(y for _, y in pairs))


def _profile_table(methods: list[MethodResult], steps: list[str]) -> Table:
    body = []
    for method in methods:
        values = {p.granularity: p.ncc_violation for p in method.ncc_profile}
        cells = (number(values.get(step), share, "no image could be assessed") for step in steps)
        body.append(Row((code(method.id), *cells)))
    columns = (Column("Method"), *(Column(step, True) for step in steps))
    return Table("NCC violation, median over images", columns, tuple(body))


def _curve_table(report: Report, imputer: str) -> Table:
    """Eleven points a curve are enough to check the drawing; report.json holds all."""
    body = []
    marks = [step / 10 for step in range(11)]
    for curve in (c for c in report.curves if c.imputer == imputer and c.fractions):
        measured = np.asarray(curve.fractions)
        nearest = [int(np.abs(measured - mark).argmin()) for mark in marks]
        cells = (number(curve.mean[i]) for i in nearest)
        body.append(Row((code(curve.method), text(_SHORT[curve.order]), *cells)))
    columns = (Column("Method"), Column("Order"), *(Column(decimal(mark, 1), True) for mark in marks))
    caption = "Mean target probability at the share of regions replaced (nearest measured point)"
    return Table(caption, columns, tuple(body))
