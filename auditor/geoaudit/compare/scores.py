"""Change of every metric, paired by image."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from geoaudit.api import Status
from geoaudit.audit.result import MethodResult, Report
from geoaudit.compare.result import Estimate, MetricChange, Pair, Verdict
from geoaudit.scoring.separation import FEWEST
from geoaudit.scoring.statistics import Array, bootstrap_mean, holm, paired, smallest_difference, wilcoxon

SEED = 0
"""Of every resampling here, so that the same two reports always give the same comparison."""
FIRST = ("srg", "ncc-violation", "completeness-error")
"""What is told before all other metrics."""

Scores = Mapping[tuple[str, str], Mapping[str, float | None]]


def by_image(report: Report) -> Scores:
    """The scores of a report by image and method."""
    return {(row.image, row.method): row.scores for row in report.per_image}


def columns(pairs: Sequence[Pair], method: str, metric: str, a: Scores, b: Scores) -> tuple[Array, Array]:
    """A metric of one method on the paired images in both reports, nan where missing, shape (n,) each."""
    sides = ((a, [pair.image_a for pair in pairs]), (b, [pair.image_b for pair in pairs]))
    read = [[scores.get((image, method), {}).get(metric) for image in images] for scores, images in sides]
    first, second = (np.array([np.nan if v is None else v for v in values], dtype=np.float64) for values in read)
    return first, second


def metric_ids(a: MethodResult, b: MethodResult) -> list[str]:
    """The metrics that both know of a method: those told first, then by name."""
    both = {*a.scores} & {*b.scores}
    return [m for m in FIRST if m in both] + sorted(both - {*FIRST})


def failed_metrics(reports: Iterable[Report]) -> dict[str, str]:
    """Metrics that failed their own test in a report, with the reason."""
    return {
        health.metric: f"the metric failed its own test in {name}: {health.reason}"
        for name, report in zip("AB", reports, strict=True)
        for health in report.metric_health
        if health.status == Status.FAIL
    }


def unfit(metric: str, flags: Collection[str], failed: Mapping[str, str]) -> str | None:
    """Why nothing may rest on a metric of a method with these flags; None if it may."""
    if metric == "completeness-error" and "not-complete" in flags:
        return "the method does not claim to add up"
    return failed.get(metric)


def change(metric: str, higher_is_better: bool | None, a: Array, b: Array, unfit: str | None) -> MetricChange:
    """The change of one metric of one method.

    Args:
        metric: its id.
        higher_is_better: its direction, null where it has none.
        a: its values in A, nan where missing, shape (n,).
        b: those in B, on the same images.
        unfit: why nothing may rest on the metric, if so.

    Returns:
        The mean difference B - A with its interval and test; `p_holm` is still null.
    """
    first, second = paired(a, b)
    difference = second - first
    found = bootstrap_mean(difference, SEED)
    p, n = wilcoxon(first, second)
    verdict, reason = judge(found.low, found.high, n, higher_is_better)
    if unfit is not None:
        verdict, reason, p = "inconclusive", unfit, None
    spread = float(np.std(difference, ddof=1)) if n > 1 else float("nan")
    return MetricChange(
        metric=metric,
        higher_is_better=higher_is_better,
        n=n,
        missing=len(a) - n,
        mean_a=float(first.mean()) if n else None,
        mean_b=float(second.mean()) if n else None,
        difference=found.estimate,
        ci_low=found.low,
        ci_high=found.high,
        p=p,
        p_holm=None,
        smallest=smallest_difference(spread, n),
        verdict=verdict,
        reason=reason,
    )


def judge(low: float | None, high: float | None, n: int, higher_is_better: bool | None) -> tuple[Verdict, str | None]:
    """What an interval of the mean difference B - A says, and why nothing can be said where that is so."""
    if n == 0:
        return "inconclusive", "no image has a value in both reports"
    if n < FEWEST or low is None or high is None:
        return "inconclusive", f"{n} {'pair is' if n == 1 else 'pairs are'} fewer than {FEWEST}"
    if low <= 0 <= high:
        return "no difference shown", None
    if higher_is_better is None:
        return "different", None
    return ("better" if (low > 0) == higher_is_better else "worse"), None


def corrected(changes: Sequence[MetricChange]) -> list[MetricChange]:
    """Holm's correction over the methods of one metric; the order stays."""
    adjusted = holm([found.p for found in changes])
    return [found.model_copy(update={"p_holm": p}) for found, p in zip(changes, adjusted, strict=True)]


def estimate(values: Array) -> Estimate:
    """Mean and interval over images, without an interval where the values are too few to give one."""
    found = bootstrap_mean(values, SEED)
    enough = found.n >= FEWEST
    return Estimate(
        n=found.n, mean=found.estimate, ci_low=found.low if enough else None, ci_high=found.high if enough else None
    )
