"""One method over all images, as the report states it."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import numpy as np

from geoaudit import __version__
from geoaudit.api import Cost, Method, Metric, Need, Status
from geoaudit.audit.plan import Plan
from geoaudit.audit.result import CostInfo, Curve, MethodResult, ProfilePoint, Reading, ScoreSummary
from geoaudit.audit.score import BROKEN, mean_curves
from geoaudit.audit.seeds import seed_spread
from geoaudit.audit.tally import Array, Tally
from geoaudit.scoring.adaptive_stopping import is_unread
from geoaudit.scoring.statistics import bootstrap_mean


def scored_method(tally: Tally, plan: Plan, seed: int) -> MethodResult:
    """What a method that ran is reported with; `seed` is of the bootstrap."""
    method = tally.method
    return MethodResult(
        id=method.id,
        title=method.title,
        kind=method.kind,
        family=method.family,
        reference=method.reference,
        parameters=method.parameters.model_dump(mode="json"),
        plugin=plan.providers.get(method.id, f"geoaudit {__version__}"),
        status="error" if tally.error else "ok",
        reason=tally.error,
        flags=sorted(method.flags),
        scores={m.id: _summary(m, tally, seed) for m in plan.metrics},
        ncc_profile=_profile(tally),
        readings=[
            Reading(region=side, order="signed" if order == "signed" else "magnitude", srg=float(np.mean(gains)))
            for (side, order), gains in sorted(tally.readings.items())
        ],
        cost=_cost(tally.cost, tally.seconds),
        notes=list(tally.notes),
        seeds=None if tally.repeats is None else seed_spread(tally.repeats, tally, plan.metrics),
    )


def _cost(cost: Cost, seconds: float) -> CostInfo:
    return CostInfo(gradients=cost.gradients, forwards=cost.forwards, seconds=round(seconds, 3))


def skipped_method(tally: Tally, plan: Plan, images: int) -> MethodResult:
    """What a method that found nothing to say here is reported with; what it cost to find out is kept."""
    assert tally.skipped is not None
    told = idle_method(tally.method, plan, images, tally.skipped)
    return told.model_copy(update={"cost": _cost(tally.cost, tally.seconds), "notes": list(tally.notes)})


def idle_method(method: Method, plan: Plan, images: int, reason: str) -> MethodResult:
    """What a method without results is reported with: the reason, and every score null."""
    return MethodResult(
        id=method.id,
        title=method.title,
        kind=method.kind,
        family=method.family,
        reference=method.reference,
        parameters=method.parameters.model_dump(mode="json"),
        plugin=plan.providers[method.id],
        status="skipped",
        reason=reason,
        flags=sorted(method.flags),
        scores={m.id: _unscored(m, images, reason) for m in plan.metrics},
        ncc_profile=[],
        readings=[],
        cost=CostInfo(gradients=0, forwards=0, seconds=0),
    )


def _unscored(metric: Metric, images: int, reason: str) -> ScoreSummary:
    return ScoreSummary(
        median=None, mean=None, ci_low=None, ci_high=None, n=0, missing=images,
        higher_is_better=metric.higher_is_better, status=Status.SKIP, reason=reason,
    )  # fmt: skip


def not_applicable(needs: frozenset[Need]) -> str:
    """Why what needs this does not run."""
    return f"not applicable: needs {' and '.join(sorted(needs))}, and the audit is gradient-free"


def _summary(metric: Metric, tally: Tally, seed: int) -> ScoreSummary:
    column = tally.column(metric.id)
    known = column[np.isfinite(column)]
    reasons = Counter(
        row.reasons.get(metric.id) or "not scored"
        for row in tally.rows
        if not np.isfinite(row.scores.get(metric.id, np.nan))
    )
    reason = tally.error or "; ".join(f"{text} ({count})" for text, count in sorted(reasons.items())) or None
    if tally.error or any(text.startswith(BROKEN) for text in reasons):
        status = Status.ERROR
    elif not len(known):
        status = Status.SKIP if set(reasons) <= {"no walk", "no claim"} else Status.INCONCLUSIVE
    else:
        status = Status.PASS if all(map(is_unread, reasons)) else Status.WARN
    interval = bootstrap_mean(known, seed) if len(known) else None
    return ScoreSummary(
        median=float(np.median(known)) if len(known) else None,
        mean=interval.estimate if interval else None,
        ci_low=interval.low if interval else None,
        ci_high=interval.high if interval else None,
        n=len(known),
        missing=len(column) - len(known),
        higher_is_better=metric.higher_is_better,
        status=status,
        reason=reason,
    )


def _profile(tally: Tally) -> list[ProfilePoint]:
    """Medians over the images whose NCC can be assessed; without one there is no profile to show."""
    rows = [row.ncc_profile for row in tally.rows if np.isfinite(row.scores.get("ncc-violation", np.nan))]
    if not rows:
        return []
    return [
        ProfilePoint(granularity=name, ncc_violation=float(np.median([row[name] for row in rows]))) for name in rows[0]
    ]


def mean_sweep(tally: Tally) -> list[Curve]:
    """The method's masking curves, mean over the images; none where it failed or nothing was masked."""
    if not tally.curves or tally.error:
        return []
    mean = mean_curves(tally.curves)
    orders: tuple[tuple[Literal["lerf", "morf"], Array], ...] = (("lerf", mean.lerf), ("morf", mean.morf))
    return [
        Curve(
            method=tally.method.id,
            imputer=imputer,
            order=order,
            fractions=mean.fractions.tolist(),
            mean=values[0, p].tolist(),
        )
        for p, imputer in enumerate(mean.imputers)
        for order, values in orders
    ]
