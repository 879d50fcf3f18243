"""The table after an audit on a terminal of 80 columns, and what is said below it."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from geoaudit.audit.result import GateResult, Report
from geoaudit.terminal import closing, summary

LONG = "a-company-of-some-size/attribution-by-a-long-name"


def printed(report: Report, *, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=terminal, color_system=None, highlight=False, markup=False)
    console.print(summary(report))
    return out.getvalue()


@pytest.fixture(scope="module")
def crowd(sample: SimpleNamespace) -> Report:
    """Twenty-two methods, one of them of a third party with a long id."""
    report: Report = sample.crowded()
    first = report.ranking.entries[0].method
    text = report.model_dump_json(by_alias=True).replace(f'"{first}"', f'"{LONG}"')
    return Report.model_validate_json(text)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_table_fits_80_columns_and_loses_no_name(crowd: Report, terminal: bool) -> None:
    text = printed(crowd, terminal=terminal)
    assert max(map(len, text.splitlines())) <= 80
    lines = text.splitlines()
    heading = next(line for line in lines if "method" in line and "tier" in line)
    start, end = heading.index("method"), heading.index("tier")
    column = "".join(line[start:end].strip() for line in lines)  # a long name is folded within its column
    assert all(entry.method in column for entry in crowd.ranking.entries)
    assert "…" not in text, "nothing is cut off"


def _gated(report: Report, *statuses: str) -> Report:
    results = [
        GateResult(id=f"r{i}", rule="a rule", method=None, status=s, found="something", reason="Because.")  # type: ignore[arg-type]
        for i, s in enumerate(statuses)
    ]
    status = "FAIL" if "FAIL" in statuses else "PASS"
    gate = report.gate.model_copy(
        update={"configured": True, "status": status, "policy": "release.toml", "results": results}
    )
    return report.model_copy(update={"gate": gate})


def test_the_last_words_are_the_verdict(report: Report) -> None:
    assert closing(report).endswith("Not gated: no policy was given.")
    assert "PASS" not in closing(report)
    assert closing(_gated(report, "PASS", "WARN")).endswith(
        "Policy release.toml: PASS. Of 2 rules: 1 met with a caution, 1 met."
    )
    assert closing(_gated(report, "PASS", "WAIVED")).endswith("PASS. Of 2 rules: 1 waived, 1 met.")
    assert closing(_gated(report, "FAIL")).endswith("Policy release.toml: FAIL. Of 1 rule: 1 not met.")


def test_an_audit_that_was_not_completed_is_said_beside_the_verdict(report: Report) -> None:
    broken = _gated(report, "PASS").model_copy(update={"exit_code": 3})
    assert "The audit was not completed (exit code 3).  Policy" in closing(broken)
    assert "not completed" not in closing(_gated(report, "PASS").model_copy(update={"exit_code": 0}))
    silent = broken.model_copy(update={"ranking": broken.ranking.model_copy(update={"reason": ""})})
    assert closing(silent).startswith("The audit")
