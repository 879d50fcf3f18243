"""Blur IG: the blur in closed form, the walk's ends, and what the map adds up to."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from geoaudit import InputSpace, Problems, Quadrature
from geoaudit.analytic import AnalyticProbe
from geoaudit_plugins.methods.blur_ig import Blur, BlurIG, BlurIGParameters

FINE = Quadrature(tolerance=1e-4, node_limit=4096, scan=257, first_nodes=128)


def space_of(shape, layout="NCHW"):
    channels = shape[0] if layout == "NCHW" else shape[2]
    return InputSpace(layout, shape, (0.0,) * channels, (1.0,) * channels)


def pictures(x, probe, layout="NCHW"):
    """Problems of pictures x (n, *shape) against black."""
    targets, baseline = np.zeros(len(x), np.int64), np.zeros_like(x)
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    ids = tuple(f"{i}.png" for i in range(len(x)))
    return Problems(ids, x, baseline, targets, f_x, f_baseline, space_of(x.shape[1:], layout))


def model(size, seed=3):
    w, v = np.random.default_rng(seed).normal(size=(2, size)) / np.sqrt(size)
    return AnalyticProbe(
        lambda x: np.tanh((x * w).sum(axis=1)) + (np.sin(2 * x) * v).sum(axis=1),
        lambda x: (1 - np.tanh((x * w).sum(axis=1)) ** 2)[:, None] * w + 2 * np.cos(2 * x) * v,
        FINE,
    )


def cosine(n, k):
    """A cosine of k half periods with reflecting ends, shape (1, n, n), across the columns."""
    wave = np.cos(np.pi * k * (np.arange(n) + 0.5) / n)
    return np.broadcast_to(wave, (1, n, n)).copy()


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("sigma", [0.5, 2.0, 7.0])
def test_a_cosine_fades_as_a_gaussian_says(k, sigma):
    picture = cosine(24, k)
    blurred = Blur(picture, space_of(picture.shape))(np.array([0.0, sigma]))
    np.testing.assert_allclose(blurred[0], picture, atol=1e-12)
    np.testing.assert_allclose(blurred[1], picture * np.exp(-0.5 * (sigma * np.pi * k / 24) ** 2), atol=1e-12)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_it_is_scipys_blur_with_reflecting_borders(layout):
    shape, axes = ((3, 20, 14), (1, 2)) if layout == "NCHW" else ((20, 14, 3), (0, 1))
    picture = np.random.default_rng(0).uniform(size=shape)
    ours = Blur(picture, space_of(shape, layout))(np.array([2.5]))[0]
    theirs = gaussian_filter(picture, 2.5, axes=axes, mode="reflect", truncate=8)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(ours.mean(axis=axes), picture.mean(axis=axes), atol=1e-12)  # no light is lost


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_walk_ends_at_the_image_and_starts_at_its_own_baseline(dtype):
    probe = model(3 * 64)
    problems = pictures(np.random.default_rng(2).uniform(size=(2, 3, 8, 8)).astype(dtype), probe)
    method = BlurIG()
    posed = method.pose(problems, probe)
    assert posed.baseline.dtype == dtype and (problems.baseline == 0).all()
    np.testing.assert_allclose(posed.f_baseline, probe.outputs(posed.baseline, problems.targets))
    for i in range(2):
        ends = method.walk(posed, probe).at(i, np.array([0.0, 1.0]))
        np.testing.assert_array_equal(ends, [posed.baseline[i], problems.x[i]])
        assert posed.baseline[i].std() < 0.6 * problems.x[i].std()


def test_the_map_adds_up_to_what_the_detail_is_worth():
    probe = model(3 * 64)
    problems = pictures(np.random.default_rng(2).uniform(size=(2, 3, 8, 8)), probe)
    result = BlurIG().attribute(problems, probe)
    posed = BlurIG().pose(problems, probe)
    sums = result.values.reshape(2, -1).sum(axis=1)
    np.testing.assert_allclose(sums, problems.f_x - posed.f_baseline, rtol=1e-3)
    assert [r.delta_f for r in result.records] == pytest.approx(posed.delta_f)
    assert all(r.completeness_error < 1e-3 and r.method_error < 1e-9 for r in result.records)


def test_additive_models_get_the_difference_to_the_blurred_image():
    w = np.random.default_rng(4).normal(size=64)
    additive = AnalyticProbe(lambda x: np.sin(x) @ w, lambda x: np.cos(x) * w, FINE)
    problems = pictures(np.random.default_rng(1).uniform(size=(1, 1, 8, 8)), additive)
    posed = BlurIG().pose(problems, additive)
    expected = w * (np.sin(problems.x[0].ravel()) - np.sin(posed.baseline[0].ravel()))
    np.testing.assert_allclose(BlurIG().attribute(problems, additive).values[0].ravel(), expected, atol=2e-3)


def test_a_picture_without_detail_gets_zeros():
    probe = model(64)
    result = BlurIG().attribute(pictures(np.full((1, 1, 8, 8), 0.3, np.float32), probe), probe)
    assert not result.values.any() and result.records[0].gradients == 0


def test_where_detail_comes_back_and_nowhere_else():
    # the right half is flat far beyond the blur's reach
    picture = np.zeros((1, 1, 8, 64))
    picture[..., :8] = np.random.default_rng(1).uniform(size=(8, 8))
    probe = model(8 * 64)
    values = BlurIG(BlurIGParameters(sigma=1 / 8)).attribute(pictures(picture, probe), probe).values[0, 0]
    # below one pixel the Gaussian of a band-limited picture rings: parts in a million, far away
    assert np.abs(values[:, :8]).max() > 1e-3 and np.abs(values[:, 20:]).max() < 1e-5


def test_a_mirrored_picture_gets_the_mirrored_map():
    w = np.random.default_rng(4).normal(size=(1, 6, 8))
    w = (w + w[..., ::-1]).ravel()
    probe = AnalyticProbe(lambda x: np.tanh(x @ w), lambda x: (1 - np.tanh(x @ w) ** 2)[:, None] * w)
    x = np.random.default_rng(1).uniform(size=(1, 1, 6, 8))
    values = BlurIG().attribute(pictures(np.concatenate([x, x[..., ::-1]]), probe), probe).values
    np.testing.assert_allclose(values[1], values[0][..., ::-1], atol=1e-9)
