"""The attribution of an integrated walk, and what is measured on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Problems, WalkRecord
from geoaudit.paths.strand import Strand

Array = npt.NDArray[np.float64]
Rule = Literal["trapezoid", "left"]


def measure(strand: Strand, problems: Problems, i: int, tolerance: float, rule: Rule) -> tuple[Array, WalkRecord]:
    """Problem i's map (float64, image-shaped) and record."""
    shape = problems.space.shape
    if not strand.moving:
        return np.zeros(shape), _standing_still()
    sums = _accumulate(strand, shape, rule)
    values, half, misses = sums.values, sums.half, sums.misses
    times = np.array(sorted(strand.outputs))
    outputs = np.array([strand.outputs[t] for t in times])
    variation = float(np.abs(np.diff(outputs)).sum())
    walked = float(outputs[-1] - outputs[0])
    delta = float(problems.delta_f[i])
    share = np.nan if problems.degenerate[i] else 1.0 / abs(delta)
    total = float(values.sum())
    bar = float(np.sqrt((misses**2).sum()))
    record = WalkRecord(
        nodes=len(strand.gradients),
        gradients=strand.spent,
        forwards=strand.forwards,
        attribution_sum=total,
        magnitude=float(np.abs(values).sum()),
        magnitude_half=float(np.abs(half).sum()) if half is not None else np.nan,
        sum_half=float(half.sum()) if half is not None else np.nan,
        completeness_error=abs(total - delta) * share,
        quadrature_error=abs(total - walked) * share,
        method_error=abs(walked - delta) * share,
        error_bar=bar * share,
        absolute_misses=float(np.abs(misses).sum()) * share,
        total_variation=variation,
        path_cancellation=1.0 - abs(walked) / variation if variation > 0 else 0.0,
        length=sums.length,
        absolute_integral=sums.absolute_integral,
        conformal_length=sums.conformal_length,
        met=bar <= tolerance * strand.scale,
    )
    return values, record


@dataclass
class _Sums:
    """What is added up over the pieces of a walk; `half` sees every other node and is None below 4 pieces."""

    values: Array
    half: Array | None
    misses: Array
    length: float = 0.0
    absolute_integral: float = 0.0
    conformal_length: float = 0.0


def _accumulate(strand: Strand, shape: tuple[int, ...], rule: Rule) -> _Sums:
    """Add up the pieces.

    For the half map the gradients at odd nodes are replaced by the straight line between their neighbours:
    the same walk, seen by half the gradients.
    """
    t = strand.nodes if rule == "trapezoid" else strand.track.corners
    pieces = len(t) - 1
    half = np.zeros(shape) if rule == "trapezoid" and pieces >= 4 else None
    sums = _Sums(np.zeros(shape), half, np.empty(pieces))
    thin = _thin(strand, t, 0) if half is not None else np.zeros(())
    for k in range(pieces):
        start, end = float(t[k]), float(t[k + 1])
        way = strand.move(start, end)
        slope = strand.gradients[start]
        if rule == "trapezoid":
            slope = 0.5 * (slope + strand.gradients[end])
        part = slope * way
        sums.values += part
        sums.misses[k] = part.sum(dtype=np.float64) - (strand.outputs[end] - strand.outputs[start])
        distance = float(np.linalg.norm(way.ravel()))
        sums.length += distance
        sums.absolute_integral += float(np.abs(part).sum(dtype=np.float64))
        sums.conformal_length += float(np.linalg.norm(slope.ravel())) * distance
        if half is not None:
            following = _thin(strand, t, k + 1)
            half += 0.5 * (thin + following) * way
            thin = following
    return sums


def _thin(strand: Strand, t: Array, k: int) -> Floats:
    """The gradient at node k as the even nodes see it; the last node always counts."""
    if k % 2 == 0 or k == len(t) - 1:
        return strand.gradients[float(t[k])]
    share = (t[k] - t[k - 1]) / (t[k + 1] - t[k - 1])
    before, after = strand.gradients[float(t[k - 1])], strand.gradients[float(t[k + 1])]
    between: Floats = (1 - share) * before + share * after
    return between


def _standing_still() -> WalkRecord:
    """The record of a walk from a point to itself: nothing to evaluate, nothing missed."""
    nothing = dict.fromkeys(
        (
            "attribution_sum",
            "magnitude",
            "magnitude_half",
            "sum_half",
            "total_variation",
            "path_cancellation",
        ),
        0.0,
    )
    extents = dict.fromkeys(("length", "absolute_integral", "conformal_length"), 0.0)
    errors = dict.fromkeys(
        ("completeness_error", "quadrature_error", "method_error", "error_bar", "absolute_misses"), np.nan
    )
    return WalkRecord(nodes=0, gradients=0, forwards=0, met=True, **nothing, **extents, **errors)
