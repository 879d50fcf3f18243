"""The attribution of an integrated walk, and what is measured on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, WalkRecord
from geoaudit.paths.claim import Claim
from geoaudit.paths.quadrature import DRIFT
from geoaudit.paths.strand import REST, Strand

Array = npt.NDArray[np.float64]
Rule = Literal["trapezoid", "left"]


def measure(
    bundle: Sequence[Strand], rules: Sequence[Rule], claim: Claim, shape: tuple[int, ...], tolerance: float
) -> tuple[Array, WalkRecord]:
    """One image's map (float64, shape `shape`) and record, from its walks, each by its rule."""
    walked = [(strand, _accumulate(strand, shape, rule)) for strand, rule in zip(bundle, rules, strict=True) if
              strand.moving]  # fmt: skip
    if not walked:
        return np.zeros(shape), _standing_still()
    values = _weighted([(strand, sums.values) for strand, sums in walked])
    halves = [(strand, sums.half) for strand, sums in walked if sums.half is not None]
    half = _weighted(halves) if len(halves) == len(walked) else None
    misses = np.concatenate([strand.weight * sums.misses for strand, sums in walked])
    change = sum(strand.weight * float(_outputs(strand)[-1] - _outputs(strand)[0]) for strand, _ in walked)
    variation = sum(abs(s.weight) * float(np.abs(np.diff(_outputs(s))).sum()) for s, _ in walked)
    share = np.nan if claim.degenerate else 1.0 / abs(claim.delta_f)
    total, bar = float(values.sum()), float(np.sqrt((misses**2).sum()))
    record = WalkRecord(
        delta_f=claim.delta_f,
        nodes=sum(len(strand.gradients) for strand, _ in walked),
        gradients=sum(strand.spent for strand in bundle),
        forwards=sum(strand.forwards for strand in bundle),
        attribution_sum=total,
        magnitude=float(np.abs(values).sum()),
        magnitude_half=float(np.abs(half).sum()) if half is not None else np.nan,
        sum_half=float(half.sum()) if half is not None else np.nan,
        completeness_error=abs(total - claim.delta_f) * share,
        quadrature_error=abs(total - change) * share,
        method_error=abs(change - claim.delta_f) * share,
        error_bar=bar * share,
        absolute_misses=float(np.abs(misses).sum()) * share,
        total_variation=variation,
        path_cancellation=max(0.0, 1.0 - abs(change) / variation) if variation > 0 else 0.0,
        length=sum(abs(strand.weight) * sums.length for strand, sums in walked),
        absolute_integral=sum(abs(strand.weight) * sums.absolute_integral for strand, sums in walked),
        conformal_length=sum(abs(strand.weight) * sums.conformal_length for strand, sums in walked),
        met=bar <= tolerance * claim.scale and abs(float(misses.sum())) <= DRIFT * tolerance * claim.scale,
    )
    return values, record


def _weighted(parts: Sequence[tuple[Strand, Array]]) -> Array:
    """The sum of the walks' maps, each times its weight."""
    total = np.zeros_like(parts[0][1])
    for strand, values in parts:
        total += strand.weight * values
    return total


def _outputs(strand: Strand) -> Array:
    """The outputs seen along the walk, in its order."""
    return np.array([strand.outputs[t] for t in sorted(strand.outputs)])


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
        if k % REST == 0:
            strand.rest()
        start, end = float(t[k]), float(t[k + 1])
        way = strand.move(start, end)
        slope = strand.gradients[start]
        if rule == "trapezoid":
            slope = 0.5 * (slope + strand.gradients[end])
        part = slope * way
        sums.values += part
        total = strand.sum_of((start, end), part) if rule == "trapezoid" else float(part.sum(dtype=np.float64))
        sums.misses[k] = total - (strand.outputs[end] - strand.outputs[start])
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
    before, after = strand.gradients[float(t[k - 1])], strand.gradients[float(t[k + 1])]
    share = float((t[k] - t[k - 1]) / (t[k + 1] - t[k - 1]))  # no numpy number, which would make float64 of float32
    between: Floats = (1.0 - share) * before + share * after
    return between


def _standing_still() -> WalkRecord:
    """The record of a walk from a point to itself: nothing to evaluate, nothing missed."""
    nothing = dict.fromkeys(
        (
            "delta_f",
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
