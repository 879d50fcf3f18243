"""The charts of what a check measured along the way, for any check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from geoaudit.audit.result import CheckCurve, CheckResult
from geoaudit_reports.html.cells import CONTROL, Cell, Column, Row, Table, code, number
from geoaudit_reports.html.charts import series
from geoaudit_reports.html.charts.canvas import Chart
from geoaudit_reports.html.charts.series import MOST_LINES, Panel, Trace
from geoaudit_reports.html.formats import DASH, count, significant
from geoaudit_reports.html.sentences import sentence

_MOST_CHARTS = 12
_MOST_PANELS = 28
_MOST_POINTS = 12


@dataclass(frozen=True)
class Measured:
    """One line with whom it is of."""

    subject: str
    control: bool
    curve: CheckCurve


def charts(prefix: str, results: Sequence[CheckResult], controls: frozenset[str]) -> tuple[Chart, ...]:
    """One chart for each chart title among the results' curves, in order of appearance.

    Args:
        prefix: what the drawings' ids begin with.
        results: its findings, in the order in which methods are shown.
        controls: ids of the controls.
    """
    by_title: dict[str, list[Measured]] = {}
    for result in results:
        for curve in result.curves:
            found = Measured(result.method or "the model", result.method in controls, curve)
            by_title.setdefault(curve.chart, []).append(found)
    drawn = (
        _chart(f"{prefix}-{place}", title, lines)
        for place, (title, lines) in enumerate(list(by_title.items())[:_MOST_CHARTS], 1)
    )
    return tuple(chart for chart in drawn if chart is not None)


def omitted(results: Sequence[CheckResult]) -> str | None:
    """Which charts are not drawn, and why, in a sentence; None if all are."""
    titles = list(dict.fromkeys(c.chart for r in results for c in r.curves))
    empty = [t for t in titles if not any(_known(c) for r in results for c in r.curves if c.chart == t)]
    told = [f"Without a single value, so not drawn: {', '.join(empty)}."] if empty else []
    if len(titles) > _MOST_CHARTS:
        told.append(f"Drawn: the first {_MOST_CHARTS} of {len(titles)} charts; report.json has all.")
    return " ".join(told) or None


def _known(curve: CheckCurve) -> bool:
    return any(value is not None for _, value in zip(curve.x, curve.y, strict=False))


def _chart(identity: str, title: str, lines: Sequence[Measured]) -> Chart | None:
    shown = [line for line in lines if _known(line.curve)]
    if not shown:
        return None
    first = shown[0].curve
    panels, note = _panels(shown)
    subjects = len({line.subject for line in shown})
    lines_told = "1 line" if len(shown) == 1 else f"{count(len(shown))} lines"
    description = f"{first.y_label} over {first.x_label}: {lines_told}, {count(subjects)} examined."
    labels = series.Labels(*map(_plain, (first.x_label, first.y_label, title, description)))
    quiet = " Thin grey lines: controls." if any(t.control for p in panels for t in p.traces) else ""
    marked = f" {CONTROL.glyph} marks controls." if any(p.quiet for p in panels) else ""
    caption = f"{sentence(f'{labels.y} over {labels.x}')}{quiet}{marked}{note}"
    svg = series.draw(identity, panels, labels)
    return Chart(identity, _plain(title), caption, svg, _table(lines))


def _panels(lines: Sequence[Measured]) -> tuple[list[Panel], str]:
    """One panel if all lines can be told apart, else one a name or one a subject; and what was cut."""
    names = list(dict.fromkeys(line.curve.name for line in lines))
    subjects = list(dict.fromkeys(line.subject for line in lines))
    methods = {line.subject for line in lines if not line.control}
    if len([line for line in lines if not line.control]) <= MOST_LINES and len(names) == 1:
        return [Panel("", tuple(_trace(line, line.subject) for line in lines))], ""
    if len(methods) <= MOST_LINES and len(names) <= 4:
        by_name = {name: [line for line in lines if line.curve.name == name] for name in names}
        return [Panel(_plain(n), tuple(_trace(x, x.subject) for x in found)) for n, found in by_name.items()], ""
    panels = []
    for subject in subjects[:_MOST_PANELS]:
        found = [line for line in lines if line.subject == subject and line.curve.name in names[:MOST_LINES]]
        traces = tuple(_trace(line, line.curve.name, panelled=True) for line in found)
        quiet = found[0].control if found else False
        panels.append(Panel(f"{CONTROL.glyph} {subject}" if quiet else subject, traces, quiet))
    cut = [
        f" Drawn: the first {most} of {len(of)} {what}; the table has all."
        for of, most, what in ((subjects, _MOST_PANELS, "methods and controls"), (names, MOST_LINES, "lines each"))
        if len(of) > most
    ]
    return panels, "".join(cut)


def _trace(line: Measured, label: str, *, panelled: bool = False) -> Trace:
    pairs = list(zip(line.curve.x, line.curve.y, strict=False))
    y = tuple(math.nan if value is None else value for _, value in pairs)
    return Trace(_plain(label), line.control and not panelled, tuple(x for x, _ in pairs), y)


def _table(lines: Sequence[Measured]) -> Table:
    """Every line at the points that were measured; of more than a dozen, some spread evenly."""
    points = sorted({x for line in lines for x in line.curve.x})
    some = ""
    if len(points) > _MOST_POINTS:
        some = f"; {_MOST_POINTS} of {len(points)} points, report.json has all"
        last = len(points) - 1
        points = [points[round(step * last / (_MOST_POINTS - 1))] for step in range(_MOST_POINTS)]
    named = any(line.curve.name for line in lines)
    body = []
    for line in lines:
        values = dict(zip(line.curve.x, line.curve.y, strict=False))
        cells = [number(values[x], significant, "no value") if x in values else Cell(DASH, "not here") for x in points]
        name = [Cell(line.curve.name, sort=line.curve.name)] if named else []
        body.append(Row((code(line.subject), *name, *cells), "control" if line.control else ""))
    columns = [Column("Of"), *([Column("Line")] if named else []), *(Column(significant(x), True) for x in points)]
    first = lines[0].curve
    caption = _plain(f"{first.y_label} over {first.x_label}{some}")
    return Table(caption, tuple(columns), tuple(body), style="matrix")


def _plain(words: str) -> str:
    """`words` without characters that no drawing may hold."""
    return "".join(c if c.isprintable() else " " for c in words)
