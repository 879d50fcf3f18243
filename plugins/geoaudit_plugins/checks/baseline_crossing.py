"""The numbers of a grid of scores: baselines of the method in its rows, baselines of the metric in its columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Crossed:
    """What was measured, for n images and k baselines.

    Attributes:
        gains: SRG by image, method baseline and metric baseline, shape (n, k, k).
        correlations: rank correlation by image and pair of baselines, nan where a map is constant, shape (n, pairs).
    """

    gains: Array
    correlations: Array

    @property
    def advantages(self) -> Array:
        """The own advantage on each image, shape (n,)."""
        own = np.eye(self.gains.shape[1], dtype=bool)
        return np.asarray(self.gains[:, own].mean(axis=1) - self.gains[:, ~own].mean(axis=1))

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Student's 95 % interval of the mean own advantage; none for fewer than three images."""
        values = self.advantages
        if len(values) < 3:
            return None, None
        from scipy.stats import t

        half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
        return float(values.mean()) - half, float(values.mean()) + half

    @property
    def agreement(self) -> float:
        """Mean of the correlations that exist; nan where none does."""
        known = self.correlations[np.isfinite(self.correlations)]
        return float(known.mean()) if len(known) else math.nan

    @property
    def spread(self) -> float:
        """Within columns of the mean grid, off the diagonal; nan for fewer than three baselines."""
        mean, k = self.gains.mean(axis=0), self.gains.shape[1]
        if k < 3:
            return math.nan
        columns = [np.delete(mean[:, j], j) for j in range(k)]
        return math.sqrt(sum(float(np.square(c - c.mean()).sum()) for c in columns) / (k * (k - 2)))

    @property
    def elsewhere(self) -> Array:
        """For each method baseline the mean gain over the metric baselines that it does not share, shape (k,)."""
        mean = self.gains.mean(axis=0)
        return np.array([np.delete(row, i).mean() for i, row in enumerate(mean)])
