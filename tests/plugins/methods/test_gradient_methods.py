"""Gradient, gradient x input and integrated gradients on models whose answers are known."""

import numpy as np
import pytest

from geoaudit import Quadrature, registry
from geoaudit.analytic import AnalyticProbe, feature_problems

METHODS = registry.load(()).methods
W = np.array([2.0, -1.0, 0.5])


def attribute(plugin, probe, start, end):
    problems = feature_problems(probe, start, end)
    result = registry.create(METHODS[plugin], "standard", {}).attribute(problems, probe)
    return result.values.ravel(), result.records[0], problems


def linear():
    return AnalyticProbe(lambda x: x @ W + 3, lambda x: np.tile(W, (len(x), 1)))


def curved():
    return AnalyticProbe(
        lambda x: np.tanh(3 * x @ W), lambda x: 3 * (1 - np.tanh(3 * x @ W) ** 2)[:, None] * W, Quadrature()
    )


START, END = np.array([0.5, 0.0, 0.0]), np.array([1.0, 2.0, 1.0])


def test_gradient_is_the_weights_and_claims_no_walk():
    values, record, _ = attribute("gradient", linear(), START, END)
    np.testing.assert_array_equal(values, W)
    assert record is None


@pytest.mark.parametrize("plugin", ["gradient-x-input", "integrated-gradients", "guided-ig", "guided-ig-bounded"])
def test_linear_models_are_shared_out_exactly(plugin):
    values, _, problems = attribute(plugin, linear(), START, END)
    np.testing.assert_allclose(values, W * (END - START), atol=1e-12)
    assert values.sum() == pytest.approx(problems.delta_f[0], abs=1e-12)


@pytest.mark.parametrize("plugin", ["gradient", "gradient-x-input"])
def test_one_gradient_an_image_at_the_image(plugin):
    probe = curved()
    values, _, _ = attribute(plugin, probe, START, END)
    way = END - START if plugin == "gradient-x-input" else 1.0
    np.testing.assert_allclose(values, probe.gradient(END[None])[0] * way, atol=1e-15)
    assert probe.spent.gradients == 1 == METHODS[plugin].cls().cost(Quadrature()).gradients


def test_gradient_x_input_is_zero_where_nothing_changed():
    values, _, _ = attribute("gradient-x-input", curved(), START, [*START[:2], 3.0])
    assert not values[:2].any() and values[2] != 0


def test_integrated_gradients_of_a_ridge_follow_the_weights():
    probe = curved()
    values, record, problems = attribute("integrated-gradients", probe, START, END)
    share = W * (END - START) / (W @ (END - START))  # A_i = w_i d_i / (w . d) times delta f, for any f = h(w . x)
    np.testing.assert_allclose(values, share * problems.delta_f[0], rtol=0.03)
    assert record.met and record.completeness_error <= 0.03


def test_placed_nodes_beat_as_many_uniform_ones():
    probe = curved()
    start, end = -10 * np.ones(3), 11 * np.ones(3)  # saturated at both ends, the whole step in the middle
    _, record, problems = attribute("integrated-gradients", probe, start, end)
    points = start + ((np.arange(record.gradients) + 0.5) / record.gradients)[:, None] * (end - start)
    uniform = probe.gradient(points).mean(0) @ (end - start)
    uniform_error = abs(uniform - problems.delta_f[0]) / abs(problems.delta_f[0])
    assert record.completeness_error < 0.1 * uniform_error
    assert uniform_error > 0.05 and record.met
