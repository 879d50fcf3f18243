"""Complexity: over how many pixels is the map's mass spread?

The entropy of each pixel's share of sum|A|, channels together, divided by its largest possible value:

    H = -sum_p q_p log q_p / log(pixels),    q_p = sum_c |A_pc| / sum|A|

in [0, 1]: 1 is a flat map, 0 a single pixel.  Neither end is better: a map of one arbitrary pixel is as simple as can
be.  It says how much a reader has to look at, and helps to tell apart methods that are equally faithful.

The paper leaves the entropy as it is; the division makes models of different input sizes comparable.  It takes shares
over single features; pixels, with the channels added up, are what a reader sees.

A map of zeros has no shares and gets no score.  What it cannot show: whether the mass lies in one place or is
scattered, for entropy does not know which pixels are neighbours.

Source: Bhatt, Weller, Moura, Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020,
arXiv 2005.00631, definition 3.
"""

from __future__ import annotations

import math

import numpy as np

from geoaudit import Attributions, Evidence, InputSpace, Metric, Problems, Scores
from geoaudit.api import Floats


class Complexity(Metric):
    """Entropy of the pixels' shares of |A| over its largest value, in [0, 1]."""

    id = "complexity"
    title = "Complexity"
    reference = "Bhatt et al., IJCAI 2020, arXiv 2005.00631, definition 3"
    higher_is_better = None
    ideal = None

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One number an image."""
        found = [_entropy(values, problems.space) for values in attributions.values]
        return Scores.of([value for value, _ in found], [reason for _, reason in found])


def _entropy(values: Floats, space: InputSpace) -> tuple[float, str | None]:
    """The entropy, or nan and why there is none."""
    mass = np.abs(values).sum(axis=space.channel_axis, dtype=np.float64).ravel()
    total = mass.sum()
    if len(mass) < 2:
        return math.nan, "the image is a single pixel"
    if not math.isfinite(total):
        return math.nan, "the map is not finite"
    if total == 0:
        return math.nan, "the map is zero everywhere"
    shares = mass[mass > 0] / total
    entropy = -float((shares * np.log(shares)).sum()) / math.log(len(mass))
    return min(1.0, max(0.0, entropy)), None  # no -0.0
