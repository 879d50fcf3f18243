"""What the check model-randomization concludes, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from geoaudit.api import Series, Status
from geoaudit_plugins.checks.model_randomization_measures import READINGS, Measured, Reference, mean
from geoaudit_plugins.sanity import numbers
from geoaudit_plugins.sanity.weights import Inventory

_CHARTS = {"top": "Similarity after randomising from the top", "bottom": "Similarity after randomising from the bottom"}
_PARTS = "Similarity after randomising a part of the layers alone"
_SHARE = "learned weights randomised (%)"
_DEPTH = "depth of the randomised layers, from picture to scores (%)"
_RANKS = "rank correlation of |A| with the original map"


@dataclass(frozen=True)
class Thresholds:
    """What the similarity, the outputs' change and the coverage are held against; see the check's parameters."""

    fail: float
    warn: float
    least_change: float
    least_coverage: float


@dataclass(frozen=True)
class Verdict:
    """Status, reason, and the similarity with its smallest and largest value."""

    status: Status
    reason: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None


def judge(full: Sequence[Measured], coverage: float, limits: Thresholds) -> Verdict:
    """The verdict on the full randomisations.

    Args:
        full: one a seed.
        coverage: share of the learned elements that was reached, in %.
        limits: thresholds.
    """
    valid = [m for m in full if m.obstacle is None and m.moved >= limits.least_change]
    values = [row["spearman"] for m in valid for row in m.readings if isfinite(row["spearman"])]
    if not values:
        return Verdict(Status.INCONCLUSIVE, _why_not(full, limits))
    found = mean(values)
    told = f"With {_share(coverage)} of the learned weights randomised"
    number = f"rank correlation {found:.2f}, 1 is the same map"
    status = Status.PASS
    if found >= limits.fail:
        status, reason = Status.FAIL, f"{told} the map stays almost the same ({number})."
        if coverage < limits.least_coverage:
            status, reason = Status.INCONCLUSIVE, f"{reason[:-1]}, but the other weights could not be reached."
    elif found < limits.warn:
        reason = f"{told} the map changes ({number})."
    else:
        beyond = mean([row["beyond_input"] for m in valid for row in m.readings])
        if beyond < limits.warn:
            reason = f"{told} the map changes ({number}; {beyond:.2f} beyond what the picture itself explains)."
        else:
            status, reason = Status.WARN, f"{told} the map changes only in part ({number})."
    return Verdict(status, reason + _left_out(full, limits), found, min(values), max(values))


def certain_pass(full: Sequence[Measured], left: int, warn: float, least_change: float) -> bool:
    """Whether the mean similarity stays below `warn` whatever the values that are left: curtailed sampling.

    Args:
        full: full randomisations so far, one a seed.
        left: similarities that are still to come, each at most 1.
        warn: similarity below which the verdict is PASS.
        least_change: how far outputs must move for a randomisation to count.
    """
    valid = [m for m in full if m.obstacle is None and m.moved >= least_change]
    values = [row["spearman"] for m in valid for row in m.readings if isfinite(row["spearman"])]
    return bool(values) and (sum(values) + left) / (len(values) + left) < warn


def _left_out(full: Sequence[Measured], limits: Thresholds) -> str:
    """What the similarity does not rest on, as a sentence; empty where it rests on everything."""
    silent = [m for m in full if m.obstacle is not None]
    still = [m for m in full if m.obstacle is None and not m.moved >= limits.least_change]
    rows = [row for m in full if m not in silent and m not in still for row in m.readings]
    flat = sum(not isfinite(row["spearman"]) for row in rows)
    told = []
    if silent:
        told.append(f"{len(silent)} of {len(full)} randomised models gave no map ({_obstacles(silent)})")
    if still:
        told.append(f"{len(still)} of {len(full)} randomised models hardly moved the scores")
    if flat:
        told.append(f"{flat} of {len(rows)} pairs of maps have no order of importance to compare")
    return f" Left out: {'; '.join(told)}." if told else ""


def _obstacles(silent: Iterable[Measured]) -> str:
    """Why there are no maps, each reason once."""
    return "; ".join(sorted({m.obstacle.strip().rstrip(".") for m in silent if m.obstacle is not None}))


def _why_not(full: Sequence[Measured], limits: Thresholds) -> str:
    """Why no similarity under full randomisation can be judged."""
    if told := _obstacles(full):
        return f"The randomised model gave no map: {told}."
    if all(not m.moved >= limits.least_change for m in full):
        most = max(m.moved for m in full)
        return (
            f"The scores hardly depend on the randomised weights (they moved by {100 * most:.0f} % of their spread), "
            "so that the map need not change."
        )
    return "The maps are the same everywhere or not finite, so that there is no order of importance to compare."


def _share(coverage: float) -> str:
    """Never 100 % where something was left."""
    return "all" if coverage == 100 else f"{min(coverage, 99.9):.1f} %"


def details(found: Sequence[Measured], against: Sequence[Reference], stock: Inventory) -> dict[str, Any]:
    """Everything that was measured, JSON-ready."""
    return {
        "coverage_percent": numbers.finite(stock.coverage),
        "elements": {"learned": stock.elements, "randomised": stock.reached},
        "floor": numbers.finite(mean([reference.floor for reference in against])),
        "images": len(against),
        "interval": "smallest and largest value over images and seeds",
        "layers": len(stock.layers),
        "left": {
            "not_finite": stock.not_finite,
            "settings": stock.settings,
            "uniform": stock.uniform,
            "unread": stock.unread,
        },
        "steps": [_row(m) for m in found],
    }


def _row(measured: Measured) -> dict[str, Any]:
    step = measured.step
    readings = sorted((*READINGS, "beyond_input", "entropy_rise", "input"))
    return {
        "depth_percent": step.depth,
        "obstacle": measured.obstacle,
        "order": step.order,
        "outputs_moved": numbers.finite(measured.moved),
        "seed": step.seed,
        "share_percent": step.share,
        "similarity": {name: _summary(row[name] for row in measured.readings) for name in readings},
    }


def _summary(values: Iterable[float]) -> dict[str, Any]:
    """Mean over the images that have a value, the smallest and largest, and how many have one."""
    finite = [value for value in values if isfinite(value)]
    if not finite:
        return {"high": None, "low": None, "mean": None, "n": 0}
    return {"high": max(finite), "low": min(finite), "mean": mean(finite), "n": len(finite)}


def curves(found: Sequence[Measured]) -> tuple[Series, ...]:
    """Similarity against what was randomised; a cascade begins with the unchanged model, whose map is the map."""
    full = [m for m in found if m.step.order == "all"]
    drawn = []
    for order, chart in _CHARTS.items():
        partial = [m for m in found if m.step.order == order]
        if partial:
            drawn.append(Series(chart, "", _SHARE, _RANKS, *_line([*partial, *full], "share", start=True)))
    parts = [m for m in found if m.step.order == "independent"]
    if parts:
        drawn.append(Series(_PARTS, "", _DEPTH, _RANKS, *_line(parts, "depth", start=False)))
    return tuple(drawn)


def _line(found: Sequence[Measured], axis: str, start: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Means over images and seeds, in the order of the axis."""
    places = sorted({float(getattr(m.step, axis)) for m in found})
    heights = [mean([m.mean("spearman") for m in found if getattr(m.step, axis) == place]) for place in places]
    return ((0.0, *places), (1.0, *heights)) if start else (tuple(places), tuple(heights))
