"""Thresholds: a number of the report, its standing, and the bounds it must lie within."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from geoaudit.api import Status
from geoaudit.audit.result import CheckResult, GateResult, ScoreSummary
from geoaudit.gate import ids
from geoaudit.gate.evidence import Chosen, Evidence
from geoaudit.gate.number_paths import resolve
from geoaudit.gate.policy import Policy, ThresholdRule
from geoaudit.gate.wording import asked_of, beside, end, excused, number, whom
from geoaudit.words import counted


@dataclass(frozen=True)
class Measured:
    """A number and whether it counts.

    Attributes:
        value: finite; None if the report has none.
        found: what the report says, in words.
        obstacle: why the number does not count, a sentence; None if it does.
        cautions: what the policy accepts about it, sentences.
    """

    value: float | None
    found: str
    obstacle: str | None = None
    cautions: tuple[str, ...] = ()


def thresholds(evidence: Evidence, policy: Policy) -> list[GateResult]:
    """A result for every bound and every method that it is about."""
    in_use = None if policy.method is None else policy.method.in_use
    results = []
    for rule in policy.threshold:
        alone = rule.number is not None or rule.check in policy.model_checks
        subjects = [Chosen("", None)] if alone else evidence.chosen(rule.methods, in_use)
        for subject in subjects:
            for side, bound in ids.sides(rule):
                if not alone and subject.method is None:
                    results.append(_nobody(rule, subject.word, side, bound))
                    continue
                measured = _measured(evidence, policy, rule, subject.method, side)
                results.append(_held(rule, subject.method, measured, side, bound))
    return results


def _measured(evidence: Evidence, policy: Policy, rule: ThresholdRule, method: str | None, side: ids.Side) -> Measured:
    statistic = end(rule.statistic, side)
    if rule.number is not None:
        value = resolve(evidence.report, rule.number)
        found = "no number" if value is None else number(value)
        return Measured(value, found, None if value is not None else "The report has no number there.")
    if rule.check is not None:
        return _of_check(evidence.findings(rule.check, method), statistic, side, {*policy.checks.allow, *rule.allow})
    assert method is not None
    return _of_metric(evidence, rule, method, statistic)


def _of_metric(evidence: Evidence, rule: ThresholdRule, method: str, statistic: str) -> Measured:
    metric = rule.of_what
    result = evidence.method(method)
    if result is None:
        return Measured(None, "not audited", f"{method} is not part of this report.")
    if result.status != "ok":
        return Measured(None, result.status, f"{method} has no results: {result.reason or result.status}.")
    score = result.scores.get(metric)
    if score is None:
        return Measured(None, "not measured", f"{metric} was not measured.")
    value: float | None = getattr(score, statistic)
    found = _told(metric, score)
    if score.status == Status.ERROR:
        return Measured(value, found, f"{metric} broke: {score.reason or 'no reason is given'}.")
    if value is None:
        what = "interval" if statistic.startswith("ci_") and score.mean is not None else "value"
        return Measured(None, found, f"There is no {what}: {score.reason or 'too few images have a score'}.")
    if score.status in (Status.FAIL, Status.SKIP, Status.INCONCLUSIVE):
        return Measured(value, found, f"The score itself is {score.status}: {score.reason or 'no reason is given'}.")
    return _weighed(evidence, rule, score, value, found)


def _weighed(evidence: Evidence, rule: ThresholdRule, score: ScoreSummary, value: float, found: str) -> Measured:
    """A value that exists: are enough images behind it, and can the metric be believed?"""
    cautions = []
    images = score.n + score.missing
    lacking = f"{counted(score.missing, 'image')} of {images} {'has' if score.missing == 1 else 'have'} no score"
    if score.n < 1 or score.missing / images > (rule.missing or 0.0):
        share = f"{100 * (rule.missing or 0):.4g} %" if rule.missing else "none"
        why = f" ({score.reason})" if score.reason else ""
        return Measured(value, found, f"{lacking}{why}; the policy accepts {share}.")
    if score.missing:
        cautions.append(f"{lacking}, which the policy accepts.")
    health = evidence.health(rule.of_what)
    if health is not None and health.status != Status.PASS:
        told = f"The metric's own test on this model is {health.status} ({health.reason})"
        if health.status not in rule.allow and "FAIL" not in rule.allow:
            return Measured(value, found, f"{told}, which the policy does not accept.")
        cautions.append(f"{told}, which the policy accepts.")
    return Measured(value, found, None, tuple(cautions))


def _of_check(findings: Sequence[CheckResult], statistic: str, side: ids.Side, allowed: set[str]) -> Measured:
    """Of several findings, all must be accepted, and the number is the one that speaks against the check most."""
    if not findings:
        return Measured(None, "it was not run", "The check was not run.")
    found = "; ".join(_estimate(finding) for finding in findings)
    cautions = []
    for finding in findings:
        if finding.status == Status.PASS:
            continue
        if finding.status not in allowed:
            return Measured(None, found, f"The check came out {finding.status}, which the policy does not accept.")
        cautions.append(f"The check came out {finding.status}, which the policy accepts.")
    values: list[float | None] = [getattr(finding, statistic) for finding in findings]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        what = "estimate" if statistic == "estimate" else "interval"
        return Measured(None, found, f"The check gives no {what}.")
    against = min(known) if side == "minimum" else max(known)
    return Measured(against, found, None, tuple(dict.fromkeys(cautions)))


def _estimate(finding: CheckResult) -> str:
    value = "no estimate" if finding.estimate is None else number(finding.estimate)
    return f"{finding.status}, {value}{_interval(finding.ci_low, finding.ci_high)}: {finding.reason}"


def _told(metric: str, score: ScoreSummary) -> str:
    if score.mean is None:
        return f"{metric}: no value"
    median = "" if score.median is None else f", median {number(score.median)}"
    interval = _interval(score.ci_low, score.ci_high)
    return f"{metric}: mean {number(score.mean)}{interval}{median}, {counted(score.n, 'image')}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{number(low)}, {number(high)}]"


def _held(rule: ThresholdRule, method: str | None, measured: Measured, side: ids.Side, bound: float) -> GateResult:
    value = measured.value
    below = value is not None and value < bound
    met = value is not None and (not below if side == "minimum" else value <= bound)
    if measured.obstacle is not None or value is None:
        reason = measured.obstacle or "The report has no such number."
    elif not met:
        reason = f"{beside(value, bound)} is {'below' if below else 'above'} {bound:.15g}."
    else:
        reason = " ".join((f"{beside(value, bound)} is {_within(value, bound)} {bound:.15g}.", *measured.cautions))
    held = met and measured.obstacle is None
    return GateResult(
        id=ids.threshold(rule, method, side),
        rule=asked_of(rule, method, side, bound) + excused(rule),
        method=method,
        status="FAIL" if not held else "WARN" if measured.cautions else "PASS",
        found=measured.found,
        reason=reason,
        measured=value,
        minimum=rule.minimum if side == "minimum" else None,
        maximum=rule.maximum if side == "maximum" else None,
    )


def _within(value: float, bound: float) -> str:
    return "exactly" if value == bound else "above" if value > bound else "below"


def _nobody(rule: ThresholdRule, word: str, side: ids.Side, bound: float) -> GateResult:
    return GateResult(
        id=ids.threshold(rule, word, side),
        rule=asked_of(rule, whom(word), side, bound) + excused(rule),
        method=None,
        status="FAIL",
        found=f"no method of this report is meant by '{word}'",
        reason="A rule that is about nobody is not met.",
        minimum=rule.minimum if side == "minimum" else None,
        maximum=rule.maximum if side == "maximum" else None,
    )
