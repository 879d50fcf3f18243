"""Guided IG against the published code's arrays, closed forms, and what its walk must obey."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit import Cost, InputSpace, Problems, Quadrature, registry
from geoaudit.analytic import AnalyticProbe, feature_problems
from geoaudit.paths.integrator import integrate
from geoaudit.paths.walk import straight_line
from geoaudit_plugins.methods import guided_ig
from geoaudit_plugins.methods.guided_ig import advance

REFERENCE = dict(np.load(Path(__file__).parent / "guided_ig_reference.npz"))
METHODS = registry.load(()).methods


def guided(steps, fraction, max_dist, rule="left", plugin="guided-ig"):
    given = {"steps": steps, "fraction": fraction, "max_dist": max_dist, "rule": rule}
    return registry.create(METHODS[plugin], "standard", {name: str(value) for name, value in given.items()})


class ReferenceProbe:
    """The float64 network that the reference arrays were made with, in torch; counts gradients."""

    quadrature = Quadrature()

    def __init__(self, probability):
        self.probability = probability
        self.spent = Cost()
        self.weights = {k: torch.from_numpy(REFERENCE[k]) for k in ("w1", "b1", "w2", "b2", "w3", "b3")}

    def scores(self, points, targets):
        w = self.weights
        h = torch.nn.functional.softplus(torch.conv2d(points, w["w1"], w["b1"], padding=1))
        h = torch.relu(torch.conv2d(h, w["w2"], w["b2"], stride=2)).flatten(1)
        logits = h @ w["w3"].T + w["b3"]
        rows = torch.softmax(logits, 1) if self.probability else logits
        return rows[torch.arange(len(points)), torch.from_numpy(targets)]

    def outputs(self, points, targets):
        with torch.no_grad():
            return self.scores(torch.from_numpy(points), targets).numpy()

    def value_and_gradient(self, points, targets):
        self.spent += Cost(gradients=len(points))
        x = torch.from_numpy(points).requires_grad_()
        f = self.scores(x, targets)
        (gradient,) = torch.autograd.grad(f.sum(), x)
        return f.detach().numpy(), gradient.numpy()


def reference_problems(probe, half):
    x = REFERENCE["X"]
    baseline = np.broadcast_to(REFERENCE["base_half" if half else "base_zero"], x.shape).copy()
    targets = REFERENCE["target"].astype(np.int64)
    space = InputSpace("NCHW", x.shape[1:], (0.0,) * 3, (1.0,) * 3)
    f_x, f_b = probe.outputs(x, targets), probe.outputs(baseline, targets)
    return Problems(("a", "b", "c"), x, baseline, targets, f_x, f_b, space)


@pytest.mark.parametrize("name", REFERENCE["names"])
def test_left_rule_reproduces_the_published_code(name):
    steps, fraction, max_dist, probability, half = REFERENCE[f"cfg_{name}"]
    probe = ReferenceProbe(bool(probability))
    problems = reference_problems(probe, half)
    np.testing.assert_allclose(problems.delta_f, REFERENCE[f"delta_{name}"], atol=1e-9)
    result = guided(int(steps), fraction, max_dist).attribute(problems, probe)
    np.testing.assert_allclose(result.values, REFERENCE[f"attr_{name}"], rtol=0, atol=1e-9)
    assert [r.gradients for r in result.records] == REFERENCE[f"ngrad_{name}"].tolist()
    assert probe.spent.gradients == REFERENCE[f"ngrad_{name}"].sum()


def test_the_network_is_the_references():
    probe = ReferenceProbe(False)
    problems = reference_problems(probe, half=False)
    expected = REFERENCE["logits"][np.arange(3), REFERENCE["target"]]
    np.testing.assert_allclose(problems.f_x, expected, atol=1e-12)


@pytest.mark.parametrize("name", ["unbounded_f10", "mid_half_baseline", "unbounded_f25_prob"])
def test_integrating_the_recorded_walk_closes_most_of_the_gap(name):
    steps, fraction, max_dist, probability, half = REFERENCE[f"cfg_{name}"]
    probe = ReferenceProbe(bool(probability))
    problems = reference_problems(probe, half)
    missing = {}
    for rule in ("left", "trapezoid", "refined"):
        records = guided(int(steps), fraction, max_dist, rule).attribute(problems, probe).records
        missing[rule] = np.array([r.completeness_error for r in records])
    assert missing["refined"].max() < 0.03 < missing["left"].max()
    assert missing["refined"].max() < 0.4 * missing["left"].max()
    if name != "unbounded_f25_prob":  # there the trapezoid sum of one image is worse than the left one
        assert (missing["trapezoid"] < missing["left"]).all()


def quadratic():
    return AnalyticProbe(
        lambda x: (2 * x[:, 0] + x[:, 1]) ** 2, lambda x: 2 * (2 * x[:, :1] + x[:, 1:2]) * np.array([2.0, 1.0])
    )


@pytest.mark.parametrize("name", sorted(k for k in REFERENCE if k.startswith("quad_")))
def test_toy_arrays(name):
    fraction, max_dist, steps = (float(part[1:]) for part in name.split("_")[1:])
    probe = quadratic()
    problems = feature_problems(probe, [0.0, 0.0], [3.0, 3.0])
    values = guided(int(steps), fraction, max_dist).attribute(problems, probe).values.ravel()
    np.testing.assert_allclose(values, REFERENCE[name], rtol=0, atol=1e-9)
    assert probe.spent.gradients == steps


def test_separable_models_have_their_own_map():
    probe = AnalyticProbe(lambda x: x**2 @ [2.0, 1.0], lambda x: 2 * x * [2.0, 1.0])
    problems = feature_problems(probe, [0.0, 0.0], [3.0, 3.0])
    left = guided(1000, 0.25, 1.0).attribute(problems, probe).values.ravel()
    np.testing.assert_allclose(left, [18, 9], rtol=1e-2)
    refined = guided(20, 0.25, 1.0, "refined").attribute(problems, probe).values.ravel()
    np.testing.assert_allclose(refined, [18, 9], rtol=1e-12)


def network(seed, d=12):
    rng = np.random.default_rng(seed)
    w, a = rng.normal(size=(6, d)), rng.normal(size=6)
    return AnalyticProbe(lambda x: np.tanh(x @ w.T) @ a, lambda x: (1 - np.tanh(x @ w.T) ** 2) * a @ w), rng


def random_problem(seed):
    probe, rng = network(seed)
    start, end = rng.normal(size=(2, 12))
    end[3] = start[3]
    return probe, feature_problems(probe, start, end)


few = settings(max_examples=15, deadline=None)


@few
@given(seed=st.integers(0, 9999), limits=st.sampled_from([(1.0, 1.0), (1.0, 0.1), (0.3, 0.0)]))
def test_without_freedom_it_is_the_straight_lines_left_sum(seed, limits):
    probe, problems = random_problem(seed)
    values = guided(40, *limits).attribute(problems, probe).values
    way = problems.x - problems.baseline
    points = problems.baseline + (np.arange(40) / 40)[:, None, None, None] * way
    _, gradients = probe.value_and_gradient(points, np.zeros(40, np.int64))
    np.testing.assert_allclose(values, gradients.mean(0, keepdims=True) * way, atol=1e-12)


@few
@given(seed=st.integers(0, 9999), fraction=st.floats(0.01, 1), max_dist=st.floats(0, 1), steps=st.integers(1, 40))
def test_what_every_walk_obeys(seed, fraction, max_dist, steps):
    probe, problems = random_problem(seed)
    walk = guided(steps, fraction, max_dist).walk(problems, probe)
    vertices = walk.vertices[0].reshape(steps + 1, -1)
    start, end = problems.baseline.ravel(), problems.x.ravel()
    way = end - start
    progress = (vertices - start) / np.where(way == 0, 1, way)
    progress[:, way == 0] = 0
    assert (progress > -1e-12).all() and (progress < 1 + 1e-12).all()  # in the box
    assert (np.diff(progress, axis=0) > -1e-12).all()  # never back
    done = np.arange(steps + 1) / steps
    np.testing.assert_allclose(progress @ np.abs(way) / np.abs(way).sum(), done, atol=1e-8)
    lead = np.abs(progress - done[:, None])[:, way != 0]
    assert lead.max() <= max_dist + 1 / steps * 1e-9 + 1e-9 if max_dist else True
    np.testing.assert_array_equal(vertices[0], start)
    np.testing.assert_array_equal(vertices[-1], end)
    assert (vertices[:, 3] == start[3]).all()


@pytest.mark.parametrize("rule", ["left", "trapezoid", "refined"])
def test_features_that_do_not_move_get_exactly_nothing(rule):
    probe, problems = random_problem(1)
    values = guided(20, 0.25, 1.0, rule).attribute(problems, probe).values.ravel()
    assert values[3] == 0.0 and np.count_nonzero(values) == 11


def test_images_that_equal_their_baseline_cost_nothing_even_in_company():
    probe, problems = random_problem(2)
    pair = Problems(
        ("a", "b"), np.concatenate([problems.x, problems.baseline]), np.concatenate([problems.baseline] * 2),
        np.zeros(2, np.int64), np.repeat(problems.f_x, 2), np.repeat(problems.f_baseline, 2), problems.space,
    )  # fmt: skip
    before = probe.spent.gradients
    result = guided(20, 0.25, 1.0).attribute(pair, probe)
    assert probe.spent.gradients - before == 20 and not result.values[1].any()
    np.testing.assert_array_equal(result.values[:1], guided(20, 0.25, 1.0).attribute(problems, probe).values)
    before = probe.spent
    alone = guided(20, 0.25, 1.0, "refined").attribute(pair.select([1]), probe)
    assert probe.spent == before and not alone.values.any() and alone.records[0].met


def test_a_constant_shift_changes_no_bit():
    probe, problems = random_problem(4)
    shifted = AnalyticProbe(lambda x: probe.f(x) + 8.0, probe.gradient)
    same = guided(30, 0.25, 1.0).attribute(feature_problems(shifted, problems.baseline, problems.x), shifted)
    np.testing.assert_array_equal(same.values, guided(30, 0.25, 1.0).attribute(problems, probe).values)


def test_ties_move_together():
    symmetric = AnalyticProbe(lambda x: x[:, 0] * x[:, 1] + x[:, 2], lambda x: np.c_[x[:, 1], x[:, 0], np.ones(len(x))])
    problems = feature_problems(symmetric, [0.1, 0.1, 0.0], [2.0, 2.0, -1.0])
    for rule in ("left", "refined"):
        values = guided(25, 0.1, 1.0, rule).attribute(problems, symmetric).values.ravel()
        assert values[0] == values[1] != 0


def test_the_bound_is_the_only_difference_between_the_two_plugins():
    assert METHODS["guided-ig"].cls.Parameters().max_dist == 1.0
    assert METHODS["guided-ig-bounded"].cls.Parameters().max_dist == 0.02
    probe, problems = random_problem(6)
    bounded = guided(30, 0.25, 0.02, plugin="guided-ig-bounded").attribute(problems, probe).values
    np.testing.assert_array_equal(bounded, guided(30, 0.25, 0.02).attribute(problems, probe).values)
    assert np.abs(bounded - guided(30, 0.25, 1.0).attribute(problems, probe).values).max() > 1e-3


def test_advance_opens_the_next_group_when_the_first_arrives():
    progress, way = np.array([0.0, 0.0, 0.0, 1.0]), np.array([1.0, 1.0, 2.0, 0.0])
    advance(progress, np.array([0.1, 5.0, 1.0, 0.0]), way, 0.5, 0.1, 1.0)  # half of 4: feature 0, then half of 2
    np.testing.assert_allclose(progress, [1.0, 0.0, 0.5, 1.0])


def test_integrated_gradients_against_the_fine_reference():
    probe = ReferenceProbe(False)
    problems = reference_problems(probe, half=False)
    exact = REFERENCE["ig_mid2000"]
    tight = Quadrature(tolerance=1e-4, node_limit=4096, first_nodes=64)
    probe.quadrature = tight
    result = integrate(straight_line(problems), problems, probe)
    size = np.abs(exact).max(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(result.values / size, exact / size, atol=1e-3)
    left = np.abs(REFERENCE["ig_left200"].sum(axis=(1, 2, 3)) - problems.delta_f) / np.abs(problems.delta_f)
    error = np.array([r.completeness_error for r in result.records])
    assert (error < 0.2 * left).all() and error.max() < 2e-4 < left.max()
    straight = guided(200, 0.25, 0.0).attribute(problems, probe)
    np.testing.assert_allclose(straight.values, REFERENCE["ig_left200"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("slopes", [[np.nan] * 4, [np.inf] * 4, [1.0, np.nan, np.inf, np.nan]])
def test_slopes_that_are_no_numbers_come_last_and_the_walk_goes_on(slopes, fraction, monkeypatch):
    original, calls = guided_ig._dot, []

    def counted(a, b):
        calls.append(1)
        assert len(calls) < 50, "it does not end"
        return original(a, b)

    monkeypatch.setattr(guided_ig, "_dot", counted)
    progress, way = np.zeros(4), np.ones(4)
    for goal in (0.25, 0.6, 1.0):
        advance(progress, np.array(slopes), way, goal, fraction, 1.0)
        assert progress.sum() == pytest.approx(4 * goal)
        assert progress[0] == max(progress), "where it is a number, it is the smallest"
