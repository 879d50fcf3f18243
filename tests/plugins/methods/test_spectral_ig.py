"""Spectral IG: the schedule of the singular components, in closed form and against its limits."""

import numpy as np
import pytest

from geoaudit import InputSpace, Problems, Quadrature
from geoaudit.analytic import AnalyticProbe
from geoaudit_plugins.methods.integrated_gradients import IntegratedGradients
from geoaudit_plugins.methods.spectral_ig import SpectralIG, SpectralIGParameters

FINE = Quadrature(tolerance=1e-4, node_limit=2048, scan=129, first_nodes=64)


def pictures(x, baseline, probe, layout="NCHW"):
    """Problems of pictures x (n, *shape)."""
    x, baseline = np.asarray(x, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    n, targets = len(x), np.zeros(len(x), np.int64)
    channels = x.shape[1] if layout == "NCHW" else x.shape[3]
    space = InputSpace(layout, x.shape[1:], (0.0,) * channels, (1.0,) * channels)
    ids = tuple(f"{i}.png" for i in range(n))
    return Problems(ids, x, baseline, targets, probe.outputs(x, targets), probe.outputs(baseline, targets), space)


def smooth_model(size, seed=3):
    w, v = np.random.default_rng(seed).normal(size=(2, size)) / np.sqrt(size)
    return AnalyticProbe(
        lambda x: np.tanh((x * w).sum(axis=1)) + (np.sin(2 * x) * v).sum(axis=1),
        lambda x: (1 - np.tanh((x * w).sum(axis=1)) ** 2)[:, None] * w + 2 * np.cos(2 * x) * v,
        FINE,
    )


def test_two_components_arrive_one_after_the_other():
    # d = 3 e1 e1' + 1 e2 e2': sigma = 3, 1; with overlap .5 the second starts at .5 (1 - 1/3) = 1/3
    probe = smooth_model(4)
    problems = pictures([[[[3.0, 0.0], [0.0, 1.0]]]], np.zeros((1, 1, 2, 2)), probe)
    t = np.array([0.0, 0.25, 1 / 3, 0.5, 0.75, 1.0])
    points = SpectralIG(SpectralIGParameters(overlap=0.5)).walk(problems, probe).at(0, t)[:, 0]
    np.testing.assert_allclose(points[:, 0, 0], 3 * np.clip(t / 0.5, 0, 1), atol=1e-12)
    np.testing.assert_allclose(points[:, 1, 1], np.clip((t - 1 / 3) / 0.5, 0, 1), atol=1e-12)
    np.testing.assert_allclose(points[:, [0, 1], [1, 0]], 0, atol=1e-12)


@pytest.mark.parametrize("overlap", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_both_ends_are_exact_and_channels_are_apart(overlap, layout):
    probe, rng = smooth_model(3 * 5 * 4), np.random.default_rng(0)
    shape = (2, 3, 5, 4) if layout == "NCHW" else (2, 5, 4, 3)
    x, baseline = rng.uniform(size=(2, *shape))
    x[1, ...] = np.where(rng.uniform(size=shape[1:]) < 0.5, x[1], baseline[1])
    problems = pictures(x, baseline, probe, layout)
    curve = SpectralIG(SpectralIGParameters(overlap=overlap)).walk(problems, probe)
    for i in range(2):
        ends = curve.at(i, np.array([0.0, 1.0]))
        np.testing.assert_array_equal(ends, [problems.baseline[i], problems.x[i]])
        way = np.moveaxis(curve.at(i, np.array([0.5]))[0] - problems.baseline[i], problems.space.channel_axis, 0)
        whole = np.moveaxis(problems.x[i] - problems.baseline[i], problems.space.channel_axis, 0)
        for part, channel in zip(way, whole, strict=True):  # no component has run past its end
            assert np.linalg.norm(part) <= np.linalg.norm(channel) + 1e-12


def test_a_full_overlap_is_integrated_gradients():
    probe = smooth_model(48)
    problems = pictures(np.random.default_rng(1).uniform(size=(2, 3, 4, 4)), np.zeros((2, 3, 4, 4)), probe)
    straight = IntegratedGradients().attribute(problems, probe).values
    spectral = SpectralIG(SpectralIGParameters(overlap=1.0)).attribute(problems, probe).values
    np.testing.assert_array_equal(spectral, straight)
    nearly = SpectralIG(SpectralIGParameters(overlap=0.4)).attribute(problems, probe).values
    assert np.abs(nearly - straight).max() > 1e-3


def test_complete_and_additive_models_get_integrated_gradients():
    w = np.random.default_rng(4).normal(size=48)
    additive = AnalyticProbe(lambda x: np.sin(x) @ w, lambda x: np.cos(x) * w, FINE)
    problems = pictures(np.random.default_rng(1).uniform(size=(1, 3, 4, 4)), np.zeros((1, 3, 4, 4)), additive)
    values = SpectralIG().attribute(problems, additive).values[0].ravel()
    np.testing.assert_allclose(values, w * np.sin(problems.x[0].ravel()), atol=2e-3)
    probe = smooth_model(48)
    record = SpectralIG().attribute(pictures(problems.x, problems.baseline, probe), probe).records[0]
    assert record.met and record.completeness_error < 1e-3


def test_a_channel_that_does_not_differ_gets_nothing():
    probe = smooth_model(48)
    x = np.random.default_rng(1).uniform(size=(1, 3, 4, 4))
    x[0, 1] = 0.25
    values = SpectralIG().attribute(pictures(x, np.full((1, 3, 4, 4), 0.25), probe), probe).values
    np.testing.assert_allclose(values[0, 1], 0, atol=1e-15)
    assert np.abs(values[0, [0, 2]]).min() > 0


def test_transposing_the_picture_transposes_the_map():
    w = np.random.default_rng(4).normal(size=(1, 4, 4))
    w = w + w.transpose(0, 2, 1)  # a model that cannot tell a picture from its transpose
    probe = AnalyticProbe(
        lambda x: np.tanh(x @ w.ravel()), lambda x: (1 - np.tanh(x @ w.ravel()) ** 2)[:, None] * w.ravel()
    )
    x = np.random.default_rng(1).uniform(size=(1, 1, 4, 4))
    problems = pictures(np.concatenate([x, x.transpose(0, 1, 3, 2)]), np.zeros((2, 1, 4, 4)), probe)
    values = SpectralIG().attribute(problems, probe).values
    np.testing.assert_allclose(values[1, 0], values[0, 0].T, atol=1e-9)
