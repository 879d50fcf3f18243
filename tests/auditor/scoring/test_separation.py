"""Telling methods apart: exact by brute force, family-wise, and never with too few images."""

from itertools import combinations, product

import numpy as np
import pytest

from geoaudit.scoring.separation import ALPHA, FEWEST, _step_down, apart


def brute(differences):
    """Step-down maxT over all sign turns, slowly."""
    n, m = differences.shape
    size = np.sqrt((differences**2).sum(axis=0))
    size[size == 0] = 1
    observed = np.abs(differences.sum(axis=0)) / size
    order = np.argsort(-observed, kind="stable")
    found, least = np.empty(m), 0.0
    for place, column in enumerate(order):
        rest = order[place:]
        hits = 0
        for signs in product([1, -1], repeat=n):
            turned = np.abs(np.array(signs) @ differences[:, rest]) / size[rest]
            hits += turned.max() >= observed[column] - 1e-9
        least = max(least, hits / 2**n)
        found[column] = least
    return found


@pytest.mark.parametrize("seed", range(3))
def test_step_down_by_brute_force(seed):
    scores = np.random.default_rng(seed).integers(0, 5, (7, 4)) + np.array([0, 0, 1, 3])
    differences = np.stack([scores[:, a] - scores[:, b] for a, b in combinations(range(4), 2)], axis=1).astype(float)
    np.testing.assert_allclose(_step_down(differences, 0), brute(differences))


def test_a_clear_difference_is_found_from_six_images_on_and_never_before():
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 6, 8, 30):
        scores = np.stack([np.full(n, 1.0), np.full(n, 2.0), 2.0 + rng.normal(0, 0.01, n)], axis=1)
        told = apart(scores, 0)
        assert told[0, 1] == told[0, 2] == (n >= FEWEST)
        assert not told[1, 2] or abs(scores[:, 2].mean() - 2) > 0.002
        assert (told == told.T).all() and not told.diagonal().any()
    assert 2 * 2.0**-FEWEST < ALPHA <= 4 * 2.0**-FEWEST


def test_equal_methods_are_never_told_apart():
    assert not apart(np.tile(np.random.default_rng(0).random((30, 1)), (1, 4)), 0).any()
    assert apart(np.empty((30, 0)), 0).shape == (0, 0)


def test_many_turns_agree_with_all_turns(monkeypatch):
    """Random turns and chunks give what all turns give, within their own error."""
    rng = np.random.default_rng(3)
    differences = rng.normal(0.4, 1, (12, 6))
    exact = _step_down(differences, 0)
    monkeypatch.setattr("geoaudit.scoring.separation.EXACT", 5)
    monkeypatch.setattr("geoaudit.scoring.separation.CHUNK", 1000)
    drawn = _step_down(differences, 0)
    np.testing.assert_allclose(drawn, exact, atol=0.03)
    assert (drawn >= 1 / 4096).all()
