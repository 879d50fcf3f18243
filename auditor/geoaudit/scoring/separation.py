"""Which methods can be told apart: every pair of a tier at once, with the images as the unit.

Where no method is better than another, the difference of two methods on an image is as likely to have the other
sign.  Turning all differences of an image together keeps their dependence, so the largest statistic of all pairs is
compared with the largest under such turns: the chance that any pair is told apart although none differs is held at
5 %, for 3 methods as for 12.  Comparing the methods' own intervals for overlap holds no such promise.

Source: Westfall and Young 1993, Resampling-Based Multiple Testing (step-down maxT); sign flips as in Fisher 1935.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from geoaudit.scoring.statistics import CHUNK, Array

EXACT = 12
"""Up to this many images all turns are made, 2^n of them."""
TURNS = 4096
ALPHA = 0.05
FEWEST = 6
"""Below this many images two turns of 2^n are 5 % or more, so nothing can be told apart."""
_ROUNDING = 1e-9


def apart(scores: Array, seed: int) -> npt.NDArray[np.bool_]:
    """Which pairs of methods differ in their mean, family-wise at 5 %.

    The statistic of a pair is |sum d| / sqrt(sum d^2) over the images' differences d, a monotone function of |t|
    that needs no variance under the turns.

    Args:
        scores: one row an image, one column a method, finite, shape (n, k).
        seed: of the turns, where not all can be made.

    Returns:
        Symmetric, shape (k, k).
    """
    n, k = scores.shape
    told = np.zeros((k, k), dtype=np.bool_)
    if n < FEWEST or k < 2:
        return told
    pairs = np.array(list(combinations(range(k), 2)))
    p = _step_down(scores[:, pairs[:, 0]] - scores[:, pairs[:, 1]], seed)
    for (a, b), value in zip(pairs, p, strict=True):
        told[a, b] = told[b, a] = value < ALPHA
    return told


def _step_down(differences: Array, seed: int) -> Array:
    """Adjusted p of the columns of `differences` (n, m), step-down maxT over turns of whole rows."""
    n, m = differences.shape
    size = np.sqrt((differences**2).sum(axis=0))
    unit = differences / np.where(size > 0, size, 1.0)
    observed = np.abs(unit.sum(axis=0))
    order = np.argsort(observed, kind="stable")  # smallest first: each is compared with the largest up to itself
    reached = np.zeros(m)
    count = 0
    for turns in _turns(n, max(1, CHUNK // max(n, m)), seed):
        turned = np.abs(turns @ unit[:, order])
        reached += (np.maximum.accumulate(turned, axis=1) >= observed[order] - _ROUNDING).sum(axis=0)
        count += len(turns)
    adjusted = np.empty(m)
    adjusted[order[::-1]] = np.maximum.accumulate((reached / count)[::-1])
    return adjusted


def _turns(n: int, step: int, seed: int) -> Iterator[Array]:
    """Signs of the rows, at most `step` turns at a time, the untouched rows among them; shape (b, n) each."""
    if n <= EXACT:
        bits = np.arange(2**n)[:, None] >> np.arange(n)
        signs = np.asarray(1.0 - 2.0 * (bits & 1), dtype=np.float64)
        yield from (signs[start : start + step] for start in range(0, len(signs), step))
        return
    rng = np.random.default_rng(seed)
    yield np.ones((1, n))
    for start in range(1, TURNS, step):
        yield rng.choice([-1.0, 1.0], (min(step, TURNS - start), n))
