"""Mean SRG ranks of methods that were read on different numbers of images.

A method's mean rank is 1 plus, for each other method, the share of images on which that one is better (ties count
half).  Here each share is taken on the images on which both were read.  Where all were read on the same images this
is the usual mean rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geoaudit.scoring.standings import RESAMPLES, Standings, combined, standings
from geoaudit.scoring.statistics import CHUNK, Array


def unequal_standings(ncc: Array, srg: Array, part: Sequence[bool], seed: int) -> Standings:
    """As `standings`, with mean SRG ranks from the pairs of methods.

    Args:
        ncc: shape (n, k), nan where missing.
        srg: shape (n, k), nan where missing or not read.
        part: which methods have SRG on at least half of the images that they were read on, shape (k,).
        seed: of the resampling.

    Returns:
        The standings; their `parts` are 0, for images that lack methods have no ranks of their own.
    """
    usual = standings(ncc, np.full_like(srg, np.nan), seed)
    columns = np.flatnonzero(part)
    means, draws = np.full((1, srg.shape[1]), np.nan), np.full(usual.srg_draws.shape, np.nan)
    if len(columns) and len(srg):
        means[:, columns] = _mean_ranks(np.ones((1, len(srg))), srg[:, columns])
        draws[:, columns] = _drawn(srg[:, columns], seed)
    whole, redrawn = combined([(usual.ncc, usual.ncc_draws), (means[0], draws)])
    return Standings(
        usual.ncc, means[0], usual.ncc_draws, draws, whole, redrawn, np.zeros_like(srg), len(srg)
    )  # fmt: skip


def _drawn(srg: Array, seed: int) -> Array:
    """Mean ranks over the same resampled images as in `standings`, shape (RESAMPLES, k)."""
    n, rng, found = len(srg), np.random.default_rng(seed), []
    step = max(1, CHUNK // n)
    for start in range(0, RESAMPLES, step):
        weights = rng.multinomial(n, np.full(n, 1 / n), size=min(step, RESAMPLES - start)).astype(np.float64)
        found.append(_mean_ranks(weights, srg))
    return np.concatenate(found)


def _mean_ranks(weights: Array, srg: Array) -> Array:
    """Mean ranks over weighed images, shape (b, k) for weights (b, n); nan where two methods share no image."""
    found = np.ones((len(weights), srg.shape[1]))
    for method, own in enumerate(srg.T):
        others = np.delete(srg, method, axis=1)
        known = ~np.isnan(others - own[:, None])
        better = (others > own[:, None]) + 0.5 * (others == own[:, None])
        mass = weights @ known.astype(np.float64)
        share = (weights @ np.where(known, better, 0.0)) / np.where(mass > 0, mass, np.nan)
        found[:, method] += share.sum(axis=1)
    return found
