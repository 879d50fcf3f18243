"""Log-odds: comprehensiveness on the logarithmic scale."""

from __future__ import annotations

import numpy as np

from geoaudit import Attributions, Evidence, Metric, Problems, Scores
from geoaudit_plugins.metrics.swept import curves_of, early, mean_scores

FLOOR = 1e-12
"""Probabilities below this count as this, so that a float32 softmax that underflows stays finite."""


class LogOdds(Metric):
    """Mean over fractions q in (0, 1/2] of log p(x without the top q) - log p(x), in nats.

    The name is the literature's; what is meant is the difference of log-probabilities.
    """

    id = "log-odds"
    title = "Log-odds"
    reference = "Shrikumar et al. 2017 (arXiv 1704.02685)"
    higher_is_better = False
    ideal = None
    needs = frozenset({"sweep"})
    reads_importance = True

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One number an image, mean over imputers."""
        curves = curves_of(evidence, self.id)
        logs = np.log(np.maximum(curves.morf, FLOOR))
        return mean_scores(early(logs, curves.fractions) - logs[..., :1])
