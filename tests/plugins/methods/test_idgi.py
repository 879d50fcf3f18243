"""IDGI: exact sums, closed forms, zero gradients, and what it shares with its walk."""

import numpy as np
import pytest

from geoaudit import Cost, Polyline, Quadrature, registry
from geoaudit.analytic import AnalyticProbe, feature_problems
from geoaudit.errors import UsageError
from geoaudit.paths.recording import integrate_recorded
from geoaudit_plugins.methods.gradient import Gradient
from geoaudit_plugins.methods.guided_ig import GuidedIG, GuidedIGParameters
from geoaudit_plugins.methods.idgi import IDGI, shared_out
from geoaudit_plugins.methods.integrated_gradients import IntegratedGradients

W = np.array([2.0, -1.0, 0.0])


def linear(quadrature=None):
    return AnalyticProbe(lambda x: x @ W, lambda x: np.broadcast_to(W, x.shape).copy(), quadrature)


def wave(quadrature=None):
    return AnalyticProbe(
        lambda x: x[:, 0] * x[:, 1] + np.sin(4 * x[:, 0]),
        lambda x: np.c_[x[:, 1] + 4 * np.cos(4 * x[:, 0]), x[:, 0]],
        quadrature,
    )


def test_a_linear_model_shares_by_squared_weights():
    probe = linear()
    result = IDGI().attribute(feature_problems(probe, [0, 0, 0], [3, 4, 5]), probe)
    np.testing.assert_allclose(result.values.ravel(), W**2 / 5 * (2 * 3 - 4), rtol=1e-12)
    assert result.values.ravel()[2] == 0


@pytest.mark.parametrize("nodes", [3, 5, 40])
def test_it_adds_up_exactly_whatever_the_number_of_nodes(nodes):
    probe = wave(Quadrature(tolerance=1e9, node_limit=nodes, scan=65, first_nodes=nodes))
    problems = feature_problems(probe, [0.0, 0.5], [2.0, 1.0])
    result = IDGI().attribute(problems, probe)
    record = result.records[0]
    assert record.nodes <= nodes + 1
    assert result.values.sum() == pytest.approx(problems.delta_f[0], rel=1e-12)
    assert record.completeness_error == pytest.approx(0, abs=1e-12)


def test_a_monotone_walk_leaves_nothing_to_cancel():
    probe = AnalyticProbe(
        lambda x: np.exp(2 * x[:, 0] - x[:, 1]), lambda x: np.exp(x @ [2.0, -1.0])[:, None] * [2.0, -1.0]
    )
    problems = feature_problems(probe, [0, 0], [1, 1])
    ours, straight = IDGI().attribute(problems, probe), IntegratedGradients().attribute(problems, probe)
    assert ours.values.min() >= 0
    assert ours.records[0].magnitude == pytest.approx(problems.delta_f[0], rel=1e-12)
    assert straight.records[0].magnitude == pytest.approx(3 * problems.delta_f[0], rel=1e-3)


def test_its_nodes_are_those_of_the_straight_line_and_cost_nothing_more():
    probe = wave()
    problems = feature_problems(probe, [0.0, 0.5], [2.0, 1.0])
    IntegratedGradients().attribute(problems, probe)
    before = probe.spent
    record = IDGI().attribute(problems, probe).records[0]
    assert probe.spent == before
    assert record.gradients == probe.spent.gradients == record.nodes


def test_another_methods_walk():
    probe = wave()
    problems = feature_problems(probe, [0.0, 0.5], [2.0, 1.0])
    guided = IDGI(base=GuidedIG(GuidedIGParameters(steps=20))).attribute(problems, probe)
    assert guided.values.sum() == pytest.approx(problems.delta_f[0], rel=1e-12)
    assert np.abs(guided.values - IDGI().attribute(problems, probe).values).max() > 1e-3
    assert guided.records[0].gradients < probe.spent.gradients


def test_a_base_that_walks_nowhere_is_refused():
    with pytest.raises(UsageError, match="walks no path"):
        IDGI(base=Gradient())


def test_it_depends_on_what_its_walk_depends_on():
    shelf = registry.load(()).methods
    made = {
        b: registry.create(shelf["idgi"], "quick", {"base": b}) for b in ("blur-ig", "geodesic-ig-svi", "guided-ig")
    }
    assert {name: set(method.flags) for name, method in made.items()} == {
        "blur-ig": {"ncc-by-construction", "own-baseline"},
        "geodesic-ig-svi": {"ncc-by-construction", "stochastic"},
        "guided-ig": {"ncc-by-construction"},
    }


def test_it_is_prepared_as_its_walk_is():
    class Learner(IntegratedGradients):
        def preparation(self, quadrature, calibration):
            return Cost(gradients=3.0 * calibration)

    assert IDGI(base=Learner()).preparation(Quadrature(), 5) == Cost(gradients=15.0)


def test_a_gradient_that_is_not_finite_is_not_taken_for_none():
    gradients = np.array([[1.0, 2], [np.nan, 1], [1, 1]])
    assert np.isnan(shared_out(gradients, np.array([0.0, 1.0, 2.0]), np.arange(3), (2,))).all()


def test_a_walk_that_ends_elsewhere_is_the_walks_error_and_not_the_integrals():
    class Short(IntegratedGradients):
        def recorded(self, problems, probe):
            return integrate_recorded(Polyline([np.stack([b, 0.5 * (b + x)]) for b, x in zip(
                problems.baseline, problems.x, strict=True)]), problems, probe)  # fmt: skip

    probe = linear()
    record = IDGI(base=Short()).attribute(feature_problems(probe, [0, 0, 0], [3, 4, 5]), probe).records[0]
    assert record.method_error == pytest.approx(0.5) and record.completeness_error == pytest.approx(0.5)
    assert record.quadrature_error < 1e-12


@pytest.mark.parametrize("flat", [[0], [1], [2], [0, 1], [1, 2]])
def test_pieces_without_gradient_lose_nothing(flat):
    gradients = np.random.default_rng(0).normal(size=(4, 2))
    gradients[flat] = 0
    outputs = np.array([0.0, 1.0, -0.5, 3.0])
    made = shared_out(gradients, outputs, np.arange(4), (2,))
    assert np.isfinite(made).all() and made.sum() == pytest.approx(3.0, rel=1e-12)


def test_without_any_gradient_the_map_is_zero():
    made = shared_out(np.zeros((3, 2)), np.array([0.0, 1.0, 2.0]), np.arange(3), (2,))
    assert not made.any()


def test_tiny_gradients_of_single_precision_count():
    gradients = np.float32([[3e-30, 4e-30], [3e-30, 4e-30]])
    np.testing.assert_allclose(shared_out(gradients, np.array([0.0, 1.0]), np.arange(2), (2,)), [0.36, 0.64], rtol=1e-6)


def test_an_image_that_equals_its_baseline_gets_zeros():
    probe = wave()
    result = IDGI().attribute(feature_problems(probe, [1.0, 2.0], [1.0, 2.0]), probe)
    assert not result.values.any() and probe.spent.gradients == 0


def test_a_still_walk_has_no_nodes_whatever_was_recorded_on_it():
    probe = wave()
    made, nodes = GuidedIG(GuidedIGParameters(steps=5)).recorded(feature_problems(probe, [1, 2], [1, 2]), probe)
    assert made.records[0].nodes == len(nodes.values[0]) == len(nodes.gradients[0]) == len(nodes.vertices[0]) == 0


def test_half_the_nodes_are_every_other_one():
    probe = wave(Quadrature(tolerance=1e9, node_limit=9, scan=9, first_nodes=8))
    problems = feature_problems(probe, [0.0, 0.5], [1.0, 1.0])
    record = IDGI().attribute(problems, probe).records[0]
    line = probe.recorded_line(problems)
    places = [*range(0, record.nodes - 1, 2), record.nodes - 1]  # the last node always counts
    squares = line.gradients[0].reshape(record.nodes, -1)[places[:-1]] ** 2
    thin = (squares / squares.sum(axis=1, keepdims=True) * np.diff(line.values[0][places])[:, None]).sum(axis=0)
    assert record.sum_half == pytest.approx(problems.delta_f[0])
    assert record.magnitude_half == pytest.approx(np.abs(thin).sum(), rel=1e-9)
    assert record.magnitude_half != pytest.approx(record.magnitude, rel=1e-3)
