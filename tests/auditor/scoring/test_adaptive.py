"""Evidence that may be looked at after every image: closed forms, and simulated promises."""

from __future__ import annotations

import numpy as np
import pytest

from geoaudit.scoring.adaptive import (
    SHARES,
    SLOPES,
    BoundedCapital,
    Capital,
    SymmetricCapital,
    confidence_sequence,
)


def test_the_capital_of_certain_wins_is_the_mean_of_its_bets():
    capital = BoundedCapital(1)
    capital.add(np.ones((10, 1)))
    assert capital.p[0] == pytest.approx(1 / ((1 + SHARES) ** 10).mean())


def test_symmetric_bets_are_those_of_exp_over_cosh():
    capital = SymmetricCapital(1, typical=0.5)
    capital.add([[0.3]])
    z = SLOPES * 0.3 / 0.5
    assert capital.p[0] == pytest.approx(1 / (np.exp(z) / np.cosh(z)).mean())
    capital.add([[0.2]])
    size = np.sqrt((0.5**2 + 0.3**2) / 2)
    later = SLOPES * 0.2 / size
    assert capital.p[0] == pytest.approx(1 / (np.exp(z) / np.cosh(z) * np.exp(later) / np.cosh(later)).mean())


@pytest.mark.parametrize(
    "make", [lambda: BoundedCapital(3), lambda: SymmetricCapital(3), lambda: BoundedCapital(3, 0.2)]
)
def test_evidence_does_not_hang_on_how_images_are_handed_in_and_never_wanes(make):
    values = np.random.default_rng(0).uniform(-0.6, 1.0, (50, 3))
    values[::7, 1] = np.nan
    whole, parts = make(), make()
    whole.add(values)
    before = parts.p
    for start in range(0, 50, 8):
        parts.add(values[start : start + 8])
        assert (parts.p <= before).all()
        before = parts.p
    assert parts.p == pytest.approx(whole.p, rel=1e-12)
    assert ((whole.p > 0) & (whole.p <= 1)).all()


def test_nothing_is_learned_from_missing_values_nor_from_ties():
    for capital in (BoundedCapital(2), SymmetricCapital(2)):
        capital.add(np.full((30, 2), [np.nan, 0.0]))
        assert capital.p.tolist() == [1.0, 1.0]


def _false_alarms(capital: Capital, values: np.ndarray) -> float:
    capital.add(values)
    return float((capital.p <= 0.05).mean())


def test_the_chance_of_ever_being_wrong_is_held_at_all_times():
    rng, n, runs = np.random.default_rng(1), 300, 2000
    signs = rng.choice([-1.0, 0.0, 1.0], (n, runs))
    skewed = np.where(rng.random((n, runs)) < 0.2, 0.8, -0.2)
    heavy = rng.standard_t(2, (n, runs))
    assert _false_alarms(BoundedCapital(runs), signs) <= 0.05
    assert _false_alarms(BoundedCapital(runs), skewed) <= 0.05  # its mean is 0, and it is anything but symmetric
    assert _false_alarms(SymmetricCapital(runs), heavy) <= 0.05
    assert _false_alarms(SymmetricCapital(runs, 0.1), heavy + 0.1) <= 0.05
    assert _false_alarms(BoundedCapital(runs, 0.3), 0.3 + 0.7 * signs) <= 0.05


def test_what_differs_is_found():
    rng = np.random.default_rng(2)
    assert _false_alarms(BoundedCapital(200), rng.choice([-1.0, 1.0], (100, 200), p=[0.25, 0.75])) >= 0.95
    assert _false_alarms(SymmetricCapital(200), rng.normal(0.1, 0.15, (60, 200))) >= 0.95


def test_the_sequence_holds_the_mean_however_one_stops():
    rng, missed = np.random.default_rng(3), 0
    for _ in range(60):
        values = np.where(rng.random(200) < 0.3, 0.7, -0.3)  # mean 0
        ends = [confidence_sequence(values[:n]) for n in (24, 80, 200)]
        missed += any(low > 0 or high < 0 for low, high in ends)
    assert missed <= 6


def test_the_sequence_narrows_onto_the_mean():
    values = np.random.default_rng(4).uniform(0.1, 0.3, 400)
    (low, high), (later_low, later_high) = confidence_sequence(values[:40]), confidence_sequence(values)
    assert -1 <= low <= later_low < 0.2 < later_high <= high <= 1
    assert later_high - later_low < 0.3
