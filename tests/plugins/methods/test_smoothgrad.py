"""SmoothGrad: what its averages converge to, its noise, and what it is over other methods."""

import numpy as np
import pytest

from geoaudit import Cost, InputSpace, Problems, Quadrature, registry
from geoaudit.analytic import AnalyticProbe
from geoaudit.errors import PluginError
from geoaudit_plugins.methods.smoothgrad import Moments, SmoothGrad, SmoothGradParameters

ENTRY = registry.load(()).methods["smoothgrad"]
SHAPE = (2, 3, 3)
W = np.random.default_rng(0).normal(size=18)


def make(budget="standard", **settings):
    return registry.create(ENTRY, budget, {name: str(value) for name, value in settings.items()})


def scene(probe, count=2, low=(0.0, 0.0), high=(1.0, 1.0)):
    x = np.random.default_rng(3).uniform(size=(count, *SHAPE))
    x[:, 0, 0, 0], x[:, 1, 0, 0] = 0.0, 1.0  # contrast 1 in pixels
    space = InputSpace("NCHW", SHAPE, low, high)
    x = space.per_channel(low) + x * (space.per_channel(high) - space.per_channel(low))
    baseline, targets = np.zeros_like(x), np.zeros(count, np.int64)
    ids = tuple(f"{i}.png" for i in range(count))
    made = Problems(ids, x, baseline, targets, probe.outputs(x, targets), probe.outputs(baseline, targets), space)
    probe.spent = Cost()
    return made


def linear():
    return AnalyticProbe(lambda x: (x * W).sum(axis=1), lambda x: np.tile(W, (len(x), 1)))


def quadratic(seen=None):
    """f = sum w x^2 / 2, whose gradient w x tells where it was asked for."""

    def gradient(x):
        if seen is not None:
            seen.append(x)
        return W * x

    return AnalyticProbe(lambda x: 0.5 * (W * x**2).sum(axis=1), gradient)


@pytest.mark.parametrize(("variant", "expected"), [("mean", W), ("square", W**2), ("variance", 0 * W)])
def test_a_linear_model_is_exact(variant, expected):
    probe = linear()
    made = make(variant=variant).attribute(scene(probe), probe)
    np.testing.assert_allclose(made.values.reshape(2, -1), [expected, expected], rtol=1e-14, atol=1e-15)
    assert made.records == (None, None)


def test_the_variants_are_the_moments_of_the_copies_gradients():
    seen = []
    probe = quadratic(seen)
    asked = scene(probe)
    mean, square, variance = (make(variant=v).attribute(asked, probe).values for v in ("mean", "square", "variance"))
    gradients = (W * np.concatenate(seen)[:25]).reshape(25, *SHAPE)  # the first image's copies
    np.testing.assert_allclose(mean[0], gradients.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(square[0], (gradients**2).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(variance[0], gradients.var(axis=0), rtol=1e-9)


def test_moments_do_not_cancel_in_large_numbers():
    moments = Moments((1,), "variance")
    for value in (1e8, 1e8 + 1, 1e8 + 2):
        moments.add(np.array([value]))
    assert moments.value() == pytest.approx(2 / 3, rel=1e-9)


def test_noise_is_a_share_of_the_contrast_in_each_channels_own_scale():
    seen = []
    probe = quadratic(seen)
    asked = scene(probe, low=(0.0, -2.0), high=(1.0, 8.0))
    asked.x[1] *= 0.5
    asked.x[1, 1] -= 1.0  # pixels at half their value: half the contrast
    make(samples=4000, sigma=0.2).attribute(asked, probe)
    noise = np.concatenate(seen).reshape(2, 4000, *SHAPE) - asked.x[:, None]
    spread = noise.std(axis=(1, 3, 4))
    np.testing.assert_allclose(spread, [[0.2, 2.0], [0.1, 1.0]], rtol=0.02)
    assert np.abs(noise.mean(axis=1)).max() < 0.2


def test_a_picture_of_one_colour_and_sigma_zero_give_the_gradient_itself():
    probe = quadratic()
    asked = scene(probe)
    plain = make(sigma=0).attribute(asked, probe).values
    np.testing.assert_allclose(plain.reshape(2, -1), W * asked.x.reshape(2, -1), rtol=1e-14)
    asked.x[:] = 0.7
    np.testing.assert_allclose(make().attribute(asked, probe).values.reshape(2, -1), [0.7 * W] * 2, rtol=1e-14)


def test_copies_follow_the_images_id_and_the_seed_alone_and_fill_batches():
    batches = []
    probe = quadratic(batches)
    asked = scene(probe, count=5)
    together = make().attribute(asked, probe).values
    assert [len(b) for b in batches] == [64, 61]
    np.testing.assert_array_equal(make().attribute(asked.select([3]), probe).values[0], together[3])
    reseeded = quadratic()
    reseeded.rng = lambda *key: np.random.default_rng(99)
    assert np.abs(make().attribute(asked, reseeded).values - together).max() > 1e-3


def test_over_integrated_gradients_it_is_the_mean_of_the_copies_maps():
    """From 0 the map of f = sum w x^2 / 2 is w x^2 / 2, which adds up to f(x)."""
    probe = quadratic()
    asked = scene(probe)
    method = make(base="integrated-gradients", samples=6)
    values = method.attribute(asked, probe).values
    assert probe._lines is None  # the run keeps the lines of this probe: not to be filled with noisy copies
    for i, image in enumerate(asked.ids):
        copies = asked.x[i] + 0.15 * probe.rng("smoothgrad", image).standard_normal((6, *SHAPE))
        maps = 0.5 * W.reshape(SHAPE) * copies**2
        np.testing.assert_allclose(values[i], maps.mean(axis=0), atol=1e-4)
    assert method.flags == {"not-complete", "stochastic"} and method.base.id == "integrated-gradients"


def test_a_probe_of_its_own_quadrature_answers_like_the_one_behind_it():
    probe = quadratic()
    asked = scene(probe)
    alone = probe.with_quadrature(probe.quadrature)
    np.testing.assert_array_equal(alone.straight_line(asked).values, probe.straight_line(asked).values)
    nodes, expected = alone.recorded_line(asked), probe.recorded_line(asked)
    for field in ("vertices", "gradients", "values"):
        for found, known in zip(getattr(nodes, field), getattr(expected, field), strict=True):
            np.testing.assert_array_equal(found, known)
    assert alone.once("a", lambda: 1) == probe.once("a", lambda: 2) == 1 and alone.spent == probe.spent
    assert alone.calibration is probe.calibration and alone.quadrature is probe.quadrature
    np.testing.assert_array_equal(
        alone.probabilities(asked.x, asked.targets), probe.probabilities(asked.x, asked.targets)
    )


def test_the_base_methods_draws_differ_between_copies():
    keys = []
    probe = linear()
    draw = probe.rng
    probe.rng = lambda *key: keys.append(key) or draw(*key)
    make(base="rise", samples=3).attribute(scene(probe, count=1), probe)
    drawn = [key for key in keys if key[0] == "rise"]
    assert len(drawn) == len(set(drawn)) == 3


def test_it_costs_its_base_once_a_copy():
    quadrature = Quadrature()
    assert make().cost(quadrature) == Cost(gradients=25)
    assert make("quick").cost(quadrature) == Cost(gradients=10) and make("thorough").cost(quadrature).gradients == 50
    over = make(base="integrated-gradients", samples=2)
    assert over.cost(quadrature) == over.base.cost(quadrature) * 2 + Cost(forwards=2)
    assert over.memory(quadrature) > over.base.memory(quadrature)


def test_a_base_that_its_parameters_do_not_name_is_refused():
    with pytest.raises(PluginError, match="gradient to build on"):
        SmoothGrad(SmoothGradParameters(base="integrated-gradients"))
