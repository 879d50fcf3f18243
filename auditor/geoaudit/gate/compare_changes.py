"""Rules about numbers that moved: metrics and ranks."""

from __future__ import annotations

from geoaudit.audit.result import GateResult
from geoaudit.compare.result import Comparison, MethodChange, MetricChange
from geoaudit.gate import ids
from geoaudit.gate.compare_rules import ChangeThreshold
from geoaudit.gate.wording import limit, number


def metric_change(
    comparison: Comparison, rule: ChangeThreshold, name: str, method: MethodChange | None, absent: str
) -> GateResult:
    """One threshold for one method.

    Args:
        comparison: for the number of pairs.
        rule: the threshold.
        name: the method's id.
        method: its changes; None where it is not in both reports.
        absent: why it is not.
    """
    change = next((c for c in method.metrics if c.metric == rule.metric), None) if method else None
    loss, reason = _loss(change, rule, comparison.pairing.n) if change else (None, _why(method, rule.metric, absent))
    met = loss is not None and loss <= rule.worse_by_at_most
    what = "the mean change" if rule.of == "mean" else "the end of the 95 % interval that speaks against you"
    way = "changes" if change is not None and change.higher_is_better is None else "gets worse"
    return GateResult(
        id=f"{ids.COMPARED}metric:{rule.metric}:{name}",
        rule=f"{rule.metric} of {name} {way} by {limit('maximum', rule.worse_by_at_most)} ({what})",
        method=name,
        status="PASS" if met else "FAIL",
        found=_told(change) if change else reason,
        reason="Met." if met else reason or "It may have changed by more.",
        measured=loss,
        maximum=rule.worse_by_at_most,
    )


def _why(method: MethodChange | None, metric: str, absent: str) -> str:
    return f"The method cannot be compared: {absent}." if method is None else f"No {metric} in both reports."


def _loss(change: MetricChange, rule: ChangeThreshold, pairs: int) -> tuple[float | None, str]:
    """How much worse it may have become, as far as that can be said; else why it cannot."""
    if change.verdict == "inconclusive" and (rule.of == "interval" or not change.n or change.p is None):
        return None, f"Nothing can be said: {change.reason}."
    if pairs and change.missing / pairs > rule.missing:
        share = "is" if change.missing == 1 else "are"
        return None, f"{change.missing} of {pairs} pairs {share} without a value in both reports."
    ends = (change.difference, change.difference) if rule.of == "mean" else (change.ci_low, change.ci_high)
    low, high = ends
    if low is None or high is None:
        return None, "There is no interval."
    if change.higher_is_better is None:
        return max(abs(low), abs(high)), ""
    return (-low if change.higher_is_better else high), ""


def _told(change: MetricChange) -> str:
    if change.difference is None:
        return f"no difference: {change.reason}"
    interval = "no interval"
    if change.ci_low is not None and change.ci_high is not None:
        interval = f"95 % interval {number(change.ci_low)} to {number(change.ci_high)}"
    return f"change {number(change.difference)}, {interval}, {change.n} pairs: {change.verdict}"


def rank_change(most: float, name: str, method: MethodChange | None, absent: str) -> GateResult:
    """How far the mean rank fell, by the upper end of its interval."""
    rank = method.rank if method else None
    drop = rank.ci_high if rank else None
    met = drop is not None and drop <= most
    found = absent if method is None else "not ranked in both reports"
    if rank is not None and rank.difference is not None:
        ends = "no interval" if rank.ci_low is None or drop is None else f"{number(rank.ci_low)} to {number(drop)}"
        found = f"mean rank changes by {number(rank.difference)} (95 % interval: {ends})"
    return GateResult(
        id=f"{ids.COMPARED}rank:{name}",
        rule=f"the mean rank of {name} falls by {limit('maximum', most)} (upper end of the 95 % interval)",
        method=name,
        status="PASS" if met else "FAIL",
        found=found,
        reason="Met." if met else "It may have fallen by more." if drop is not None else "It cannot be told.",
        measured=drop,
        maximum=most,
    )
