"""Similarities against exact cases: the same map is 1, an unrelated one about 0, a constant one has none."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from geoaudit import InputSpace
from geoaudit_plugins.sanity.similarity import correlation, hog, picture, ranks, spearman, ssim

SPACES = {
    "rgb-nchw": InputSpace("NCHW", (3, 40, 48), (0.0,) * 3, (1.0,) * 3),
    "grey-nhwc": InputSpace("NHWC", (40, 48, 1), (0.0,), (1.0,)),
}
RNG = np.random.default_rng(5)
SCENES = [(space, RNG.standard_normal(space.shape), RNG.standard_normal(space.shape)) for space in SPACES.values()]
every_space = pytest.mark.parametrize(("space", "a", "b"), SCENES, ids=SPACES)
either_sign = pytest.mark.parametrize("signed", [False, True])
READINGS = {
    "spearman": lambda a, b, space, signed=False: spearman(a, b, signed),
    "ssim": ssim,
    "hog": hog,
}
readings = pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)


@readings
@either_sign
@every_space
def test_a_map_is_like_itself_at_any_scale(space, a, b, reading, signed):
    assert reading(a, a, space, signed) == pytest.approx(1, abs=1e-9)
    assert reading(a, a.astype(np.float32), space, signed) == pytest.approx(1, abs=1e-5)
    assert reading(a, 1000 * a, space, signed) == pytest.approx(1, abs=1e-6)


@readings
@either_sign
@every_space
def test_unrelated_maps_are_not_alike(space, a, b, reading, signed):
    assert abs(reading(a, b, space, signed)) < (0.5 if reading is hog else 0.2)  # noise has no direction anywhere
    assert reading(a, b, space, signed) == pytest.approx(reading(b, a, space, signed), abs=1e-9)


@readings
@either_sign
@every_space
def test_a_constant_map_and_one_that_is_not_finite_have_no_similarity(space, a, b, reading, signed):
    broken = a.copy()
    broken.flat[3] = np.nan
    for other in (np.zeros_like(a), np.full_like(a, 2.5), broken):
        assert math.isnan(reading(a, other, space, signed)) and math.isnan(reading(other, a, space, signed))


@every_space
def test_the_sign_is_read_only_where_it_is_asked_for(space, a, b):
    assert spearman(a, -a) == pytest.approx(1) and spearman(a, -a, signed=True) == pytest.approx(-1)
    assert ssim(a, -a, space) == pytest.approx(1) and ssim(a, -a, space, signed=True) < 0.5
    assert hog(a, -a, space) == pytest.approx(1)
    assert spearman(np.abs(a), a) == pytest.approx(1) and spearman(np.abs(a), a, signed=True) < 0.5


def test_ranks_do_not_mind_a_monotone_change():
    a = np.random.default_rng(0).standard_normal((3, 9, 9))
    assert spearman(a, a**3, signed=True) == pytest.approx(1) and spearman(a, np.exp(np.abs(a))) == pytest.approx(1)
    reversed_order = 1 / np.abs(a)
    assert spearman(a, reversed_order) == pytest.approx(-1)


@either_sign
def test_rank_correlation_is_scipys_with_many_ties(signed):
    rng = np.random.default_rng(1)
    a, b = rng.integers(-2, 3, 400).astype(float), rng.integers(-2, 3, 400).astype(float)
    b[:200] = a[:200]
    given = (a, b) if signed else (np.abs(a), np.abs(b))
    assert spearman(a, b, signed) == pytest.approx(spearmanr(*given).statistic, abs=1e-12)
    assert list(ranks(np.array([0.0, -2.0, 2.0, 0.0]))) == [1.5, 3.5, 3.5, 1.5]


def test_one_element_has_no_order():
    assert math.isnan(correlation(np.ones(1), np.ones(1)))
    assert math.isnan(spearman(np.ones((1, 1, 1)), np.ones((1, 1, 1))))


def test_a_picture_adds_channels_and_is_scaled_by_itself():
    space = InputSpace("NCHW", (2, 1, 2), (0.0,) * 2, (1.0,) * 2)
    a = np.array([[[3.0, 1.0]], [[-1.0, -3.0]]])
    np.testing.assert_allclose(picture(a, space), [[1, 1]])
    np.testing.assert_allclose(picture(a, space, signed=True), [[1, -1]])
    np.testing.assert_allclose(picture(0 * a, space), 0)


@pytest.mark.parametrize("side", [1, 2, 3, 5, 8, 20])
def test_small_pictures_have_a_value_or_none(side):
    space = InputSpace("NCHW", (1, side, side), (0.0,), (1.0,))
    a = np.random.default_rng(side).standard_normal(space.shape)
    for reading in (ssim, hog):
        found = reading(a, a, space)
        assert math.isnan(found) if side < 3 else found == pytest.approx(1)


def test_moving_the_map_moves_pixels_and_keeps_outlines_less_than_half_alike():
    space = SPACES["grey-nhwc"]
    a = np.zeros(space.shape)
    a[4:12, 4:12] = 1
    moved = np.roll(a, 20, axis=(0, 1))
    assert spearman(a, moved) < 0 and ssim(a, moved, space) < 1 and hog(a, moved, space) < 0.5
