"""Evidence that may be looked at after every image: test martingales, and what follows from them.

A bet against a hypothesis multiplies a capital that begins at 1 by a factor of mean at most 1 under the hypothesis.
Such a capital exceeds 1 / a at any time with a probability of at most a (Ville 1939), so one over the largest capital
so far is a p that stays valid whenever one stops, and the means that are not bet away form a confidence sequence,
an interval that holds the mean at all times at once.

- bounded values: factors 1 + b (x - m) (Waudby-Smith and Ramdas 2024, Estimating means of bounded random variables by
  betting, section 4; JRSS B 86, arXiv 2010.09686).  Nothing but the bounds is assumed.
- values spread symmetrically about their middle: factors 1 + tanh(b (x - m)), that is exp(z) / cosh(z), the e-variable
  of Vovk and Wang 2024, Nonparametric e-tests of symmetry (arXiv 2208.08925), after de la Pena 1999.  It assumes what
  Wilcoxon's signed-rank test assumes, and no bounds.

Several bets b are made side by side and their capitals averaged: a mixture (Howard, Ramdas, McAuliffe and Sekhon 2021,
Annals of Statistics 49, arXiv 1810.08240, section 3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
from scipy import special

from geoaudit.scoring.statistics import CHUNK, Array

SHARES = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.95])
"""Shares of the capital that are at stake in bets on bounded values."""
SLOPES = np.array([0.125, 0.25, 0.5, 1.0, 2.0])
"""Slopes of bets on symmetric values, for values of size 1."""
TYPICAL = 0.15
"""Size of a difference in SRG on one image before any was seen, as measured on photographs."""
_STEPS = 40


class Capital(ABC):
    """Capitals of bets on m series of values at once.

    Args:
        m: number of series.
        bets: number of bets made side by side.
    """

    def __init__(self, m: int, bets: int) -> None:
        self._logs: Array = np.zeros((m, bets))
        self._largest: Array = np.zeros(m)

    @property
    def p(self) -> Array:
        """For each series a p of the hypothesis that stays valid whenever one stops, in (0, 1], shape (m,)."""
        return np.exp(-self._largest)

    def add(self, values: npt.ArrayLike) -> None:
        """Bet on more images.

        Args:
            values: one row an image, in the order of the audit, shape (n, m); nan: nothing is bet on it.
        """
        rows = np.asarray(values, dtype=np.float64)
        step = max(1, CHUNK // max(1, self._logs.size))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            gains = np.where(np.isnan(part)[..., None], 0.0, np.log(self._factors(part)))
            logs = self._logs + np.cumsum(gains, axis=0)
            mixed = special.logsumexp(logs, axis=2) - np.log(logs.shape[2])
            self._largest = np.maximum(self._largest, mixed.max(axis=0))
            self._logs = logs[-1]

    @abstractmethod
    def _factors(self, values: Array) -> Array:
        """What the capitals are multiplied by, shape (n, m, bets) for values (n, m)."""


class BoundedCapital(Capital):
    """Bets that the mean of values in [-1, 1] exceeds `mean`; the hypothesis is that it does not.

    Args:
        m: number of series.
        mean: in (-1, 1).
    """

    def __init__(self, m: int, mean: float = 0.0) -> None:
        super().__init__(m, len(SHARES))
        self._mean = mean

    def _factors(self, values: Array) -> Array:
        odds = (1.0 + values) / (1.0 + self._mean)
        return np.asarray(1.0 + SHARES * (odds[..., None] - 1.0), dtype=np.float64)


class SymmetricCapital(Capital):
    """Bets that values spread symmetrically about a middle have it above `middle`; the hypothesis: they have not.

    The size of the values, by which the slopes are divided, is that of the images before.

    Args:
        m: number of series.
        middle: in the values' unit.
        typical: size of value - middle on one image, before any was seen.
    """

    def __init__(self, m: int, middle: float = 0.0, typical: float = TYPICAL) -> None:
        super().__init__(m, len(SLOPES))
        self._middle = middle
        self._squares: Array = np.full(m, typical**2)
        self._count: Array = np.ones(m)

    def _factors(self, values: Array) -> Array:
        away = values - self._middle
        known = ~np.isnan(away)
        squares = self._squares + np.cumsum(np.where(known, away, 0.0) ** 2, axis=0)
        count = self._count + np.cumsum(known, axis=0)
        before = np.sqrt(np.vstack([self._squares, squares[:-1]]) / np.vstack([self._count, count[:-1]]))
        self._squares, self._count = squares[-1], count[-1]
        slopes = SLOPES / np.where(before > 0, before, 1.0)[..., None]
        return np.asarray(1.0 + np.tanh(slopes * away[..., None]), dtype=np.float64).clip(np.finfo(np.float64).tiny)


def confidence_sequence(values: npt.ArrayLike, alpha: float = 0.05) -> tuple[float, float]:
    """Where the mean of values in [-1, 1] lies, by an interval that holds it at all times at once.

    The interval after these values and the ones after fewer hold the mean together with probability 1 - alpha, so
    it does not matter when or why one stopped.

    Args:
        values: one number an image, in the order of the audit, nan where missing, shape (n,).
        alpha: in (0, 1), split between the two ends.

    Returns:
        Both ends, within [-1, 1].
    """
    sample = np.asarray(values, dtype=np.float64)
    return _lower_end(sample, alpha / 2), -_lower_end(-sample, alpha / 2)


def _lower_end(values: Array, alpha: float) -> float:
    """The largest mean that is bet away, by bisection: the capital falls as the mean that is bet against rises."""
    low, high = -1.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        capital = BoundedCapital(1, middle)
        capital.add(values[:, None])
        low, high = (middle, high) if capital.p[0] <= alpha else (low, middle)
    return low
