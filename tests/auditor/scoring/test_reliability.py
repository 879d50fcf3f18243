"""Krippendorff's alpha against published examples, and its interval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit.scoring.reliability import krippendorff, reliability

N = np.nan

# Krippendorff 2011, Computing Krippendorff's Alpha-Reliability: two observers, two values (A); two observers, five
# values (B); four observers with missing values (C), for which the paper also gives the ordinal and interval alpha
A = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
B = [[1, 1, 2, 2, 4, 3, 3, 3, 5, 4, 4, 1], [2, 1, 2, 2, 2, 3, 3, 3, 5, 4, 4, 4]]
C = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]


@pytest.mark.parametrize(
    ("data", "level", "alpha"),
    [
        (A, "nominal", 0.095),
        (B, "nominal", 0.692),
        (C, "nominal", 0.743),
        (C, "ordinal", 0.815),
        (C, "interval", 0.849),
    ],
)
def test_published_examples(data, level, alpha):
    assert krippendorff(np.array(data, dtype=float), level) == pytest.approx(alpha, abs=0.0006)


def by_definition(data):
    """Ordinal alpha from the coincidence matrix, as published."""
    units = [[v for v in column if not np.isnan(v)] for column in data.T]
    units = [unit for unit in units if len(unit) > 1]
    values = sorted({v for unit in units for v in unit})
    o = np.zeros((len(values), len(values)))
    for unit in units:
        for i, a in enumerate(unit):
            for j, b in enumerate(unit):
                if i != j:
                    o[values.index(a), values.index(b)] += 1 / (len(unit) - 1)
    n = o.sum(axis=1)
    observed = expected = 0.0
    for c in range(len(values)):
        for k in range(c + 1, len(values)):
            delta = (n[c : k + 1].sum() - (n[c] + n[k]) / 2) ** 2
            observed += o[c, k] * delta
            expected += n[c] * n[k] * delta
    return 1 - (n.sum() - 1) * observed / expected if expected else None


cells = st.one_of(st.none(), st.integers(1, 4))


@settings(deadline=None)
@given(st.lists(st.lists(cells, min_size=4, max_size=4), min_size=2, max_size=6))
def test_by_definition_with_missing_values(rows):
    data = np.array([[N if v is None else v for v in row] for row in rows], dtype=float)
    assert krippendorff(data) == pytest.approx(by_definition(data))


def test_full_agreement_opposition_and_nothing_to_agree_on():
    agree = np.array([[3.0, 2, 1], [30, 20, 10], [0.3, 0.2, 0.1], [5, 4, 3]])
    found = reliability(agree, 0)
    assert (found.estimate, found.low, found.high, found.n) == (1.0, 1.0, 1.0, 4)
    assert reliability(np.array([[1.0, 2, 3], [3, 2, 1]]), 0).estimate < -0.5
    assert reliability(np.ones((4, 3)), 0).estimate is None
    assert reliability(agree[:1], 0).estimate is None
    assert reliability(agree[:, :1], 0).estimate is None
    assert reliability(np.empty((0, 3)), 0).estimate is None
    assert reliability(agree[:2], 0).low is None


def test_the_interval_holds_the_estimate_narrows_and_ignores_the_order_of_images():
    rng = np.random.default_rng(1)
    scores = np.arange(5) * 0.7 + rng.normal(0, 1, (60, 5))
    few, many = reliability(scores[:8], 0), reliability(scores, 0)
    for found in (few, many):
        assert found.low <= found.estimate <= found.high
    assert many.high - many.low < few.high - few.low
    assert many.low > 0
    again = reliability(scores[rng.permutation(60)], 0)
    assert (again.low, again.high) == pytest.approx((many.low, many.high))


def test_an_image_that_lacks_a_method_still_counts_and_one_that_ranks_nothing_does_not():
    full = np.tile([1.0, 2, 3, 4], (6, 1))
    holes = full.copy()
    holes[0, 1] = N
    holes[1, 1:] = N
    found = reliability(holes, 0)
    assert found.n == 5 and 0.9 < found.estimate < 1  # stretched ranks 1.25, 2.5, 3.75 are close to 1, 3, 4
    np.testing.assert_allclose(found.estimate, reliability(np.delete(holes, 1, axis=0), 0).estimate)


def test_an_image_drawn_twice_does_not_agree_with_itself():
    """Else resampling alone would raise alpha: among 6 images every sixth pair would be one image with itself."""
    rng = np.random.default_rng(2)
    highs, lows = [], []
    for _ in range(60):
        found = reliability(rng.normal(0, 1, (6, 4)), 0)
        lows.append(found.low - found.estimate)
        highs.append(found.high - found.estimate)
    assert np.mean(lows) < -0.1 and abs(np.mean(lows)) > 0.6 * np.mean(highs)
