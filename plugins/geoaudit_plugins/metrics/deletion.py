"""Deletion: how fast the output falls when the most relevant regions go first."""

from __future__ import annotations

from geoaudit import Attributions, Evidence, Metric, Problems, Scores
from geoaudit_plugins.metrics.swept import curves_of


class Deletion(Metric):
    """Area under the target's probability while the most relevant regions are imputed first, in [0, 1]."""

    id = "deletion"
    title = "Deletion"
    reference = "Petsiuk et al. 2018 (arXiv 1806.07421)"
    higher_is_better = False
    ideal = 0.0
    needs = frozenset({"sweep"})
    reads_importance = True

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One area an image, mean over imputers."""
        return Scores.of(curves_of(evidence, self.id).area("morf").mean(axis=1))
