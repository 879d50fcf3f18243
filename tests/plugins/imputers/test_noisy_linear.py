"""Noisy linear imputation against the dense system written out, and what must not change it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit import InputSpace, Problems
from geoaudit.analytic import AnalyticProbe
from geoaudit.errors import PluginError
from geoaudit_plugins.imputers.neighbour_means import neighbour_means
from geoaudit_plugins.imputers.noisy_linear import NoisyLinear, NoisyLinearParameters

PROBE = AnalyticProbe(lambda points: points.sum(axis=1), None)
QUIET = NoisyLinear(NoisyLinearParameters(noise=0))


def pose(size=(7, 9), channels=3, layout="NCHW", dtype=np.float64, n=2, low=-2.0, high=3.0):
    x = np.random.default_rng(0).uniform(low, high, (n, channels, *size))
    x = np.ascontiguousarray(x if layout == "NCHW" else np.moveaxis(x, 1, -1)).astype(dtype)
    space = InputSpace(layout, x.shape[1:], (low,) * channels, (high,) * channels)
    zeros = np.zeros(n)
    ids = tuple(f"image {i}" for i in range(n))
    return Problems(ids, x, np.zeros_like(x), zeros.astype(np.int64), zeros, zeros, space)


def drawn(size, share, seed=1):
    return np.random.default_rng(seed).random(size) < share


def planes(point, problems):
    return np.moveaxis(point, problems.space.channel_axis, 0)


def by_hand(picture, gone):
    """The paper's equations for one channel (h, w), pixel by pixel, solved densely."""
    h, w = gone.shape
    matrix, right = np.eye(h * w), picture.ravel().astype(np.float64).copy()
    for y, x in zip(*np.nonzero(gone), strict=True):
        weights = {}
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if (dy or dx) and 0 <= y + dy < h and 0 <= x + dx < w:
                    weights[(y + dy) * w + x + dx] = 1 / 6 if dy == 0 or dx == 0 else 1 / 12
        total = sum(weights.values())
        for place, weight in weights.items():
            matrix[y * w + x, place] = -weight / total
        right[y * w + x] = 0.0
    return np.linalg.solve(matrix, right).reshape(h, w)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("channels", "size"), [(3, (7, 9)), (1, (16, 16)), (2, (5, 1)), (1, (1, 12)), (3, (2, 2))])
def test_it_solves_the_papers_equations(layout, channels, size):
    problems = pose(size, channels, layout)
    filler = QUIET.open(problems, PROBE)
    for share in (0.2, 0.5, 0.8):
        gone = drawn(size, share)
        gone.flat[0] = False
        for point, x in zip(filler(np.array([0, 1]), np.stack([gone] * 2)), problems.x, strict=True):
            for found, known in zip(planes(point, problems), planes(x, problems), strict=True):
                np.testing.assert_allclose(found, by_hand(known, gone), atol=1e-7)
                np.testing.assert_array_equal(found[~gone], known[~gone])


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 17), width=st.integers(1, 17), share=st.floats(0.05, 0.99), seed=st.integers(0, 9999))
def test_any_shape_and_any_hole(height, width, share, seed):
    rng = np.random.default_rng(seed)
    picture, gone = rng.random((1, height, width)), rng.random((height, width)) < share
    gone[rng.integers(height), rng.integers(width)] = False
    np.testing.assert_allclose(neighbour_means(picture, gone, 1e-9)[0], by_hand(picture[0], gone), atol=1e-7)


def test_one_pixel_inside_and_in_the_corner():
    problems = pose((3, 3), 1, n=1)
    picture, gone = problems.x[0, 0], np.zeros((1, 3, 3), bool)
    gone[0, 1, 1] = True
    direct, diagonal = picture[[0, 1, 1, 2], [1, 0, 2, 1]].sum(), picture[[0, 0, 2, 2], [0, 2, 0, 2]].sum()
    found = QUIET.open(problems, PROBE)(np.array([0]), gone)[0, 0]
    assert found[1, 1] == pytest.approx(direct / 6 + diagonal / 12, abs=1e-9)
    corner = np.zeros((1, 3, 3), bool)
    corner[0, 0, 0] = True
    found = QUIET.open(problems, PROBE)(np.array([0]), corner)[0, 0]
    assert found[0, 0] == pytest.approx(0.4 * (picture[0, 1] + picture[1, 0]) + 0.2 * picture[1, 1], abs=1e-9)


def test_a_large_block_between_two_colours_is_a_ramp():
    """Columns know only their left and right neighbours: the solution is linear in between, whatever the size."""
    picture = np.zeros((1, 40, 66))
    picture[..., -1] = 1.0
    gone = np.ones((40, 66), bool)
    gone[:, [0, -1]] = False
    found = neighbour_means(picture, gone, 1e-9)
    np.testing.assert_allclose(found[0], np.broadcast_to(np.arange(66) / 65, (40, 66)), atol=1e-7)
    single = neighbour_means(picture.astype(np.float32), gone, 1e-4)
    assert single.dtype == np.float32 and np.abs(single - found).max() < 2e-4


def test_everything_removed_gives_the_mean_colour_and_nothing_removed_the_image():
    problems = pose(layout="NHWC", dtype=np.float32)
    filler = QUIET.open(problems, PROBE)
    whole = filler(np.array([1]), np.ones((1, 7, 9), bool))[0]
    mean = problems.x[1].mean(axis=(0, 1), dtype=np.float64)
    np.testing.assert_allclose(whole, np.broadcast_to(mean, whole.shape), atol=1e-5)
    np.testing.assert_array_equal(filler(np.array([1]), np.zeros((1, 7, 9), bool))[0], problems.x[1])


def test_what_is_removed_is_not_looked_at():
    problems, gone = pose(), drawn((7, 9), 0.5)
    before = QUIET.open(problems, PROBE)(np.array([0]), gone[None])
    problems.x[0][:, gone] = 99.0
    np.testing.assert_allclose(QUIET.open(problems, PROBE)(np.array([0]), gone[None]), before, atol=1e-12)


def test_the_noise_has_the_stated_size_and_is_the_images_own():
    problems = pose((60, 60), 3, n=2, dtype=np.float32)
    gone = drawn((60, 60), 0.6)
    images, masks = np.array([0, 1]), np.stack([gone] * 2)
    noisy = NoisyLinear(NoisyLinearParameters(noise=0.02)).open(problems, PROBE)(images, masks)
    noise = noisy - QUIET.open(problems, PROBE)(images, masks)
    assert not noise[:, :, ~gone].any()
    drawn_noise = noise[:, :, gone]
    assert drawn_noise.std() == pytest.approx(0.02 * 5.0, rel=0.03), "in shares of the pixel range, which is 5 here"
    assert abs(drawn_noise.mean()) < 0.005
    correlations = np.corrcoef(drawn_noise.reshape(6, -1))
    assert np.abs(correlations - np.eye(6)).max() < 0.1, "each channel and each image its own"


def test_every_mask_sees_the_same_noise_however_often_it_is_asked():
    problems = pose((12, 12), 1)
    filler = NoisyLinear().open(problems, PROBE)
    quiet = QUIET.open(problems, PROBE)
    small, large = drawn((12, 12), 0.3), drawn((12, 12), 0.3) | drawn((12, 12), 0.5, 2)
    both = [filler(np.array([0]), gone[None]) - quiet(np.array([0]), gone[None]) for gone in (small, large)]
    np.testing.assert_allclose(both[0][..., small], both[1][..., small], atol=1e-12)
    np.testing.assert_array_equal(filler(np.array([0]), small[None]), filler(np.array([0]), small[None]))
    other = NoisyLinear().open(problems, PROBE.reseeded(5))(np.array([0]), small[None])
    assert np.abs(other - filler(np.array([0]), small[None])).max() > 1e-4


def test_an_image_does_not_depend_on_its_batch():
    problems = pose((9, 9), n=3)
    masks = np.stack([drawn((9, 9), share) for share in (0.2, 0.9, 0.5)])
    together = NoisyLinear().open(problems, PROBE)(np.array([2, 0, 1]), masks)
    few = problems.select([1, 2])
    apart = NoisyLinear().open(few, PROBE)(np.array([1, 0]), masks[[0, 2]])
    np.testing.assert_array_equal(apart, together[[0, 2]])


def test_channels_of_different_range_are_solved_alike_and_an_empty_range_is_no_error():
    problems = pose((8, 8), 2, n=1)
    scaled = pose((8, 8), 2, n=1)
    scaled.x[:, 1] *= 1000.0
    space = InputSpace("NCHW", (2, 8, 8), (-2.0, -2000.0), (3.0, 3000.0))
    scaled = Problems(**{**vars(scaled), "space": space})
    gone = drawn((8, 8), 0.7)[None]
    found, large = (NoisyLinear().open(p, PROBE)(np.array([0]), gone) for p in (problems, scaled))
    np.testing.assert_allclose(large[:, 1], 1000.0 * found[:, 1], rtol=1e-9, atol=1e-4)
    flat = Problems(**{**vars(problems), "space": InputSpace("NCHW", (2, 8, 8), (1.0, 1.0), (1.0, 1.0))})
    assert np.isfinite(NoisyLinear().open(flat, PROBE)(np.array([0]), gone)).all()


def test_an_accuracy_out_of_reach_is_an_error_and_no_guess():
    with pytest.raises(PluginError, match="could not solve"):
        neighbour_means(np.random.default_rng(0).random((1, 9, 9)).astype(np.float32), drawn((9, 9), 0.8), -1.0)
