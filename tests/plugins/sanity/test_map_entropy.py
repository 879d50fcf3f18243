"""Discrete entropy of maps: known for few values, and relative to the original map's."""

import math

import numpy as np
import pytest

from geoaudit_plugins.sanity.entropy import entropy, rise


def test_entropy_of_known_histograms():
    assert entropy(np.full((1, 4, 4), -3.0)) == 0
    assert entropy(np.array([[[1.0, -1.0, 0.0, 0.0]]])) == pytest.approx(1)
    assert entropy(np.linspace(0.005, 0.995, 100) / 0.995 * 0.9999) == pytest.approx(math.log2(100), abs=0.05)


def test_entropy_does_not_mind_scale_nor_sign_nor_place():
    a = np.random.default_rng(0).standard_normal((3, 8, 8))
    for other in (7 * a, -a, np.roll(a, 3)):
        assert entropy(other) == pytest.approx(entropy(a), abs=1e-9)


def test_a_map_of_zeros_has_none():
    for empty in (np.zeros((1, 2, 2)), np.array([np.nan, 1.0]), np.array([np.inf, 1.0])):
        assert math.isnan(entropy(empty)) and math.isnan(rise(empty, np.arange(4.0)))


def test_the_rise_is_relative_to_the_first_map():
    two, four = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.4, 0.7, 1.0])
    assert rise(two, four) == pytest.approx(1) and rise(four, two) == pytest.approx(-0.5)
    assert rise(two, two) == 0
    assert math.isnan(rise(np.ones(4), two)), "the first map has no disorder to rise from"
