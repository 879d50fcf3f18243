"""Statistics against hand-made cases and scipy-free definitions."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoaudit.scoring import statistics as s

probabilities = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8)


@given(probabilities)
def test_holm_is_monotone_and_at_least_the_raw_p(p):
    adjusted = s.holm(p)
    known = sorted((a, b) for a, b in zip(p, adjusted, strict=True) if a is not None)
    assert [a is None for a in p] == [b is None for b in adjusted]
    assert all(raw <= found <= 1 for raw, found in known)
    assert all(first[1] <= second[1] for first, second in pairwise(known))


def test_holm_by_hand():
    assert s.holm([0.04, None, 0.01, 0.03]) == pytest.approx([0.06, None, 0.03, 0.06], nan_ok=True)


@pytest.mark.parametrize("values", [[], [np.nan], [1.0], [1.0, 2.0, np.nan]])
def test_no_interval_below_three_images(values):
    found = s.bootstrap_mean(values, 0)
    assert (found.low, found.high) == (None, None)
    assert found.n == int(np.isfinite(values).sum()) if values else found.estimate is None


def test_bootstrap_covers_the_mean_and_ignores_order():
    hits = 0
    for seed in range(60):
        sample = np.random.default_rng(seed).exponential(1.0, 25)
        found = s.bootstrap_mean(sample, 3)
        hits += found.low <= 1.0 <= found.high
    assert 50 <= hits < 60
    assert s.bootstrap_mean(sample[::-1], 3) == found
    assert s.bootstrap_mean([2.0] * 5, 0) == s.Interval(2.0, 2.0, 2.0, 5)


def test_wilcoxon():
    a = np.array([1.0, 2, 3, 4, 5, np.nan])
    b = np.array([0.5, 1, 1, 1, np.nan, 0])
    assert s.wilcoxon(a, b, "greater") == (pytest.approx(2**-4), 4)
    assert s.wilcoxon(a, b, "less")[0] == pytest.approx(1.0)
    assert s.wilcoxon(a, b)[0] == pytest.approx(2 / 16)
    assert s.wilcoxon(a, a) == (1.0, 5)
    assert s.wilcoxon([np.nan], [1.0]) == (None, 0)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9), st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_cliffs_delta_by_definition(a, b):
    slow = np.mean([np.sign(p - q) for p in a for q in b])
    assert s.cliffs_delta(a, b) == pytest.approx(slow)
    assert s.cliffs_delta(a, [np.nan]) is None


def test_kendalls_tau():
    assert s.kendalls_tau(np.array([[1.0, 1], [2, 2], [3, 3]])) == pytest.approx(1.0)
    assert s.kendalls_tau(np.array([[1.0, 3], [2, 2], [3, 1]])) == pytest.approx(-1.0)
    assert s.kendalls_tau(np.ones((3, 1))) is None and s.kendalls_tau(np.ones((3, 2))) is None
    assert s.tau([1, 2, 3, np.nan], [1, 3, 2, 9]) == pytest.approx(1 / 3)
    assert s.tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / np.sqrt(2 * 3))  # tau-b: one tie
    assert s.tau([0.1 + 0.2, 0.3, 1.0], [1, 1, 2]) == pytest.approx(1.0)  # rounding makes no order
    assert s.tau([1, np.nan], [1, 2]) is None and s.tau([1, 1], [1, 2]) is None


def test_expanded_levels():
    """At 8 images t of .975 is 2.365, and resamples spread by sqrt(7/8) too little: 2.528 in normal quantiles."""
    assert s.expanded(0.95, 8) == pytest.approx(2 * 0.994262 - 1, abs=1e-5)
    assert s.expanded(0.95, 100_000) == pytest.approx(0.95, abs=1e-5)
    assert s.expanded(0.95, 3) < 1


@given(st.lists(st.floats(0, 1), min_size=3, max_size=8))
def test_an_interval_never_leaves_the_values(values):
    found = s.bootstrap_mean(values, 0)
    assert min(values) - 1e-12 <= found.low <= found.estimate + 1e-12
    assert found.estimate - 1e-12 <= found.high <= max(values) + 1e-12


def test_friedman_needs_three_methods_and_something_to_tell_apart():
    assert s.friedman(np.ones((5, 3))) == (None, None, 5)
    assert s.friedman(np.random.default_rng(0).random((5, 2)))[:2] == (None, None)
    assert s.friedman(np.arange(30.0).reshape(10, 3))[1] < 0.001


def test_smallest_difference_has_the_stated_power():
    n, deviation = 12, 0.4
    effect = s.smallest_difference(deviation, n)
    rng = np.random.default_rng(0)
    samples = rng.normal(effect, deviation, (4000, n))
    t = samples.mean(1) / samples.std(1, ddof=1) * np.sqrt(n)
    assert np.mean(t > 2.200985) == pytest.approx(0.8, abs=0.02)  # t of .975 at 11 degrees of freedom
    assert s.smallest_difference(deviation, 100) < effect / 2
    assert s.smallest_difference(deviation, 2) is None


def test_interval_of_many_values_is_that_of_the_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(4).gamma(0.5, 1.0, s.CLOSED + 1)
    closed = s.bootstrap_mean(values, 0)
    monkeypatch.setattr(s, "CLOSED", len(values))
    drawn = s.bootstrap_mean(values, 0)
    assert None not in (closed.low, closed.high, drawn.low, drawn.high)
    width = drawn.high - drawn.low
    assert closed.estimate == drawn.estimate
    assert abs(closed.low - drawn.low) < 0.05 * width
    assert abs(closed.high - drawn.high) < 0.05 * width
    assert (closed.high - closed.estimate) > (closed.estimate - closed.low)  # leans like the values
