"""Mean ranks over images, and what resampling the images does to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from geoaudit.audit.result import RankInterval
from geoaudit.scoring.contenders import covers
from geoaudit.scoring.statistics import CHUNK, LEVEL, Array, expanded

RESAMPLES = 2000


@dataclass(frozen=True)
class Standings:
    """Ranks of k methods; 1 is best, nan where a method has none.

    Attributes:
        ncc: mean NCC rank, shape (k,).
        srg: mean SRG rank, shape (k,).
        ncc_draws: the same over resampled images, shape (b, k).
        srg_draws: likewise.
        combined: what the order rests on (`combine`), shape (k,).
        combined_draws: the same over resampled images, shape (b, k).
        parts: each image's part in `combined`, which is their mean; 0 where a method has no rank; shape (n, k).
        images: number of images; below 3 there are no intervals.
    """

    ncc: Array
    srg: Array
    ncc_draws: Array
    srg_draws: Array
    combined: Array
    combined_draws: Array
    parts: Array
    images: int

    def interval(self, mean: Array, draws: Array, column: int) -> RankInterval:
        """One method's rank with its percentile interval, as the report keeps it."""
        low, high = self.bounds(draws, column)
        rank = float(mean[column]) if np.isfinite(mean[column]) else None
        return RankInterval(rank=rank, rank_low=low, rank_high=high)

    def bounds(self, draws: Array, column: int) -> tuple[float | None, float | None]:
        """Ends of the 95 % percentile interval, widened for small samples; null below 3 images or without a rank."""
        known = draws[:, column][np.isfinite(draws[:, column])]
        if self.images < 3 or not len(known):
            return None, None
        wider = expanded(LEVEL, self.images)
        low, high = np.quantile(known, [(1 - wider) / 2, (1 + wider) / 2])
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
    filled = [_last_where_missing(matrix) for matrix in ranks if np.isfinite(matrix).any()]
    whole = [_weighted_means(np.ones((1, n)), matrix)[0] for matrix in filled]
    redrawn = [
        _filled_draws(draw, matrix) for draw, matrix in zip(stacked, ranks, strict=True) if np.isfinite(matrix).any()
    ]
    nowhere = np.isnan(means[0]) & np.isnan(means[1])
    return Standings(
        means[0], means[1], stacked[0], stacked[1],
        np.where(nowhere, np.nan, combine(whole, ncc.shape[1])),
        np.where(nowhere, np.nan, combine(redrawn, ncc.shape[1])) if redrawn else np.full_like(stacked[0], np.nan),
        np.where(nowhere, 0.0, _parts(filled, ncc.shape)), n,
    )  # fmt: skip


def combine(criteria: Sequence[Array], k: int) -> Array:
    """Mean over the criteria in use of a method's rank by each, shape (..., k).

    Args:
        criteria: ranks in which a method without a rank counts as last, shape (..., k) each.
        k: number of methods, for the case that there is no criterion.
    """
    return np.mean(criteria, axis=0) if len(criteria) else np.full(k, np.nan)


def combined(criteria: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """What the order rests on (`combine`), and the same over resampled images; nan where a method has no rank.

    Args:
        criteria: mean ranks (k,) and their draws (b, k) by each, nan where a method has none.
    """
    k = len(criteria[0][0])
    used = [(means, draws, np.isfinite(means)) for means, draws in criteria if np.isfinite(means).any()]
    nowhere = ~np.any([part for _, _, part in used], axis=0) if used else np.ones(k, dtype=bool)
    whole = combine([np.where(part, means, part.sum()) for means, _, part in used], k)
    redrawn = combine([np.where(part, draws, float(part.sum())) for _, draws, part in used], k)
    return np.where(nowhere, np.nan, whole), np.where(nowhere, np.nan, np.broadcast_to(redrawn, criteria[0][1].shape))


def _last_where_missing(ranks: Array) -> Array:
    """`ranks` (n, k) with methods that have none put last on every image that ranks the others.

    The mean of the ranks that exist would lift a method above better ones for having one rank less.  Last is the
    least that lifts nobody: a method without the one rank stands above one that has both only by a better other.
    """
    part = np.isfinite(ranks).any(axis=0)
    rows = np.isfinite(ranks[:, part]).any(axis=1)
    result = ranks.copy()
    result[np.ix_(rows, ~part)] = part.sum()
    return result


def _filled_draws(draws: Array, ranks: Array) -> Array:
    part = np.isfinite(ranks).any(axis=0)
    return np.where(part, draws, float(part.sum()))


def _parts(filled: Sequence[Array], shape: tuple[int, ...]) -> Array:
    """Each image's part in the combined rank: its ranks, weighed so that their mean over all images is it."""
    parts = np.zeros(shape)
    for matrix in filled:
        known = ~np.isnan(matrix)
        parts += np.where(known, matrix, 0.0) * (len(matrix) / known.sum(axis=0).max() / len(filled))
    return parts


def _weighted_means(weights: Array, ranks: Array) -> Array:
    """Means over images of `ranks` (n, k) for each row of `weights` (b, n); nan where nothing weighs."""
    known = ~np.isnan(ranks)
    total = weights @ np.where(known, ranks, 0.0)
    mass = weights @ known.astype(np.float64)
    return np.where(mass > 0, total / np.where(mass > 0, mass, 1.0), np.nan)
