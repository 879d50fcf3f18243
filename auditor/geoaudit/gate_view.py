"""The policy's verdict as a table for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from geoaudit.audit.result import GateResult, Report
from geoaudit.gate.telling import verdict_line
from geoaudit.gate.toml_text import plain

GLYPHS = {"PASS": "✓", "WARN": "!", "WAIVED": "○", "FAIL": "✗"}
_STYLES = {"PASS": "green", "WARN": "yellow", "WAIVED": "yellow", "FAIL": "bold red"}
_WIDTH = 80
_FIRST = ("FAIL", "WAIVED", "WARN", "PASS")


def table(report: Report, *, as_of: bool = False) -> Iterator[Table | Text]:
    """The results at most 80 columns wide, what fails first and else in the policy's order, then the verdict.

    Args:
        report: judged.
        as_of: whether the day was chosen, which is then said.
    """
    shown = Table(box=None, show_header=False, pad_edge=False, width=_WIDTH)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for result in sorted(report.gate.results, key=lambda result: _FIRST.index(result.status)):
        status = Text(f"{GLYPHS[result.status]} {result.status}", _STYLES[result.status])
        shown.add_row(status, Text.assemble((result.id, "bold"), "\n", _said(result)))
    yield shown
    yield Text()
    gate = report.gate
    chosen = ", the day that --as-of names" if as_of else ""
    yield Text(plain(f"Policy {gate.policy}{f': {gate.title}' if gate.title else ''}"))
    yield Text(f"Judged as of {report.run.judged} (UTC){chosen}.")
    yield Text(f"{GLYPHS[gate.status]} {verdict_line(gate)}", _STYLES[gate.status])


def _said(result: GateResult) -> str:
    """What was found; why it came out so, if it did not simply pass; and what was asked, if it fails."""
    if result.status == "PASS" and result.waiver is None:
        return plain(result.found)
    asked = f"{result.rule[:1].upper()}{result.rule[1:]}. " if result.status in ("FAIL", "WAIVED") else ""
    return plain(f"{asked}{result.reason} Found: {result.found}")
