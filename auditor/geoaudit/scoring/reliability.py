"""Reliability: how far the single images agree on the order of the methods.

Krippendorff's alpha compares how much the coders of the same unit disagree with how much they would by chance:
alpha = 1 - D_o / D_e, 1 where all agree, 0 where they agree as chance would have it, below 0 where they agree less.
Here images are the coders, methods the units and the methods' ranks on an image the values, read as ordinal.

Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.  The interval is a bootstrap over coders.
Krippendorff's own resamples pairs of values as if each were drawn apart, but here whole images are drawn.  An image
that is drawn twice agrees with itself, which says nothing, so such pairs are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from geoaudit.scoring.statistics import CHUNK, LEVEL, Array, Interval, expanded

Level = Literal["nominal", "ordinal", "interval"]

RESAMPLES = 1999
_ROUNDING = 1e-12


@dataclass(frozen=True)
class _Table:
    """What alpha is made from: m coders, u units; values stand at places, and differ by squared distance.

    Attributes:
        places: coordinates of the values given, 0 where there is none, shape (d, m, u).
        present: 1 where there is a value, on units with at least two, shape (m, u).
    """

    places: Array
    present: Array

    def alpha(self, weights: Array) -> Array:
        """Alpha with each coder counted as often as its weight says, shape (b,) from (b, m); nan where undefined."""
        share = 1.0 / (self.present.sum(axis=0) - 1.0)
        squares = (self.places**2).sum(axis=0)
        count = weights @ self.present
        square = weights @ squares
        sums = weights @ self.places  # (d, b, u)
        pairs = ((count**2 - weights**2 @ self.present) * share).sum(axis=1)
        observed = ((count * square - (sums**2).sum(axis=0)) * share).sum(axis=1)
        total = count.sum(axis=1)
        chance = total * square.sum(axis=1) - (sums.sum(axis=2) ** 2).sum(axis=0)
        possible = (pairs > 0) & (total > 1) & (chance > _ROUNDING * total * square.sum(axis=1))
        bottom = np.where(possible, pairs * chance, 1.0)
        return np.where(possible, 1 - observed * total * (total - 1) / bottom, np.nan)


def krippendorff(data: Array, level: Level = "ordinal") -> float | None:
    """Krippendorff's alpha.

    Args:
        data: one row a coder, one column a unit, nan where a coder said nothing, shape (m, u).
        level: how values differ.

    Returns:
        At most 1; null where no unit has two values, or where all values are the same.
    """
    table = _table(data, level)
    found = float(table.alpha(np.ones((1, len(data))))[0]) if table is not None else np.nan
    return found if np.isfinite(found) else None


def reliability(scores: Array, seed: int) -> Interval:
    """Ordinal alpha of the images' rankings of the methods, and its 95 % bootstrap interval over images.

    Args:
        scores: one row an image, one column a method, nan where missing, shape (n, k).
        seed: of the resampling.

    Returns:
        Null below 2 images or 2 methods, or where all is tied; the interval is null below 3 images.
    """
    ranks = _ranked(scores)
    ranks = ranks[np.lexsort(ranks.T)] if ranks.size else ranks
    n = int((~np.isnan(ranks)).any(axis=1).sum())
    table = _table(ranks, "ordinal")
    estimate = krippendorff(ranks)
    if table is None or estimate is None or n < 3:
        return Interval(estimate, None, None, n)
    draws = _draws(table, len(ranks), seed)
    wider = expanded(LEVEL, n)
    low, high = np.quantile(draws[np.isfinite(draws)], [(1 - wider) / 2, (1 + wider) / 2])
    return Interval(estimate, float(min(low, estimate)), float(max(high, estimate)), n)


def _draws(table: _Table, m: int, seed: int) -> Array:
    """Alpha over resampled coders, shape (RESAMPLES,)."""
    rng, found = np.random.default_rng(seed), []
    step = max(1, CHUNK // m)
    for start in range(0, RESAMPLES, step):
        weights = rng.multinomial(m, np.full(m, 1 / m), size=min(step, RESAMPLES - start))
        found.append(table.alpha(weights.astype(np.float64)))
    return np.concatenate(found)


def _ranked(scores: Array) -> Array:
    """Ranks on each image; one that lacks methods has its ranks stretched to the scale of all, shape (n, k).

    Images that score fewer than two methods rank nothing and are all nan.
    """
    ranks = np.full(scores.shape, np.nan)
    for row, given in zip(ranks, scores, strict=True):
        known = ~np.isnan(given)
        if known.sum() > 1:
            row[known] = stats.rankdata(given[known]) * (len(given) + 1) / (known.sum() + 1)
    return np.asarray(np.round(ranks, 9), dtype=np.float64)


def _table(data: Array, level: Level) -> _Table | None:
    """The sums behind alpha; null where no unit has two values."""
    present = ~np.isnan(data)
    units = present.sum(axis=0) > 1
    data, present = data[:, units], present[:, units]
    if not units.any():
        return None
    values, index, frequency = np.unique(data[present], return_inverse=True, return_counts=True)
    coordinates = _coordinates(values, frequency.astype(np.float64), level)
    middle = coordinates @ frequency / frequency.sum()
    places = np.zeros((len(coordinates), *data.shape))
    places[:, present] = (coordinates - middle[:, None])[:, index]
    return _Table(places, present.astype(np.float64))


def _coordinates(values: Array, frequency: Array, level: Level) -> Array:
    """Places of sorted `values` whose squared distance is the level's, shape (d, v).

    Ordinal: how many values were given from the one to the other.
    """
    if level == "nominal":
        return np.asarray(np.eye(len(values)) * np.sqrt(0.5), dtype=np.float64)
    place: Array = values if level == "interval" else np.cumsum(frequency) - frequency / 2
    return place.reshape(1, -1)
