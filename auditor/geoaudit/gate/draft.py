"""A policy drafted from a report: what holds today, with margins, and in comments why each line is there."""

from __future__ import annotations

import datetime
import difflib
import json
from collections.abc import Iterator, Sequence

from geoaudit.audit.result import CheckResult, Gate, Report
from geoaudit.errors import UsageError
from geoaudit.gate.draft_thresholds import threshold_lines
from geoaudit.gate.evidence import Evidence
from geoaudit.gate.judge import judge
from geoaudit.gate.load import parse_policy
from geoaudit.gate.policy import POLICY_VERSION
from geoaudit.gate.required import worst
from geoaudit.gate.toml_text import comment, plain, quoted
from geoaudit.scoring.contenders import ENOUGH
from geoaudit.words import counted

_WAIVED_FOR = datetime.timedelta(days=90)


def drafted(report: Report, method: str | None, today: datetime.date, plugins: Sequence[str] | None = None) -> str:
    """The policy's text; its head says what it comes to on this very report.

    Args:
        report: any report.
        method: id of the method in use; None for that of the report's own policy, else the first of the ranking.
        today: the day of the verdict (UTC).
        plugins: distributions whose plugins may load.

    Raises:
        UsageError: the report has no such method, or none at all; or it names plugins that are not installed.
    """
    chosen, why = _in_use(report, method)
    body = "\n".join(_body(report, chosen, why))
    gate = judge(report, parse_policy(body.encode(), "the draft", plugins), today)
    return "\n".join([*_head(report, gate, today), body, *_waivers(gate, today)]) + "\n"


def _in_use(report: Report, method: str | None) -> tuple[str, str]:
    """The method in use, and how it was chosen."""
    ran = [m.id for m in report.methods if m.kind == "method"]
    if method is not None:
        if method not in ran:
            near = difflib.get_close_matches(method, ran, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Methods of it: {', '.join(ran)}."
            raise UsageError(f"--method {method}", "is no method of this report", hint)
        return method, "as --method says"
    if report.gate.in_use in ran:
        return str(report.gate.in_use), "as the policy says by which this report was judged"
    if not report.ranking.entries:
        raise UsageError("the report", "ranks no method", "Name the method in use with --method.")
    first = report.ranking.entries[0]
    alone = "" if not first.position.endswith("=") else ", a place that it shares"
    return first.method, f"the first of this report's ranking{alone}: put in whichever method people are shown"


def _head(report: Report, gate: Gate, today: datetime.date) -> Iterator[str]:
    failing = [result for result in gate.results if result.status == "FAIL"]
    yield f"# A policy drafted from the report on {plain(report.model.file)} of {plain(report.run.started[:10])}."
    yield f"# Held against that very report on {today.isoformat()} (UTC) it comes to {gate.status}."
    for result in failing:
        yield from comment(f"FAIL {result.id}: {result.reason}", "#   ", "#     ")
    if failing:
        yield from comment(
            "What fails stands here all the same. Mend it, decide that it does not matter and take the line out, or "
            "have somebody waive it for a while: see the end of this file."
        )
    yield from comment(
        "Every line is a proposal: it asks that nothing gets worse than it is today, which may be too little or too "
        "much. `geoaudit policy check FILE` says what a policy asks, `geoaudit gate REPORT --policy FILE` judges by it."
    )
    yield ""


def _body(report: Report, method: str, why: str) -> Iterator[str]:
    yield f"version = {POLICY_VERSION}"
    yield f"title = {quoted(f'Explanations of {report.model.file}')}"
    yield '# owner = "who answers for this policy"'
    yield ""
    yield "# Every policy asks that nothing in the audit broke. This would accept it:"
    yield '# audit.allow = ["ERROR"]'
    yield ""
    yield "[model]"
    yield "# The audited file and no other; a list accepts several."
    yield f"sha256 = {quoted(report.model.sha256)}"
    yield ""
    yield from _images(report)
    yield ""
    yield from _method(report, method, why)
    yield ""
    yield from _checks(report, method)
    yield from threshold_lines(report, method)


def _images(report: Report) -> Iterator[str]:
    count = report.data.count
    yield "[images]"
    if count >= ENOUGH:
        yield from comment(f"{counted(count, 'image')} today; with fewer than {ENOUGH} the ranking is indicative only.")
        yield f"minimum = {ENOUGH}"
    else:
        yield from comment(
            f"{counted(count, 'image')} today. With fewer than {ENOUGH} the ranking is indicative only: audit more, "
            f"then ask for {ENOUGH}."
        )
        yield f"minimum = {max(count, 1)}"
    yield "# Inputs that were left out, whatever the reason."
    yield f"maximum_skipped = {len(report.data.skipped)}"
    yield "# Exactly these images, byte for byte; not asked for, since new images are often the point of an audit."
    yield f"# manifest_sha256 = {quoted(report.data.manifest_sha256)}"


def _method(report: Report, method: str, why: str) -> Iterator[str]:
    place = Evidence(report).place(method)
    yield "[method]"
    yield from comment(f"The method whose maps are shown to people, {why}.")
    yield f"in_use = {quoted(method)}"
    if place is None:
        yield from comment("It has no place in this report's ranking, so that this rule fails today.")
    else:
        reasons = f": {'; '.join(place.reasons)}" if place.reasons else ""
        yield from comment(f"Today its tier is {place.tier}{reasons}. rejected can be waived, never accepted.")
    tiers = ["recommended"] if place is not None and place.tier == "recommended" else ["recommended", "caution"]
    yield f"tiers = {json.dumps(tiers)}"


def _checks(report: Report, method: str) -> Iterator[str]:
    """Checks that pass or fail go into the list; each other status gets an allowance of its own, and its reason."""
    evidence = Evidence(report)
    found = {name: _about(evidence, name, method) for name in sorted({check.id for check in report.checks})}
    required = {n: f for n, f in found.items() if f is not None and f.status in ("PASS", "FAIL", "ERROR")}
    yield "[checks]"
    yield "# Each must have run and passed; what it is today stands behind it. A failure can only be waived."
    yield "required = ["
    yield from (f"  {quoted(name)},  # {finding.status}" for name, finding in required.items())
    yield "]"
    yield ""
    for name, finding in found.items():
        if finding is None:
            yield from comment(f"{name} was run, but not on {method}: a rule about it would fail.")
            yield ""
        elif finding.status == "SKIP":
            yield from comment(f"{name} could not say anything here, so that nothing is asked of it: {finding.reason}")
            yield ""
        elif name not in required:
            yield from comment(
                f"{name} is {finding.status} today: {finding.reason} Without the allowance that would fail."
            )
            yield "[[check]]"
            yield f"id = {quoted(name)}"
            yield f"allow = [{quoted(finding.status)}]"
            yield ""


def _about(evidence: Evidence, check: str, method: str) -> CheckResult | None:
    """The worst finding about the method, or about the model."""
    findings = evidence.findings(check, method) or evidence.findings(check, None)
    return worst(findings) if findings else None


def _waivers(gate: Gate, today: datetime.date) -> Iterator[str]:
    failing = [result for result in gate.results if result.status == "FAIL"]
    if not failing:
        return
    yield ""
    yield from comment("A waiver lets one failure pass until a day, on somebody's word. It would be written so:")
    for result in failing:
        yield "#"
        yield "# [[waiver]]"
        yield f"# rule = {quoted(result.id)}"
        yield '# reason = "why it is accepted"'
        yield '# owner = "who answers for that"'
        yield f"# expires = {(today + _WAIVED_FOR).isoformat()}"
