"""Symmetric relevance gain: the headline faithfulness number."""

from __future__ import annotations

from geoaudit import Attributions, Evidence, Metric, Problems, Scores
from geoaudit.scoring.sweep import srg
from geoaudit_plugins.metrics.swept import curves_of


class Srg(Metric):
    """AUC(LeRF) - AUC(MoRF) of the target's probability, mean over imputers, in [-1, 1].

    A random order scores 0 on average, whatever the imputer does to the image, and reversing a map changes the sign.
    """

    id = "srg"
    title = "Faithfulness (SRG)"
    reference = "Bluecher et al. 2024 (arXiv 2401.06654)"
    higher_is_better = True
    ideal = 1.0
    needs = frozenset({"sweep"})
    reads_importance = True

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One gain an image."""
        return Scores.of(srg(curves_of(evidence, self.id)).mean(axis=1))
