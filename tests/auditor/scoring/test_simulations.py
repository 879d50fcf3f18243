"""The statistics keep their promises on simulated scores whose truth is known.

Small numbers of simulations, with bounds wide enough for them; tests/benchmarks/statistics_power.py prints the tables.
"""

import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest

STUDIES = Path(__file__).parents[2] / "benchmarks" / "statistics_power.py"


@pytest.fixture(scope="module")
def studies():
    spec = util.spec_from_file_location("statistics_power", STUDIES)
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def binomial(p, simulations):
    """Three standard errors."""
    return 3 * np.sqrt(p * (1 - p) / simulations)


@pytest.mark.parametrize("n", [8, 20, 50])
def test_intervals_reach_their_coverage_and_stay_within_bounds(studies, n):
    simulations = {8: 120, 20: 80, 50: 40}[n]
    found = {name: studies.coverage(name, n, simulations) for name in studies.SCORES}
    assert {name: row["outside"] for name, row in found.items()} == dict.fromkeys(found, 0.0)
    holds = {name: row["holds"] for name, row in found.items()}
    assert 0.92 <= np.mean(list(holds.values())) <= 0.98
    assert min(holds.values()) >= 0.90 - binomial(0.90, simulations), holds


@pytest.mark.parametrize("k", [3, 8])
@pytest.mark.parametrize("n", [8, 20, 50])
def test_equal_methods_tie_and_a_planted_best_one_is_found(studies, k, n):
    equal = studies.first_places(k, n, 0.0, 60)
    assert equal["all share"] >= 0.95 - binomial(0.95, 60)
    assert equal["wrong alone"] <= 0.05
    planted = studies.first_places(k, n, {8: 0.4, 20: 0.25, 50: 0.15}[n], 20)
    assert planted["alone"] >= 0.8 and planted["wrong alone"] == 0


@pytest.mark.parametrize(("k", "n"), [(3, 8), (8, 8), (8, 20)])
def test_random_maps_are_seldom_called_faithful(studies, k, n):
    found = studies.evidence(k, n, 0.0, 80)
    assert found["any above"] <= 0.05 + binomial(0.05, 80)
    assert n >= 20 or found["rejected"] <= 0.02  # want of images rejects nobody


def test_faithful_methods_are_seldom_rejected(studies):
    assert studies.evidence(8, 8, 0.15, 30)["rejected"] == 0
    assert studies.evidence(8, 20, 0.15, 30)["above"] >= 0.95
    assert studies.evidence(8, 20, 0.1, 40)["rejected"] <= 0.05 + binomial(0.05, 40)


@pytest.mark.parametrize("k", [3, 8])
def test_alpha_of_equal_methods_is_seldom_more_than_chance(studies, k):
    for n in (8, 20):
        assert studies.agreement(k, n, 0.0, 60)["above chance"] <= 0.05
    found = studies.agreement(k, 20, 0.1, 60)
    assert found["holds"] >= 0.8 and found["mean"] == pytest.approx(found["true alpha"], abs=0.05)
