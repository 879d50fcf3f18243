"""Mean ranks over images, and what resampling the images does to them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats

from geoaudit.audit.result import RankInterval
from geoaudit.scoring.contenders import covers
from geoaudit.scoring.statistics import CHUNK, LEVEL, Array

RESAMPLES = 2000


@dataclass(frozen=True)
class Standings:
    """Ranks of k methods; 1 is best, nan where a method has none.

    Attributes:
        ncc: mean NCC rank, shape (k,).
        srg: mean SRG rank, shape (k,).
        ncc_draws: the same over resampled images, shape (b, k).
        srg_draws: likewise.
        images: number of images; below 3 there are no intervals.
    """

    ncc: Array
    srg: Array
    ncc_draws: Array
    srg_draws: Array
    images: int

    @property
    def combined(self) -> Array:
        """Mean of the two ranks, or the one that exists; shape (k,)."""
        return _mean_of_existing(self.ncc, self.srg)

    @property
    def combined_draws(self) -> Array:
        """The same over resampled images, shape (b, k)."""
        return _mean_of_existing(self.ncc_draws, self.srg_draws)

    def interval(self, mean: Array, draws: Array, column: int) -> RankInterval:
        """One method's rank with its percentile interval, as the report keeps it."""
        low, high = self.bounds(draws, column)
        rank = float(mean[column]) if np.isfinite(mean[column]) else None
        return RankInterval(rank=rank, rank_low=low, rank_high=high)

    def bounds(self, draws: Array, column: int) -> tuple[float | None, float | None]:
        """Ends of the 95 % percentile interval; null below 3 images or without a rank."""
        known = draws[:, column][np.isfinite(draws[:, column])]
        if self.images < 3 or not len(known):
            return None, None
        low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)


def image_ranks(scores: Array, higher_is_better: bool) -> Array:
    """Ranks of the methods on each image, ties shared; 1 is best.

    Methods scored on less than half of the images take no part; images on which one of the others has no
    score are left out (the common subset).

    Args:
        scores: shape (n, k), nan where missing.
        higher_is_better: direction.

    Returns:
        Shape (n, k), nan where there is no rank.
    """
    ranks = np.full(scores.shape, np.nan)
    part = np.array([covers(column) for column in scores.T], dtype=bool)
    if part.any():
        rows = ~np.isnan(scores[:, part]).any(axis=1)
        chosen = scores[np.ix_(rows, part)]
        ranks[np.ix_(rows, part)] = stats.rankdata(-chosen if higher_is_better else chosen, axis=1)
    return ranks


def standings(ncc: Array, srg: Array, seed: int) -> Standings:
    """Ranks by NCC violation (lower is better) and SRG (higher is better), with bootstrap draws over images.

    Both criteria see the same resampled images, so that their mean has an interval too.

    Args:
        ncc: shape (n, k), nan where missing.
        srg: shape (n, k), nan where missing.
        seed: of the resampling.
    """
    ranks = [image_ranks(ncc, False), image_ranks(srg, True)]
    n = len(ncc)
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // max(n, 1))
    draws: list[list[Array]] = [[], []]
    for start in range(0, RESAMPLES if n else 0, step):
        size = min(step, RESAMPLES - start)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
        for kept, matrix in zip(draws, ranks, strict=True):
            kept.append(_weighted_means(weights, matrix))
    means = [_weighted_means(np.ones((1, n)), matrix)[0] for matrix in ranks]
    stacked = [np.concatenate(parts) if parts else np.empty((0, ncc.shape[1])) for parts in draws]
    return Standings(means[0], means[1], stacked[0], stacked[1], n)


def _weighted_means(weights: Array, ranks: Array) -> Array:
    """Means over images of `ranks` (n, k) for each row of `weights` (b, n); nan where nothing weighs."""
    known = ~np.isnan(ranks)
    total = weights @ np.where(known, ranks, 0.0)
    mass = weights @ known.astype(np.float64)
    return np.where(mass > 0, total / np.where(mass > 0, mass, 1.0), np.nan)


def _mean_of_existing(a: Array, b: Array) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a method without any rank is nan, as it should be
        return np.asarray(np.nanmean(np.stack([a, b]), axis=0), dtype=np.float64)
