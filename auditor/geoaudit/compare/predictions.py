"""What the two models say of the same pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from geoaudit.audit.result import ImageInfo, Report
from geoaudit.compare.result import Estimate, Pair, Predictions
from geoaudit.compare.scores import estimate


def predictions(a: Report, b: Report, pairs: Sequence[Pair]) -> Predictions:
    """Agreement, shift of probability and change of accuracy over the paired images."""
    of = [{image.id: image for image in report.data.images} for report in (a, b)]
    both = [(of[0][pair.image_a], of[1][pair.image_b]) for pair in pairs]
    labelled = [(x, y) for x, y in both if x.label is not None and x.label == y.label and _known(x, y)]
    right = np.array([[x.predicted == x.label, y.predicted == y.label] for x, y in labelled], dtype=np.float64)
    right = right.reshape(-1, 2)
    return Predictions(
        top1_agreement=_share([x.predicted == y.predicted for x, y in both if _known(x, y)]),
        probability=estimate(np.array([y.probability - x.probability for x, y in both if x.target == y.target])),
        accuracy_a=float(right[:, 0].mean()) if len(right) else None,
        accuracy_b=float(right[:, 1].mean()) if len(right) else None,
        accuracy=estimate(right[:, 1] - right[:, 0]),
    )


def _known(a: ImageInfo, b: ImageInfo) -> bool:
    return a.predicted is not None and b.predicted is not None


def _share(hits: Sequence[bool]) -> Estimate:
    """A share with its exact binomial interval (Clopper and Pearson 1934): all of 8 does not mean all."""
    n = len(hits)
    if n == 0:
        return Estimate(n=0, mean=None, ci_low=None, ci_high=None)
    found = stats.binomtest(sum(hits), n)
    interval = found.proportion_ci(method="exact")
    return Estimate(n=n, mean=sum(hits) / n, ci_low=float(interval.low), ci_high=float(interval.high))
