"""NCC excess: how many times larger a map's mass is than what it explains."""

from __future__ import annotations

import math

from geoaudit import Attributions, Evidence, Metric, Problems, Scores
from geoaudit_plugins.metrics.assessable import claims, reasons, sums


class NccExcess(Metric):
    """S / |delta f| - 1 with S = sum|A|, unbounded; charts show it on a logarithmic scale.

    Null where NCC cannot be judged (`assessable.reasons`).  A slightly negative value means that the map adds
    up to a little less than delta f; it is not clipped, because that would hide it.
    """

    id = "ncc-excess"
    title = "NCC excess"
    reference = "No-cancellation completeness: Salek and Enguehard 2025 (arXiv 2502.12108)"
    higher_is_better = False
    ideal = 0.0

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One excess an image."""
        why = reasons(attributions, problems)
        _, magnitudes = sums(attributions)
        delta = abs(claims(attributions, problems))
        values = [math.nan if r else s / d - 1.0 for s, d, r in zip(magnitudes, delta, why, strict=True)]
        return Scores.of(values, why)
