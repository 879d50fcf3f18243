"""What several machine formats say of a report, found once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from geoaudit.api import Status
from geoaudit.audit.result import CheckResult, GateResult, Report
from geoaudit.errors import ExitCode

Verdict = Literal["PASS", "WARN", "FAIL", "not gated"]
NOT_GATED = "No policy was given: nothing was gated."
_SEVERITY = ("FAIL", "WAIVED", "WARN", "PASS")


def gated(report: Report) -> bool:
    """Whether a policy was applied."""
    return report.gate.configured and report.gate.status != "not gated"


def verdict(report: Report) -> Verdict:
    """The outcome in one word, never better than the policy's own verdict.

    WARN is a policy that is met with a warning or a waiver.  An audit that was not completed is a FAIL even
    without a policy; every other report without a policy is "not gated".
    """
    found = {result.status for result in report.gate.results}
    if "FAIL" in found or broken(report) is not None:
        return "FAIL"
    if not gated(report):
        return "not gated"
    return "PASS" if found == {"PASS"} else "WARN"


def policy_verdict(report: Report) -> str:
    """The policy's own verdict, but never PASS beside a rule that failed or an audit that was not completed."""
    if not gated(report):
        return "not gated"
    return "FAIL" if verdict(report) == "FAIL" else report.gate.status


def broken(report: Report) -> str | None:
    """Why the outcome is bad although no rule failed, in a sentence; None where a rule says it, or all is well."""
    if any(result.status == "FAIL" for result in report.gate.results):
        return None
    if report.exit_code == ExitCode.INCOMPLETE:
        crashed = [method.id for method in report.methods if method.status == "error"]
        names = f" Without a map: {', '.join(crashed)}." if crashed else ""
        return f"The audit was not completed (exit code {report.exit_code}).{names}"
    if not gated(report):
        return None
    if not report.gate.results:
        return "The policy has no rule: nothing was judged."
    failed = report.gate.status == "FAIL" or report.exit_code == ExitCode.GATE_FAILED
    return "The policy is not met." if failed else None


def by_severity(results: Iterable[GateResult]) -> list[GateResult]:
    """Failed results first, then waived ones, warnings, and what passed; each in the policy's order."""
    return sorted(results, key=lambda result: _SEVERITY.index(result.status))


def statuses(results: Iterable[GateResult | CheckResult]) -> str:
    """How many there are of each status: "2 FAIL, 1 WAIVED, 4 PASS"; "none" where there are none."""
    counts = Counter(str(result.status) for result in results)
    order = dict.fromkeys((*_SEVERITY, *map(str, Status)))
    return ", ".join(f"{counts[status]} {status}" for status in order if counts[status]) or "none"


def findings(report: Report) -> list[CheckResult]:
    """The checks' findings about the model and its methods; of controls, only checks that broke.

    Controls are made to fail: their findings show that a check works, and speak of nothing audited.
    """
    controls = {method.id for method in report.methods if method.kind == "control"}
    return [check for check in report.checks if check.method not in controls or check.status == Status.ERROR]


def against(result: GateResult) -> str:
    """What was found against what the policy asks for: "measured 0.12, required at least 0.2" where it is a number."""
    bounds = [
        f"{words} {_apart(bound, result.measured)}"
        for words, bound in (("at least", result.minimum), ("at most", result.maximum))
        if bound is not None
    ]
    if not bounds:
        return result.found
    if result.measured is None:
        return f"{result.found}; required {' and '.join(bounds)}"
    known = [bound for bound in (result.minimum, result.maximum) if bound is not None]
    measured = max((_apart(result.measured, bound) for bound in known), key=len)
    return f"measured {measured}, required {' and '.join(bounds)}"


def why(result: GateResult) -> str:
    """The reason for a result's status, and the waiver that names it unless the reason tells of it."""
    waiver = result.waiver
    if waiver is None or (waiver.expires in result.reason and waiver.owner in result.reason):
        return result.reason
    return f"{result.reason.rstrip('.')}; {waived(result)}"


def waived(result: GateResult) -> str | None:
    """The waiver that names the result, in a sentence; None where none does."""
    if result.waiver is None:
        return None
    word = "waived until" if result.status == "WAIVED" else "has a waiver until"
    return f"{word} {result.waiver.expires} by {result.waiver.owner}: {result.waiver.reason}"


def utc(text: str) -> datetime | None:
    """An ISO 8601 time, read as UTC where it names no zone; None where it is none."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: in UTC it lies outside the years 1 to 9999
        return None


def _apart(value: float, other: float | None) -> str:
    """`value` with four significant digits, or as many as tell it from `other`."""
    for digits in range(4, 17):
        written = f"{value:.{digits}g}"
        if other is None or value == other or written != f"{other:.{digits}g}":
            return written
    return repr(value)
