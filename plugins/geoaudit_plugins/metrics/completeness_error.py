"""Completeness error: does the map add up to what it explains?"""

from __future__ import annotations

import math

from geoaudit import Attributions, Evidence, Metric, Problems, Scores
from geoaudit_plugins.metrics.assessable import sums


class CompletenessError(Metric):
    """|sum A - delta f| / |delta f|, a share, with or without a walk; null for a degenerate baseline."""

    id = "completeness-error"
    title = "Completeness error"
    reference = "Sundararajan et al. 2017 (arXiv 1703.01365)"
    higher_is_better = False
    ideal = 0.0

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One error an image."""
        totals, _ = sums(attributions)
        why = ["degenerate baseline" if flat else None for flat in problems.degenerate]
        pairs = zip(totals, problems.delta_f, why, strict=True)
        return Scores.of([math.nan if r else abs(total - d) / abs(d) for total, d, r in pairs], why)
