"""Statistics of per-image scores: the image is the unit, missing values are nan, nothing is assumed normal
unless a docstring says so.

Samples are put into a canonical order before any resampling, so no result depends on the order of images.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

Array = npt.NDArray[np.float64]
Alternative = Literal["two-sided", "greater", "less"]

LEVEL = 0.95
RESAMPLES = 4999
DIGITS = 12
"""Relative rounding, in decimal digits, that must not decide a comparison of sums."""
CLOSED = 5000
"""Above so many values the bootstrap of a mean is replaced by its closed form, which costs no resampling."""
CHUNK = 2_000_000
"""Numbers held at a time while resampling."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its bootstrap interval; null where there is none.

    Attributes:
        estimate: the mean.
        low: lower end of the interval.
        high: upper end.
        n: values behind it, nan left out.
    """

    estimate: float | None
    low: float | None
    high: float | None
    n: int


def expanded(level: float, n: int) -> float:
    """The nominal level at which a bootstrap percentile interval of n values covers about `level`.

    Resamples spread by sqrt((n - 1) / n) too little, and their quantiles are those of a normal and not of a t
    distribution; both are undone by asking for wider quantiles.  Source: Hesterberg 2015 (arXiv 1411.5279),
    "expanded percentile interval".

    Args:
        level: wanted coverage, in (0, 1).
        n: number of values, at least 2.
    """
    reach = stats.t.ppf((1 + level) / 2, n - 1) * np.sqrt(n / (n - 1))
    return float(1 - 2 * stats.norm.sf(reach))


def bootstrap_mean(values: npt.ArrayLike, seed: int, level: float = LEVEL) -> Interval:
    """Mean and its BCa bootstrap interval over images (Efron 1987), widened for small samples (`expanded`).

    The interval never leaves the range of the values, so that of a bounded score stays within its bounds.  For the same
    reason it holds the mean less often than `level` says below 6 values (normal ones: 78 % of the cases with 3, about
    88 % with 4 or 5).

    Args:
        values: one number an image, nan where missing, shape (n,).
        seed: of the resampling.
        level: coverage, in (0, 1).

    Returns:
        The mean; its interval is null below 3 values, a point where all values are equal (rarer values than were
        seen are then unknown to it), the percentile interval in the rare cases where BCa is not defined, and in
        closed form above `CLOSED` values.
    """
    sample = np.sort(_present(values))
    n = len(sample)
    if n == 0:
        return Interval(None, None, None, 0)
    mean = float(sample.mean())
    if n < 3:
        return Interval(mean, None, None, n)
    if sample[0] == sample[-1]:
        return Interval(mean, mean, mean, n)
    if n > CLOSED:
        return Interval(mean, *_closed_form(sample, expanded(level, n)), n)
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "BCa is not defined" is what the second round is for
            found = stats.bootstrap(
                (sample,), np.mean, vectorized=True, n_resamples=RESAMPLES,
                confidence_level=expanded(level, n), method=method, batch=max(1, CHUNK // n),
                random_state=np.random.default_rng(seed),
            ).confidence_interval  # fmt: skip
        if np.isfinite([found.low, found.high]).all():
            break
    return Interval(mean, float(found.low), float(found.high), n)


def _closed_form(sample: Array, level: float) -> tuple[float, float]:
    """What BCa tends to for many values: its quantiles from the sample's mean, deviation and skewness.

    Source: Efron 1987, section 4 (bias correction and acceleration of a mean are both skewness / (6 sqrt n)); the
    resampled mean's quantiles by the first terms of Cornish and Fisher's expansion.
    """
    n, away = len(sample), sample - sample.mean()
    deviation = float(np.sqrt((away**2).mean()))
    lean = float((away**3).mean()) / deviation**3 / (6 * np.sqrt(n))
    reach = float(stats.norm.ppf((1 + level) / 2))
    ends = []
    for z in (-reach, reach):
        w = lean + (lean + z) / (1 - lean * (lean + z))
        ends.append(float(sample.mean() + deviation / np.sqrt(n) * (w + lean * (w**2 - 1))))
    return ends[0], ends[1]


def wilcoxon(a: npt.ArrayLike, b: npt.ArrayLike, alternative: Alternative = "two-sided") -> tuple[float | None, int]:
    """Paired Wilcoxon signed-rank test on the images where both have a score (Wilcoxon 1945, Pratt's zeros).

    Args:
        a: one number an image, nan where missing, shape (n,).
        b: likewise.
        alternative: "greater": a tends to be above b.

    Returns:
        p, null without common images and 1 where all differences are 0; and the number of common images.
    """
    first, second = paired(a, b)
    n = len(first)
    if n == 0:
        return None, 0
    difference = np.sort(first - second)
    if not difference.any():
        return 1.0, n
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # small samples with ties: scipy says that p is approximate
        p = stats.wilcoxon(difference, alternative=alternative, zero_method="pratt").pvalue
    return float(p), n


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment (Holm 1979) of one family of tests; null stays null and does not count.

    Returns:
        Adjusted p in the order given, in [0, 1]; a smaller p never gets a larger adjusted one.
    """
    present = sorted((value, i) for i, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    running = 0.0
    for place, (value, i) in enumerate(present):
        running = max(running, min(1.0, (len(present) - place) * value))
        adjusted[i] = running
    return adjusted


def cliffs_delta(a: npt.ArrayLike, b: npt.ArrayLike) -> float | None:
    """Cliff's delta, P(a > b) - P(a < b) over all pairs of images, in [-1, 1]; null without values.

    Source: Cliff 1993, Dominance statistics.
    """
    first, second = _present(a), np.sort(_present(b))
    if not len(first) or not len(second):
        return None
    below = np.searchsorted(second, first, side="left").sum()
    above = (len(second) - np.searchsorted(second, first, side="right")).sum()
    return float((below - above) / (len(first) * len(second)))


def complete_rows(scores: Array) -> Array:
    """The rows of `scores` (n, k) without nan: the images on which all k methods have a score."""
    return scores[~np.isnan(scores).any(axis=1)]


def friedman(scores: Array) -> tuple[float | None, float | None, int]:
    """Friedman's test over the columns of `scores` (n images, k methods), rows with nan left out.

    Returns:
        Statistic, p and the number of images; null below 3 methods or 2 images, or where all scores are tied.
    """
    rows = complete_rows(scores)
    n = len(rows)
    if rows.shape[1] < 3 or n < 2 or (rows == rows[:, :1]).all():
        return None, None, n
    found = stats.friedmanchisquare(*rows.T)
    return float(found.statistic), float(found.pvalue), n


def kendalls_tau(columns: Array) -> float | None:
    """Mean Kendall's tau-b over all pairs of columns of `columns` (k methods, p readings), in [-1, 1].

    Null below 2 methods or 2 readings, or where a reading ties everything.
    """
    if len(columns) < 2:
        return None
    taus = [tau(columns[:, i], columns[:, j]) for i in range(columns.shape[1]) for j in range(i)]
    known = [t for t in taus if t is not None]
    return float(np.mean(known)) if known and len(known) == len(taus) else None


def tau(a: npt.ArrayLike, b: npt.ArrayLike) -> float | None:
    """Kendall's tau-b of two readings of the same methods, in [-1, 1]; pairs tied in both count for nothing.

    Null below 2 methods that both read, or where one of them ties everything.  Source: Kendall 1945.
    """
    first, second = (_rounded(values) for values in paired(a, b))
    if len(first) < 2:
        return None
    found = float(stats.kendalltau(first, second).statistic)
    return found if np.isfinite(found) else None


def smallest_difference(deviation: float, n: int, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The mean paired difference that a two-sided t test of n images would find with the given power.

    Args:
        deviation: standard deviation of the per-image differences.
        n: number of images.
        alpha: level of the test.
        power: wanted probability of finding it.

    Returns:
        In the units of `deviation`; null below 3 images.  Normal differences are assumed here, and only here.
    """
    if n < 3 or not np.isfinite(deviation):
        return None
    critical = stats.t.ppf(1 - alpha / 2, n - 1)

    def lacking(effect: float) -> float:
        return float(stats.nct.sf(critical, n - 1, effect * np.sqrt(n)) - power)

    return float(optimize.brentq(lacking, 0.0, 100.0, xtol=1e-6)) * deviation


def paired(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[Array, Array]:
    """The values of `a` and `b` on the images where both have one."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    both = ~(np.isnan(first) | np.isnan(second))
    return first[both], second[both]


def _rounded(values: Array) -> Array:
    """`values` without the noise of adding in another order, so that what is equal is tied."""
    scale = float(np.abs(values).max(initial=0.0))
    return np.round(values / scale, DIGITS) if scale > 0 else values


def _present(values: npt.ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    return array[~np.isnan(array)]
