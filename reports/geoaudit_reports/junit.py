"""JUnit XML: one suite for the model, one case for every rule of the policy.

- A rule that FAILs is a failure; one that is WAIVED is skipped, and says until when and by whom; WARN and PASS
  pass, WARN with its reason in `system-out`.
- Without a policy nothing was gated, so nothing can fail: the case `policy` is skipped.  The checks' findings
  follow for the record; only a PASS is a passed case, everything else is skipped with its status and reason.
- An audit that was not completed is an error in the case `audit`, with or without a policy.

The elements and attributes are those of the format that Jenkins and GitLab read (junit-10.xsd of Jenkins' xUnit
plugin).  Times are UTC, in seconds.  Characters that XML forbids are written out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from geoaudit.api import Status
from geoaudit.audit.result import CheckResult, GateResult, Report
from geoaudit.words import counted
from geoaudit_reports.escaping import xml_text
from geoaudit_reports.facts import NOT_GATED, against, broken, findings, gated, policy_verdict, utc, waived, why

_SUITE = "geoaudit"
_POLICY = "geoaudit.policy"
_CHECKS = "geoaudit.checks"


def dumps(report: Report) -> str:
    """The report as JUnit XML, one newline at the end; the same report gives the same text."""
    cases = list(_cases(report))
    counts = {
        "tests": len(cases),
        "failures": _holding(cases, "failure"),
        "errors": _holding(cases, "error"),
        "skipped": _holding(cases, "skipped"),
    }
    attributes = {name: str(count) for name, count in counts.items()} | {"time": f"{report.run.seconds:.3f}"}
    root = _element("testsuites", name=_SUITE, **{k: v for k, v in attributes.items() if k != "skipped"})
    suite = _element("testsuite", name=report.model.file, **attributes)
    started = utc(report.run.started)
    if started is not None:
        suite.set("timestamp", f"{started:%Y-%m-%dT%H:%M:%S}")
    suite.append(_properties(report))
    suite.extend(cases)
    root.append(suite)
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _cases(report: Report) -> Iterator[ET.Element]:
    reason = broken(report)
    if reason is not None:
        case = _case("geoaudit", "audit")
        case.append(_element("error", reason, message=reason))
        yield case
    if gated(report):
        yield from (_rule(result) for result in report.gate.results)
        return
    policy = _case("geoaudit", "policy")
    policy.append(_element("skipped", message=NOT_GATED))
    yield policy
    seen: Counter[str] = Counter()
    for check in findings(report):
        name = f"{check.id}:{check.method or 'model'}"
        seen[name] += 1
        yield _finding(check, name if seen[name] == 1 else f"{name} ({seen[name]})")


def _rule(result: GateResult) -> ET.Element:
    case = _case(_POLICY if result.method is None else f"{_POLICY}.{result.method}", result.id)
    text = f"rule: {result.rule}\nfound: {result.found}\nreason: {why(result)}"
    if result.status == "FAIL":
        case.append(_element("failure", text, message=against(result), type=_POLICY))
        return case
    if result.status == "WAIVED":
        case.append(_element("skipped", message=waived(result) or f"waived: {result.reason}"))
    case.append(_element("system-out", f"status: {result.status}\n{text}"))
    return case


def _finding(check: CheckResult, name: str) -> ET.Element:
    case = _case(_CHECKS if check.method is None else f"{_CHECKS}.{check.method}", name)
    if check.status != Status.PASS:
        case.append(_element("skipped", message=f"{check.status}: {check.reason}"))
    told = {"status": check.status, "reason": check.reason} | {
        name: repr(value)
        for name in ("estimate", "ci_low", "ci_high", "threshold")
        if (value := getattr(check, name)) is not None
    }
    case.append(_element("system-out", "\n".join(f"{name}: {value}" for name, value in told.items())))
    return case


def _properties(report: Report) -> ET.Element:
    values = {
        "geoaudit version": report.tool.version,
        "model sha256": report.model.sha256,
        "external data": ", ".join(report.model.external_data),
        "images": counted(report.data.count, "image"),
        "images manifest sha256": report.data.manifest_sha256,
        "seed": str(report.run.seed),
        "budget": report.run.budget,
        "ranking": report.ranking.status,
        "policy": report.gate.policy or "",
        "policy sha256": report.gate.sha256 or "",
        "policy verdict": policy_verdict(report),
        "judged": report.run.judged or "",
        "method in use": report.gate.in_use or "",
        "maps sha256": report.maps.sha256 if report.maps else "",
    }
    properties = _element("properties")
    properties.extend(_element("property", name=name, value=value) for name, value in values.items() if value)
    return properties


def _case(classname: str, name: str) -> ET.Element:
    return _element("testcase", classname=classname, name=name, time="0")


def _element(tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    made = ET.Element(tag, {name: xml_text(value) for name, value in attributes.items()})
    made.text = None if text is None else xml_text(text)
    return made


def _holding(cases: list[ET.Element], tag: str) -> int:
    return sum(case.find(tag) is not None for case in cases)
