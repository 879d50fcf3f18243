"""Metric health: instruments are checked before they are believed.

A metric that cannot tell methods from their inversions measures nothing on this model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoaudit.api import Status
from geoaudit.audit.result import MetricHealth
from geoaudit.scoring.statistics import Array, bootstrap_mean


@dataclass(frozen=True)
class Inversion:
    """What the health of one metric is judged from; all arrays aligned on the images, nan where missing.

    Attributes:
        metric: the metric's id.
        higher_is_better: the metric's direction.
        methods: per-image scores of each method, controls left out, by method id.
        inverted: per-image scores of the methods' inversions, same keys.
        random: per-image scores of the random control; None if it was not run.
    """

    metric: str
    higher_is_better: bool
    methods: Mapping[str, Array]
    inverted: Mapping[str, Array]
    random: Array | None


def assess(cases: Sequence[Inversion], seed: int) -> list[MetricHealth]:
    """The health of every metric, sorted by metric id.

    On each image the mean over methods is taken of how much the inversion scores worse than its method, and
    worse than the random control; each is also counted method by method.  FAIL: one of the two means over
    images is not positive, or holds for fewer than half of the methods.  The second may fail where the first
    holds: scattered random masks can do more to a model than any map's, and then the metric measures the
    masks.  INCONCLUSIVE: the 95 % interval of a mean does not exclude 0, or there are fewer than 3 images.
    SKIP: nothing to compare.  PASS: the rest.

    Args:
        cases: one for each metric.
        seed: of the bootstrap.
    """
    return sorted((_judge(case, seed) for case in cases), key=lambda health: health.metric)


def _judge(case: Inversion, seed: int) -> MetricHealth:
    def verdict(status: Status, reason: str) -> MetricHealth:
        return MetricHealth(metric=case.metric, status=status, reason=reason)

    sign = 1.0 if case.higher_is_better else -1.0
    ids = sorted(case.methods)
    if not ids or case.random is None:
        return verdict(Status.SKIP, "no method was scored" if not ids else "the random control was not run")
    below_method = np.stack([sign * (case.methods[i] - case.inverted[i]) for i in ids])
    below_random = np.stack([sign * (case.random - case.inverted[i]) for i in ids])
    known = ~np.isnan(below_method + below_random)
    if not known.any():
        return verdict(Status.SKIP, "no image has all the scores that are compared")
    gaps = [bootstrap_mean(_image_means(gap, known), seed) for gap in (below_method, below_random)]
    told = [_held(gap, known) for gap in (below_method, below_random)]
    of = int(known.any(axis=1).sum())
    share = f"inversions score worse than their method for {told[0]} of {of} methods, than random for {told[1]}"
    weak = [2 * held < of or (gap.estimate or 0.0) <= 0 for held, gap in zip(told, gaps, strict=True)]
    few = "1 image is" if gaps[0].n == 1 else f"{gaps[0].n} images are"
    if gaps[0].n < 3:
        return verdict(Status.INCONCLUSIVE, f"{share}, but {few} too few to judge by")
    if weak[0]:
        return verdict(Status.FAIL, f"cannot tell methods from their inversions: {share}")
    if weak[1]:
        return verdict(Status.FAIL, f"does not put inverted methods below a random map: {share}")
    if any(gap.low is None or gap.low <= 0 for gap in gaps):
        return verdict(Status.INCONCLUSIVE, f"{share}, but {gaps[0].n} images are too few to be sure")
    return verdict(Status.PASS, share)


def _held(gaps: Array, known: npt.NDArray[np.bool_]) -> int:
    """Methods (first axis) whose mean gap over images is positive."""
    return sum(bool(gap[k].mean() > 0) for gap, k in zip(gaps, known, strict=True) if k.any())


def _image_means(gaps: Array, known: npt.NDArray[np.bool_]) -> Array:
    """Mean over methods (first axis) on each image, nan where no method has a gap; shape (n,)."""
    count = known.sum(axis=0)
    total = np.where(known, gaps, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
