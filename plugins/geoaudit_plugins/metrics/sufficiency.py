"""Sufficiency: what the output loses when only the most relevant regions are kept."""

from __future__ import annotations

from geoaudit import Attributions, Evidence, Metric, Problems, Scores
from geoaudit_plugins.metrics.swept import curves_of, early, mean_scores


class Sufficiency(Metric):
    """Mean over fractions q in (0, 1/2] of p(x) - p(only the top q of x kept), in [-1, 1].

    Keeping the top q is imputing the least relevant 1 - q: the LeRF curve read from its far end.
    """

    id = "sufficiency"
    title = "Sufficiency"
    reference = "DeYoung et al. 2020 (arXiv 1911.03429)"
    higher_is_better = False
    ideal = None  # keeping a part may even raise the probability, so the ideal is not 0
    needs = frozenset({"sweep"})
    reads_importance = True

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One number an image, mean over imputers."""
        curves = curves_of(evidence, self.id)
        kept = early(curves.lerf, 1.0 - curves.fractions)
        return mean_scores(curves.lerf[..., :1] - kept)
