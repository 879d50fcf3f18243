"""The policy: its verdict rule by rule, its waivers, and where it is from."""

from __future__ import annotations

from dataclasses import dataclass

from geoaudit.audit.result import GateResult, Report
from geoaudit.gate.ids import UNUSED
from geoaudit.gate.wording import limit
from geoaudit_reports.html import sentences
from geoaudit_reports.html.cells import RULINGS, Cell, Column, Fact, Row, Table, badge, code, rows, text
from geoaudit_reports.html.formats import day

_LOUD_FIRST = ("FAIL", "WAIVED", "WARN", "PASS")


@dataclass(frozen=True)
class Policy:
    """What the section shows.

    Attributes:
        told: the verdict in a sentence.
        configured: whether there is a policy.
        facts: where it is from.
        results: its rules.
        waivers: who accepted what; None where nobody did.
    """

    told: str
    configured: bool
    facts: tuple[Fact, ...]
    results: Table
    waivers: Table | None


def build(report: Report) -> Policy:
    """The policy of `report`."""
    empty = "No rule was applied." if report.gate.configured else "No rule was applied: no policy was configured."
    found = sorted(report.gate.results, key=lambda r: _LOUD_FIRST.index(r.status))
    return Policy(
        sentences.gating(report),
        report.gate.configured,
        _facts(report),
        _results(report, "Every rule of the policy, and what it found", found, empty),
        _waivers(report),
    )


def of_method(report: Report, method: str) -> Table | None:
    """What the policy says of one method; None where it says nothing."""
    found = [r for r in report.gate.results if r.method == method]
    return _results(report, "What the policy asks of it", found, "", named=False) if found else None


def _facts(report: Report) -> tuple[Fact, ...]:
    gate = report.gate
    if not gate.configured:
        return ()
    judged = text(day(report.run.judged), "UTC; waivers expire by it") if report.run.judged else text("not recorded")
    in_use = sentences.find(report, gate.in_use) if gate.in_use else None
    used = text(in_use.title if in_use else gate.in_use or "not named by the policy")
    if in_use:
        used = Cell(in_use.title, link=f"#method-{in_use.id}")
    return (
        Fact("Policy", text(gate.title or "without a title")),
        Fact("File", code(gate.policy) if gate.policy else text("not recorded")),
        Fact("sha256", code(gate.sha256) if gate.sha256 else text("not recorded")),
        Fact("Answers for it", text(gate.owner or "nobody is named")),
        Fact("Judged on", judged),
        Fact("Method in use", used),
    )


def _results(report: Report, caption: str, results: list[GateResult], empty: str, *, named: bool = True) -> Table:
    titles = {m.id: m.title for m in report.methods}
    body = []
    for r in results:
        of = Cell("the audit as a whole", sort="")
        if r.method:
            link = f"#method-{r.method}" if r.method in titles else ""
            of = Cell(titles.get(r.method, r.method), sort=r.method, link=link)
        body.append(
            Row(
                (
                    badge(RULINGS[r.status]),
                    Cell(r.rule, r.id, r.rule, "head"),
                    *([of] if named else []),
                    text(r.found),
                    text(_limits(r)),
                    text(sentences.sentence(r.reason) if r.reason.strip() else "No reason was recorded."),
                )
            )
        )
    columns = (
        Column("Status"), Column("Asked"), *([Column("Of")] if named else []), Column("Found"),
        Column("Limits"), Column("Reason"),
    )  # fmt: skip
    return Table(caption, columns, tuple(body), empty)


def _limits(result: GateResult) -> str:
    bounds = (("minimum", result.minimum), ("maximum", result.maximum))
    return ", ".join(limit(side, bound) for side, bound in bounds if bound is not None) or "no number"


def _waivers(report: Report) -> Table | None:
    judged = (report.run.judged or "")[:10]
    cells = []
    for r in report.gate.results:
        if r.waiver is None:
            continue
        state = "in force" if r.status == "WAIVED" else "not needed"
        if r.id.startswith(UNUSED):
            state = "names nothing here"
        if judged and r.waiver.expires < judged:
            state = "expired"
        elif r.status == "FAIL":
            state = "not accepted"
        cells.append(
            (Cell(r.rule, r.waiver.rule, r.rule, "head"), text(state), text(r.waiver.reason),
             text(r.waiver.owner), Cell(day(r.waiver.expires), "its last day", r.waiver.expires))
        )  # fmt: skip
    if not cells:
        return None
    columns = (Column("Rule"), Column("State"), Column("Why"), Column("Accepted by"), Column("Until"))
    return Table("What a named person has accepted for a while", columns, rows(cells))
