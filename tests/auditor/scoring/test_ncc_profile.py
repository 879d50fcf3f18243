"""NCC over granularity: invariants of no-cancellation completeness."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoaudit.api import InputSpace
from geoaudit.scoring.ncc import profile, violation

SPACE = InputSpace("NCHW", (3, 64, 64), (0.0,) * 3, (1.0,) * 3)
entries = arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e3, 1e3, allow_subnormal=False))


@given(entries)
def test_violation_is_a_share_and_twice_the_minority_mass(a):
    value = violation(a)
    assert 0 <= value <= 1
    magnitude = np.abs(a).sum()
    if magnitude > 1e-9:
        minority = min(a[a > 0].sum(), -a[a < 0].sum())
        assert value * magnitude == pytest.approx(magnitude - abs(a.sum()), abs=1e-9 * magnitude)
        assert value * magnitude == pytest.approx(2 * minority, abs=1e-9 * magnitude)


@given(entries, st.floats(0.01, 100), st.booleans())
def test_scale_sign_and_order_do_not_matter(a, factor, negative):
    scaled = a[::-1] * (-factor if negative else factor)
    assert violation(scaled) == pytest.approx(violation(a), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_merging_never_increases_cancellation(seed):
    rng = np.random.default_rng(seed)
    drift = rng.normal(0, 0.3, (1, 8, 8)).repeat(8, 1).repeat(8, 2)
    levels = list(profile(rng.standard_normal(SPACE.shape) + drift, SPACE).values())
    assert all(fine >= coarse - 1e-12 for fine, coarse in pairwise(levels))
    assert levels[0] > levels[-1] + 0.02


def test_known_values_and_names():
    values = np.zeros(SPACE.shape)
    values[0], values[1] = 3.0, -1.0  # cancels between channels only
    found = profile(values, SPACE)
    assert list(found) == ["element", "pixel", "patch 4 px", "patch 8 px", "patch 16 px", "patch 32 px"]
    assert found["element"] == pytest.approx(0.5) and found["pixel"] == 0
    small = InputSpace("NHWC", (10, 12, 3), (0.0,) * 3, (1.0,) * 3)
    assert list(profile(np.zeros(small.shape), small)) == ["element", "pixel", "patch 4 px", "patch 8 px"]
    assert set(profile(np.zeros(small.shape), small).values()) == {0.0}
    # the closed-form case f = 2 x1 - x2: A = (2, -1), violation 2/3
    assert violation(np.array([2.0, -1.0])) == pytest.approx(2 / 3)
