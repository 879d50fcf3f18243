"""Geometric IG: what follows from its definition, both readings, and where it may look."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit import Cost, InputSpace, Problems, Quadrature, registry
from geoaudit.analytic import AnalyticProbe, feature_problems

ENTRY = registry.load(()).methods["geometric-ig"]
few = settings(max_examples=15, deadline=None)


def geometric(budget="standard", **parameters):
    return registry.create(ENTRY, budget, {name: str(value) for name, value in parameters.items()})


def network(seed, d=8, scale=1.0, offset=0.0):
    rng = np.random.default_rng(seed)
    w, a = rng.normal(size=(5, d)), scale * rng.normal(size=5)
    w[:, 2] = 0.0  # the model never looks at feature 2

    def inner(x):
        return np.einsum("nd,hd->nh", x, w)

    return AnalyticProbe(
        lambda x: np.einsum("nh,h->n", np.tanh(inner(x)), a) + offset,
        lambda x: np.einsum("nh,hd->nd", (1 - np.tanh(inner(x)) ** 2) * a, w),
        Quadrature(node_limit=64, scan=33, first_nodes=16),
    )


def problem(probe, seed, d=8):
    start, end = np.random.default_rng(seed + 1).uniform(0, 1, (2, d))
    return feature_problems(probe, start, end)


def flat(method, problems, probe):
    return method.attribute(problems, probe).values.ravel()


readings = pytest.mark.parametrize("reading", ["ascent", "line"])


@few
@given(seed=st.integers(0, 9999), reading=st.sampled_from(["ascent", "line"]))
def test_nowhere_below_the_gradient_at_the_image_and_blind_where_the_model_is(seed, reading):
    probe = network(seed)
    problems = problem(probe, seed)
    values = flat(geometric(reading=reading), problems, probe)
    _, gradient = probe.value_and_gradient(problems.x, problems.targets)
    assert (values >= np.abs(gradient.ravel()) - 1e-15).all() and values[2] == 0


@few
@given(seed=st.integers(0, 9999))
def test_it_only_grows_with_ascent_steps_and_nested_scales(seed):
    probe = network(seed)
    problems = problem(probe, seed)
    by_steps = [flat(geometric(scales=6, ascent_steps=t), problems, probe) for t in (0, 1, 3, 6)]
    by_scales = [flat(geometric(scales=m, ascent_steps=0), problems, probe) for m in (1, 3, 6, 24)]
    for maps in (by_steps, by_scales):
        assert all((after >= before - 1e-12).all() for before, after in pairwise(maps))


def test_ascents_and_scales_find_more_than_the_image_shows():
    probe = network(11)
    problems = problem(probe, 11)
    image, scaled, ascended = (
        flat(geometric(scales=m, ascent_steps=t), problems, probe) for m, t in ((1, 0), (8, 0), (8, 6))
    )
    assert (scaled > image + 1e-6).any() and (ascended > scaled + 1e-6).any()


@readings
def test_a_linear_model_shows_its_weights(reading):
    w = np.array([2.0, -3.0, 0.0, 0.5])
    probe = AnalyticProbe(lambda x: x @ w, lambda x: np.broadcast_to(w, x.shape).copy())
    problems = feature_problems(probe, [0.1, 0.2, 0.3, 0.4], [0.9, 0.1, 0.5, 0.4])
    np.testing.assert_array_equal(flat(geometric(reading=reading), problems, probe), np.abs(w))
    np.testing.assert_array_equal(flat(geometric(reading=reading, signed=True), problems, probe), w)
    way = (problems.x - problems.baseline).ravel()
    both = geometric(reading=reading, signed=True, times_input=True)
    np.testing.assert_allclose(flat(both, problems, probe), w * way, rtol=1e-15)


@readings
def test_a_constant_changes_nothing_and_a_factor_only_the_scale(reading):
    method = geometric(reading=reading)
    plain, shifted, scaled = (network(3), network(3, offset=16.0), network(3, scale=2.5))
    expected = flat(method, problem(plain, 3), plain)
    np.testing.assert_allclose(flat(method, problem(shifted, 3), shifted), expected, rtol=1e-12)
    np.testing.assert_allclose(flat(method, problem(scaled, 3), scaled), 2.5 * expected, rtol=1e-9)


def test_a_negative_factor_only_scales_the_line_as_there_nothing_is_climbed():
    plain, turned = network(4), network(4, scale=-2.0)
    for parameters in ({"reading": "line"}, {"ascent_steps": 0}):
        method = geometric(**parameters)
        expected = 2 * flat(method, problem(plain, 4), plain)
        np.testing.assert_allclose(flat(method, problem(turned, 4), turned), expected, rtol=1e-9)


def saturating():
    """sin(x0) + 0 x1: the gradient cos(x0) is largest at the baseline's side."""
    return AnalyticProbe(lambda x: np.sin(x[:, 0]), lambda x: np.c_[np.cos(x[:, 0]), np.zeros(len(x))])


def test_the_closed_form_of_a_saturating_feature():
    """From u = k / 4 each step goes 0.1 / 4 up (f rises on [0, 1]); the largest cosine is at the first scaled input."""
    probe = saturating()
    problems = feature_problems(probe, [0.0, 0.0], [1.0, 0.0])
    values = flat(geometric(scales=4, ascent_steps=3), problems, probe)
    np.testing.assert_allclose(values, [np.cos(0.25), 0.0], rtol=1e-12)
    highest = flat(geometric(scales=4, ascent_steps=3, aggregate="best-point"), problems, probe)
    np.testing.assert_allclose(highest[0], np.cos(1.0), rtol=1e-12)  # the ascent from the image is stopped at 1
    line = flat(geometric(reading="line"), problems, probe)
    assert np.cos(0.05) < line[0] < 1, "the baseline is no scaled input"


def test_ascent_steps_are_a_tenth_of_the_way_between_scaled_inputs_and_end_at_the_range():
    seen = []
    probe = AnalyticProbe(
        lambda x: x[:, 0] * 3 + x[:, 1] * 4, lambda x: (seen.append(x), np.tile([3.0, 4.0], (len(x), 1)))[1]
    )
    problems = feature_problems(probe, [0.0, 0.5], [0.9, 0.5])
    geometric(scales=3, ascent_steps=2).attribute(problems, probe)
    rounds = np.stack(seen)
    np.testing.assert_allclose(rounds[0], [[0.3, 0.5], [0.6, 0.5], [0.9, 0.5]])
    np.testing.assert_allclose(rounds[1:] - rounds[:-1], np.tile([0.6 * 0.03, 0.8 * 0.03], (2, 3, 1)))
    seen.clear()
    far = feature_problems(probe, [0.0, 0.99], [1.0, 0.99])
    geometric(scales=1, ascent_steps=4).attribute(far, probe)
    assert np.concatenate(seen).max() == 1.0, "pixel values end at 1"
    seen.clear()
    outside = feature_problems(probe, [0.0, 0.0], [1.5, -0.5])
    geometric(scales=1, ascent_steps=3).attribute(outside, probe)
    assert seen[0][0, 0] == 1.5 and np.concatenate(seen)[:, 0].max() == 1.5, "an image outside the range stays"


def test_the_line_is_shared_and_the_ascent_is_announced_to_the_gradient():
    probe = network(5)
    problems = problem(probe, 5)
    record = probe.recorded_line(problems)
    probe.recorded_line = lambda _: record
    probe.spent = Cost()
    geometric(reading="line").attribute(problems, probe)
    assert probe.spent == Cost()
    for budget, gradients in (("quick", 30), ("standard", 120), ("thorough", 440)):
        probe.spent = Cost()
        geometric(budget).attribute(problems, probe)
        assert probe.spent == geometric(budget).cost(Quadrature()) == Cost(gradients=gradients)


def test_best_point_is_the_gradient_at_the_highest_output():
    probe = network(6)
    problems = problem(probe, 6)
    line = probe.recorded_line(problems)
    expected = line.gradients[0][1:][np.argmax(line.values[0][1:])].ravel()
    method = geometric(reading="line", aggregate="best-point", signed=True)
    np.testing.assert_array_equal(flat(method, problems, probe), expected)


def several(probe, count, dtype=np.float64):
    shape = (1, 2, 4)
    x, baseline = np.random.default_rng(2).uniform(0, 1, (2, count, *shape)).astype(dtype)
    x[1] = baseline[1]
    targets = np.zeros(count, np.int64)
    space = InputSpace("NCHW", shape, (0.0,), (1.0,))
    f_x, f_b = probe.outputs(x, targets), probe.outputs(baseline, targets)
    return Problems(tuple(map(str, range(count))), x, baseline, targets, f_x, f_b, space)


@readings
def test_batches_are_bounded_and_no_image_sees_another(reading):
    probe = network(7)
    problems = several(probe, 9)
    batches = []
    inner = probe.gradient
    probe.gradient = lambda x: (batches.append(len(x)), inner(x))[1]
    method = geometric(reading=reading)
    together = method.attribute(problems, probe).values
    assert max(batches) <= 64 and max(batches) > 20, "several images at a time"
    for i in (0, 1, 8):
        np.testing.assert_array_equal(method.attribute(problems.select([i]), probe).values[0], together[i])
    batches.clear()
    geometric(scales=150, ascent_steps=1).attribute(problems.select([0]), probe)
    assert sum(batches) == 300 and max(batches) <= 64


@readings
@pytest.mark.parametrize("aggregate", ["elementwise", "best-point"])
def test_an_image_that_equals_its_baseline_gets_its_gradient(reading, aggregate):
    probe = network(8)
    problems = several(probe, 2)
    _, gradients = probe.value_and_gradient(problems.x, problems.targets)
    method = geometric(reading=reading, aggregate=aggregate)
    np.testing.assert_array_equal(method.attribute(problems, probe).values[1], np.abs(gradients[1]))
    times = geometric(reading=reading, aggregate=aggregate, times_input=True)
    assert not times.attribute(problems, probe).values[1].any()


def test_a_flat_model_gives_nothing():
    probe = AnalyticProbe(lambda x: np.zeros(len(x)), np.zeros_like)
    for reading in ("ascent", "line"):
        values = flat(geometric(reading=reading), feature_problems(probe, [0.0, 0.0], [1.0, 1.0]), probe)
        np.testing.assert_array_equal(values, 0.0)


def test_it_says_that_it_is_a_reconstruction_and_not_complete():
    assert {"reconstruction", "not-complete"} == ENTRY.cls.flags and ENTRY.cls.runs == "with all"
    assert "reconstruction" in ENTRY.cls.title


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiny_gradients_are_climbed_like_others(dtype):
    """Of a saturated probability, say: one over their length is no number of single precision."""
    seen = []
    for scale in (1.0, 1e-42):
        slope = (np.array([3.0, 0.0, 4.0]) * scale).astype(dtype)
        points = []
        probe = AnalyticProbe(lambda x, s=slope: x @ s.astype(np.float64), lambda x: x)
        probe.value_and_gradient = lambda x, _, s=slope, p=points: (
            p.append(x.copy()), np.zeros(len(x)), np.tile(s, (len(x), 1)).reshape(x.shape))[1:]  # fmt: skip
        given = feature_problems(probe, [0.1, 0.2, 0.3], [0.5, 0.4, 0.3])
        given = replace(given, x=given.x.astype(dtype), baseline=given.baseline.astype(dtype))
        values = flat(geometric(scales=4, ascent_steps=3), given, probe)
        np.testing.assert_array_equal(values, slope)
        seen.append(np.concatenate(points))
    np.testing.assert_allclose(seen[1], seen[0], rtol=1e-3)


@pytest.mark.parametrize("aggregate", ["elementwise", "best-point"])
def test_gradients_that_are_no_numbers_show(aggregate):
    probe = AnalyticProbe(
        lambda x: np.where(x[:, 0] == 0.5, np.nan, x[:, 0]),
        lambda x: np.where((x == 0.5) | np.isnan(x), np.nan, 1.0),
    )
    problems = replace(feature_problems(probe, [0.0, 0.0], [1.0, 0.0]), f_x=np.ones(1), f_baseline=np.zeros(1))
    values = flat(geometric(scales=2, ascent_steps=1, aggregate=aggregate), problems, probe)
    assert np.isnan(values[0]) and values[1] == 1.0
