"""NCC violation: the share of a map's mass that cancels."""

from __future__ import annotations

import math

import numpy as np

from geoaudit import Attributions, Evidence, Metric, Problems, Scores
from geoaudit_plugins.metrics.assessable import claims, reasons, sums

TINY = 1e-12
"""Below this share of |delta f| a map is empty: nothing is there to cancel."""


class NccViolation(Metric):
    """(S - |sum A|) / S with S = sum|A| over single elements, in [0, 1]; 0 means that nothing cancels.

    Null where it cannot be judged (`assessable.reasons`).  It equals 2 min(P, N) / (P + N), P and N being the
    positive and the negative mass, and says nothing about faithfulness: a uniform complete map reaches 0.
    """

    id = "ncc-violation"
    title = "NCC violation"
    reference = "No-cancellation completeness: Salek and Enguehard 2025 (arXiv 2502.12108)"
    higher_is_better = False
    ideal = 0.0

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One violation an image."""
        why = reasons(attributions, problems)
        totals, magnitudes = sums(attributions)
        claimed = claims(attributions, problems)
        empty = magnitudes <= TINY * np.abs(claimed)  # never where the claim is nan
        ratio = (magnitudes - np.abs(totals)) / np.where(magnitudes > 0, magnitudes, 1.0)
        values = np.where(empty, 0.0, np.clip(ratio, 0.0, 1.0))  # the sums' own rounding may leave -1e-16
        return Scores.of([math.nan if r else v for v, r in zip(values, why, strict=True)], why)
