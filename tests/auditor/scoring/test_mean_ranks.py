"""Ranks are scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import rankdata

from geoaudit.scoring.mean_ranks import mean_ranks


@given(arrays.arrays(np.float64, st.integers(1, 40), elements=st.sampled_from([-2.0, -0.0, 0.0, 0.5, 1.0, np.inf])))
def test_equal_numbers_share_the_mean_of_their_ranks(values: np.ndarray) -> None:
    np.testing.assert_array_equal(mean_ranks(values), rankdata(values))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_maps_worth_of_numbers(dtype: type) -> None:
    values = np.random.default_rng(0).standard_normal(50_000).astype(dtype)
    values[::3] = 0
    np.testing.assert_array_equal(mean_ranks(values), rankdata(values))


def test_nothing_has_no_ranks() -> None:
    assert mean_ranks(np.empty(0)).shape == (0,)
