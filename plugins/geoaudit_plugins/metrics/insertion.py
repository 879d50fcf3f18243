"""Insertion: how fast the output returns when the most relevant regions come back first."""

from __future__ import annotations

from geoaudit import Attributions, Evidence, Metric, Problems, Scores
from geoaudit_plugins.metrics.swept import curves_of


class Insertion(Metric):
    """Area under the target's probability while the most relevant regions are restored first, in [0, 1].

    With a share q restored, the 1 - q least relevant regions are still imputed: the LeRF curve read from its
    far end, so the areas are the same.
    """

    id = "insertion"
    title = "Insertion"
    reference = "Petsiuk et al. 2018 (arXiv 1806.07421)"
    higher_is_better = True
    ideal = 1.0
    needs = frozenset({"sweep"})
    reads_importance = True

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One area an image, mean over imputers."""
        return Scores.of(curves_of(evidence, self.id).area("lerf").mean(axis=1))
