"""Complexity: closed forms."""

import numpy as np
import pytest

from geoaudit import Attributions, Evidence, InputSpace, Problems
from geoaudit_plugins.metrics.complexity import Complexity


def score(values, layout="NCHW"):
    values = np.asarray(values, np.float32)[None]
    space = InputSpace(layout, values.shape[1:], (0.0,) * 3, (1.0,) * 3)
    problems = Problems(("a",), values, values, np.zeros(1, np.int64), np.ones(1), np.zeros(1), space)
    found = Complexity().score(Attributions(values, (None,)), problems, Evidence(None, None))
    return found.values[0], found.reasons[0]


def test_one_pixel_is_zero_a_flat_map_one_and_k_equal_pixels_the_ratio_of_logarithms():
    single, flat, four = np.zeros((3, 4, 8)), np.full((3, 4, 8), -2.0), np.zeros((3, 4, 8))
    single[1, 2, 3] = -5
    four[:, 0, :4] = 0.1
    assert score(single) == (0.0, None) and np.copysign(1, score(single)[0]) == 1
    assert score(flat) == (pytest.approx(1.0, abs=1e-12), None) and score(flat)[0] <= 1.0
    assert score(four)[0] == pytest.approx(np.log(4) / np.log(32))


def test_channels_count_together_and_signs_do_not_count():
    values = np.random.default_rng(0).normal(size=(3, 4, 8))
    shares = np.abs(values).sum(axis=0).ravel()
    shares /= shares.sum()
    wanted = -(shares * np.log(shares)).sum() / np.log(32)
    assert score(values)[0] == pytest.approx(wanted, rel=1e-6) == score(-7 * values)[0]
    assert score(values.transpose(1, 2, 0), "NHWC")[0] == pytest.approx(wanted, rel=1e-6)


def test_no_shares_no_score():
    value, reason = score(np.zeros((3, 4, 8)))
    assert np.isnan(value) and reason == "the map is zero everywhere"
    value, reason = score(np.full((3, 4, 8), np.nan))
    assert np.isnan(value) and reason == "the map is not finite"
    value, reason = score(np.ones((3, 1, 1)))
    assert np.isnan(value) and reason == "the image is a single pixel"
    assert Complexity.higher_is_better is None and not Complexity.reads_importance
