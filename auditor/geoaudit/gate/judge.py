"""The verdict: a pure function of report, policy and day."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Literal

from geoaudit.audit.result import Gate, GateResult, Report
from geoaudit.errors import ExitCode, UsageError
from geoaudit.gate import facts, ids
from geoaudit.gate.evidence import Evidence
from geoaudit.gate.policy import Policy
from geoaudit.gate.required import required
from geoaudit.gate.thresholds import thresholds
from geoaudit.gate.waivers import apply_waivers, unused


def today() -> datetime.date:
    """The present day, UTC."""
    return datetime.datetime.now(datetime.UTC).date()


def judge(report: Report, policy: Policy, today: datetime.date) -> Gate:
    """Hold a report against a policy.

    The results stand in the policy's order: the audit, the model, the images, the method in use, checks, thresholds,
    then waivers that name nothing.

    Args:
        report: any report; a verdict that it has already is not looked at.
        policy: as `load_policy` returns it.
        today: the day of the verdict (UTC), by which waivers expire.
    """
    evidence = Evidence(report)
    results = [
        facts.complete(report, policy.audit),
        *facts.model(report, policy.model),
        *facts.images(report, policy.images),
        *facts.tier(evidence, policy.method),
        *required(evidence, policy),
        *thresholds(evidence, policy),
    ]
    rules = [rule for rule in policy.waiver if not rule.rule.startswith(ids.COMPARED)]
    noted = [*apply_waivers(results, rules, today), *unused(results, rules)]
    return Gate(
        configured=True,
        status=verdict(noted) if policy.asks_of_audits else "FAIL",
        policy=policy.file,
        title=policy.title,
        owner=policy.owner,
        sha256=policy.sha256,
        in_use=None if policy.method is None else policy.method.in_use,
        results=noted,
    )


def verdict(results: Sequence[GateResult]) -> Literal["PASS", "FAIL"]:
    """PASS if there is a result and none of them fails."""
    return "PASS" if results and all(result.status in ("PASS", "WARN", "WAIVED") for result in results) else "FAIL"


def judged(report: Report, policy: Policy, today: datetime.date) -> Report:
    """The report with the verdict, its day and the exit code filled in; nothing else changes.

    The exit code is 3 where the audit was not completed and the policy neither accepts nor waives that, else 1 if the
    verdict is FAIL and 0 if it is PASS.

    Raises:
        UsageError: the policy has no rule that a report can be judged by.
    """
    require_audit_rules(policy)
    gate = judge(report, policy, today)
    (complete,) = (result for result in gate.results if result.id == ids.COMPLETE)
    if complete.status == "FAIL":
        code = ExitCode.INCOMPLETE
    else:
        code = ExitCode.OK if gate.status == "PASS" else ExitCode.GATE_FAILED
    run = report.run.model_copy(update={"judged": today.isoformat()})
    return report.model_copy(update={"gate": gate, "run": run, "exit_code": int(code)})


def require_audit_rules(policy: Policy) -> None:
    """A policy may be about comparisons alone.

    Raises:
        UsageError: it asks nothing of an audit.
    """
    if not policy.asks_of_audits:
        raise UsageError(
            f"--policy {policy.file}", "has rules for comparisons only", "Add a rule, such as [images] minimum = 20."
        )
