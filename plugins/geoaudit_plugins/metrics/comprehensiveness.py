"""Comprehensiveness: what the output loses without the most relevant regions."""

from __future__ import annotations

from geoaudit import Attributions, Evidence, Metric, Problems, Scores
from geoaudit_plugins.metrics.swept import curves_of, early, mean_scores


class Comprehensiveness(Metric):
    """Mean over fractions q in (0, 1/2] of p(x) - p(x without the top q), in [-1, 1]."""

    id = "comprehensiveness"
    title = "Comprehensiveness"
    reference = "DeYoung et al. 2020 (arXiv 1911.03429)"
    higher_is_better = True
    ideal = 1.0
    needs = frozenset({"sweep"})
    reads_importance = True

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One number an image, mean over imputers."""
        curves = curves_of(evidence, self.id)
        return mean_scores(curves.morf[..., :1] - early(curves.morf, curves.fractions))
