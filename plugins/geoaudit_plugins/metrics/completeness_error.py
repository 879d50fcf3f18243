"""Completeness error: does the map add up to what it explains?"""

from __future__ import annotations

import math

from geoaudit import Attributions, Evidence, Metric, Problems, Scores
from geoaudit_plugins.metrics.assessable import claims, sums, unclaimed


class CompletenessError(Metric):
    """|sum A - delta f| / |delta f|, a share, with or without a walk; null for a degenerate baseline, and where
    the map is not said to add up to anything.

    A walk that starts elsewhere than the run's baseline is held against its own output difference.
    """

    id = "completeness-error"
    title = "Completeness error"
    reference = "Sundararajan et al. 2017 (arXiv 1703.01365)"
    higher_is_better = False
    ideal = 0.0

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One error an image."""
        totals, _ = sums(attributions)
        claimed = claims(attributions, problems)
        why = [unclaimed(attributions, i) if math.isnan(d) else None for i, d in enumerate(claimed)]
        pairs = zip(totals, claimed, why, strict=True)
        return Scores.of([math.nan if r else abs(total - d) / abs(d) for total, d, r in pairs], why)
