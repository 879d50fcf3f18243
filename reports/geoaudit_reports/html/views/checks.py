"""The sanity checks: who failed what at a glance, then each check with its findings, charts and details."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from geoaudit.api import Status
from geoaudit.audit.result import CheckResult, Report
from geoaudit_reports.html.cells import BADGES, Badge, Cell, Column, Row, Table, code, head, interval, number, text
from geoaudit_reports.html.charts.canvas import Chart
from geoaudit_reports.html.check_words import CHECKS, CheckWords
from geoaudit_reports.html.formats import setting, significant
from geoaudit_reports.html.sentences import sentence
from geoaudit_reports.html.views import check_charts
from geoaudit_reports.html.words import is_inverted

REJECTS = Badge("FAIL, rejects", "\u2715", "severe")
"""A failed gate: louder than any other verdict."""
LOUD = (Status.FAIL, Status.ERROR)
_WORST_FIRST = (Status.FAIL, Status.ERROR, Status.INCONCLUSIVE, Status.WARN, Status.SKIP, Status.PASS)
_LONGEST = 400


@dataclass(frozen=True)
class Block:
    """One check.

    Attributes:
        id, title: the check's.
        gate: whether a failure rejects a method.
        words: what it asks, what a failure means and what it cannot show.
        tally: each status among the methods and how often it occurs, the worst first.
        open: whether a method fails it or it failed itself.
        findings: one row a method; None where it examined the model alone, which is told apart.
        charts: what it measured along the way.
        omitted: which charts are missing and why.
        details: everything else, as measured.
    """

    id: str
    title: str
    gate: bool
    words: CheckWords
    tally: tuple[tuple[Badge, int], ...]
    open: bool
    findings: Table | None
    charts: tuple[Chart, ...]
    omitted: str | None
    details: Table | None


def title_of(check: CheckResult) -> str:
    """The check's title; its id where there is none."""
    return check.title or (CHECKS[check.id].title if check.id in CHECKS else check.id)


def badge_of(check: CheckResult, *, control: bool = False) -> Badge:
    """The verdict: a failed gate stands out, what a control fails is no alarm, and a check that broke always is one."""
    found = BADGES[check.status]
    if control and check.status is not Status.ERROR:
        return replace(found, tone="quiet")
    return REJECTS if check.gate and check.status is Status.FAIL and check.method and not control else found


def matrix(report: Report) -> Table:
    """Methods and controls in rows, checks of methods in columns."""
    subjects, results = _subjects(report), _by_check(report, of_methods=True)
    columns = [Column("Method")]
    columns += [Column(title_of(found[0]), hint="gate check" if found[0].gate else "") for found in results.values()]
    body = []
    for subject, control in subjects:
        cells = [_cell([c for c in found if c.method == subject], control) for found in results.values()]
        body.append(Row((head(subject, "control" if control else ""), *cells), "control" if control else ""))
    caption = (
        "Below each verdict what was measured; its scale is the check's own. Controls are made without the model, so "
        "their grey verdicts are no alarm: they tell whether a check works."
    )
    return Table(caption, tuple(columns), tuple(body) if results else (), "No check examined a method.", "matrix")


def of_the_model(report: Report) -> Table:
    """Findings about the model, and checks that were not applicable at all."""
    body = [
        Row((head(title_of(c), _asks(c)), Cell("", badges=(badge_of(c),), sort=c.status), *_numbers(c), _reason(c)))
        for c in report.checks
        if c.method is None
    ]
    columns = (
        Column("Check"),
        Column("Status"),
        Column("Estimate", True),
        Column("Threshold", True),
        Column("Finding"),
    )
    return Table("Checks of the model and of this audit as a whole", columns, tuple(body), "None was run.")


def blocks(report: Report) -> tuple[Block, ...]:
    """Every check that has more to show than the table of the model's checks: gates first, then by title."""
    controls = frozenset(m.id for m in report.methods if m.kind == "control")
    place = {subject: number_ for number_, (subject, _) in enumerate(_subjects(report))}
    made: list[Block] = []
    for name, found in _by_check(report).items():
        shown = sorted(found, key=lambda c: (place.get(c.method or "", len(place)), c.method or ""))
        made.append(_block(f"chart-check-{len(made) + 1}", name, shown, controls))
    kept = [b for b in made if b.findings or b.charts or b.details or b.omitted]
    return tuple(sorted(kept, key=lambda b: (not b.gate, b.title, b.id)))


def _block(prefix: str, name: str, found: Sequence[CheckResult], controls: frozenset[str]) -> Block:
    of_methods = [c for c in found if c.method is not None and c.method not in controls]
    counted = Counter(c.status for c in of_methods or [c for c in found if c.method is None])
    first = found[0]
    tally = [
        (REJECTS if first.gate and status is Status.FAIL and of_methods else BADGES[status], counted[status])
        for status in _WORST_FIRST
        if counted[status]
    ]
    return Block(
        name, title_of(first), first.gate, CHECKS.get(name, CheckWords(title_of(first), "")), tuple(tally),
        any(c.status in LOUD for c in of_methods),
        _findings(found, controls) if any(c.method is not None for c in found) else None,
        check_charts.charts(prefix, found, controls), check_charts.omitted(found), _details(found),
    )  # fmt: skip


def _subjects(report: Report) -> list[tuple[str, bool]]:
    """Who was examined and whether it is a control: ranked methods in their order, the others by id, controls."""
    place = {e.method: number_ for number_, e in enumerate(report.ranking.entries)}
    examined = {c.method for c in report.checks if c.method is not None}
    ran = [m for m in report.methods if (m.status != "skipped" and not is_inverted(m.id)) or m.id in examined]
    known = {m.id: m.kind == "control" for m in ran}
    known |= dict.fromkeys(sorted(examined - known.keys()), False)
    ordered = sorted(known, key=lambda name: (known[name], place.get(name, len(place)), name))
    looked_at = [name for name in ordered if not known[name] or name in examined]
    return [(name, known[name]) for name in looked_at]


def _by_check(report: Report, *, of_methods: bool = False) -> dict[str, list[CheckResult]]:
    found: dict[str, list[CheckResult]] = {}
    for check in report.checks:
        if check.method is not None or not of_methods:
            found.setdefault(check.id, []).append(check)
    return dict(sorted(found.items(), key=lambda item: (not item[1][0].gate, title_of(item[1][0]), item[0])))


def _cell(found: Sequence[CheckResult], control: bool) -> Cell:
    """The verdicts on one method, the worst first, and the number behind the worst."""
    if not found:
        return Cell("", "not examined")
    worst = sorted(found, key=lambda c: _WORST_FIRST.index(c.status))
    badges = tuple(dict.fromkeys(badge_of(c, control=control) for c in worst))
    estimate = worst[0].estimate
    note = "" if estimate is None else significant(estimate)
    more = f"{len(found)} findings" if len(found) > 1 else ""
    told = ", ".join(part for part in (note, more) if part)
    return Cell("", told, sort=f"{_WORST_FIRST.index(worst[0].status)} {worst[0].status}", badges=badges)


def _findings(found: Sequence[CheckResult], controls: frozenset[str]) -> Table:
    body = []
    for c in found:
        control = c.method in controls
        of = code(c.method, "control" if control else "") if c.method else text("the audit as a whole")
        verdict = Cell("", badges=(badge_of(c, control=control),), sort=c.status)
        body.append(Row((of, verdict, *_numbers(c), _reason(c)), "control" if control else ""))
    columns = (Column("Of"), Column("Status"), Column("Estimate", True), Column("Threshold", True), Column("Finding"))
    return Table("What it found", columns, tuple(body), "It found nothing to tell.")


def _numbers(c: CheckResult) -> tuple[Cell, Cell]:
    if c.ci_low is not None:
        estimate = interval(c.estimate, c.ci_low, c.ci_high, significant, "gives no number")
    else:
        estimate = number(c.estimate, significant, "gives no number")
    return estimate, number(c.threshold, significant, "has no threshold")


def _asks(c: CheckResult) -> str:
    return CHECKS[c.id].asks if c.id in CHECKS else ""


def _reason(c: CheckResult) -> Cell:
    return text(sentence(c.reason) if c.reason.strip() else "No reason was recorded.")


def _details(found: Sequence[CheckResult]) -> Table | None:
    body = [
        Row((code(c.method) if c.method else text("the model"), text(name.replace("_", " ")), text(_told(value))))
        for c in found
        for name, value in sorted(c.details.items())
    ]
    if not body:
        return None
    return Table("As measured", (Column("Of"), Column("What"), Column("Value")), tuple(body))


def _told(value: Any) -> str:
    """A value of any depth in words; report.json has what is too long for a table."""
    words = _words(value)
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}… (report.json has all)"


def _words(value: Any) -> str:
    if value is None:
        return "no value"
    if isinstance(value, float):
        return significant(value)
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_words(part)}" for name, part in value.items()) or "nothing"
    if isinstance(value, list):
        return ", ".join(f"({_words(part)})" if isinstance(part, (list, dict)) else _words(part) for part in value)
    return setting(value)
