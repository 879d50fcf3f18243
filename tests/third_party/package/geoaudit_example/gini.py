"""Gini index: how unevenly a map's magnitude is spread over its elements.

Source: Hurley and Rickard 2009, arXiv 0811.4706, eq. for the Gini index of sorted magnitudes.
"""

from __future__ import annotations

import numpy as np

from geoaudit import Attributions, Evidence, Metric, Problems, Scores


class Gini(Metric):
    """0 for a flat map, towards 1 for a single element; null for a map of zeros."""

    id = "geoaudit-example/gini"
    title = "Gini index"
    reference = "Hurley and Rickard 2009, arXiv 0811.4706"
    higher_is_better = None
    ideal = None

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One index an image."""
        sizes = np.sort(np.abs(attributions.values.reshape(len(problems), -1).astype(np.float64)), axis=1)
        n, totals = sizes.shape[1], sizes.sum(axis=1)
        weights = (2 * np.arange(1, n + 1) - n - 1) / n
        empty = totals == 0
        values = np.where(empty, np.nan, sizes @ weights / np.where(empty, 1.0, totals))
        return Scores.of(values, ["map of zeros" if e else None for e in empty])
