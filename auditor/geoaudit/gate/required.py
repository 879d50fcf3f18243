"""Required checks: each must have run, and have come out as the policy accepts."""

from __future__ import annotations

from collections.abc import Sequence

from geoaudit.api import Status
from geoaudit.audit.result import CheckResult, GateResult
from geoaudit.gate import ids
from geoaudit.gate.evidence import Chosen, Evidence
from geoaudit.gate.policy import CheckRule, Policy
from geoaudit.gate.wording import either, whom

_WORST_FIRST = (Status.FAIL, Status.ERROR, Status.INCONCLUSIVE, Status.SKIP, Status.WARN, Status.PASS)


def required(evidence: Evidence, policy: Policy) -> list[GateResult]:
    """A result for every required check and every method it is required of."""
    in_use = None if policy.method is None else policy.method.in_use
    results = []
    for rule in policy.asked_checks:
        if rule.id in policy.model_checks:
            results.append(_judge(evidence, rule, None))
        else:
            results += [
                _nobody(rule, chosen) if chosen.method is None else _judge(evidence, rule, chosen.method)
                for chosen in evidence.chosen(rule.methods, in_use)
            ]
    return results


def accepted(rule: CheckRule) -> str:
    """What the rule accepts besides PASS, to end a sentence with; empty if nothing."""
    return f" ({either(rule.allow, 'and')} {_are(rule.allow)} accepted too)" if rule.allow else ""


def worst(findings: Sequence[CheckResult]) -> CheckResult:
    """The finding with the worst status."""
    return min(findings, key=lambda found: _WORST_FIRST.index(found.status))


def _judge(evidence: Evidence, rule: CheckRule, method: str | None) -> GateResult:
    findings = evidence.findings(rule.id, method)
    statuses = [finding.status for finding in findings] or [Status.SKIP]
    refused = [status for status in statuses if status != Status.PASS and status not in rule.allow]
    said = "; ".join(f"{finding.status}: {finding.reason}" for finding in findings) or "it was not run"
    deciding = worst(findings) if findings else None
    result = GateResult(
        id=ids.check(rule.id, method),
        rule=f"the check {rule.id} passes for {method or 'the model'}{accepted(rule)}",
        method=method,
        status="FAIL" if refused else "PASS" if set(statuses) == {Status.PASS} else "WARN",
        found=said,
        reason="The check passed.",
        measured=None if deciding is None else deciding.estimate,
    )
    if result.status == "PASS":
        return result
    if not findings:
        reason = "The check was not run, which only an allowance of SKIP accepts."
        reason = reason if refused else "The check was not run; the policy accepts that (SKIP)."
    elif Status.FAIL in refused:
        reason = "The check failed, which can only be waived."
    elif refused:
        names = list(dict.fromkeys(str(status) for status in refused))
        reason = f"{either(names, 'and')} {_are(names)} not accepted by the policy."
    else:
        excused = [str(status) for status in dict.fromkeys(statuses) if status != Status.PASS]
        reason = f"{either(excused, 'and')} {_are(excused)} accepted by the policy."
    return result.model_copy(update={"reason": reason})


def _nobody(rule: CheckRule, chosen: Chosen) -> GateResult:
    return GateResult(
        id=ids.check(rule.id, chosen.word),
        rule=f"the check {rule.id} passes for {whom(chosen.word)}{accepted(rule)}",
        method=None,
        status="FAIL",
        found=f"no method of this report is meant by '{chosen.word}'",
        reason="A rule that is about nobody is not met.",
    )


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
