"""What must hold for every model and walk: inequalities, symmetries, additivity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit import Curve, Quadrature
from geoaudit.analytic import AnalyticProbe
from geoaudit.paths.integrator import integrate
from geoaudit.paths.walk import straight_line

SEEDS = st.integers(0, 10_000)
FINE = Quadrature(tolerance=1e-3, node_limit=512, scan=65, first_nodes=32)
few = settings(max_examples=15, deadline=None)


def run(lab, function, vertices, quadrature=FINE):
    """The map (d,) and the record of one polyline."""
    problems = lab.problems_of(function, [vertices[0]], [vertices[-1]])
    result = integrate(lab.polyline(vertices), problems, function.probe(quadrature))
    return result.values.ravel(), result.records[0], problems


@few
@given(seed=SEEDS)
def test_chain_of_inequalities(lab, seed):
    values, record, problems = run(lab, lab.network(seed), lab.random_legs(seed))
    delta = abs(problems.delta_f[0])
    miss = np.nan_to_num(record.absolute_misses) * delta + 1e-12
    assert delta <= record.magnitude + miss
    assert record.magnitude <= record.absolute_integral + 1e-12 <= record.conformal_length + 2e-12
    assert delta <= record.total_variation + 1e-12 <= record.absolute_integral + miss + 1e-12
    positive, negative = values[values > 0].sum(), -values[values < 0].sum()
    assert record.magnitude - abs(record.attribution_sum) == pytest.approx(2 * min(positive, negative), abs=1e-12)


@few
@given(seed=SEEDS)
def test_error_bar_and_absolute_misses_bound_the_quadrature_error(lab, seed):
    coarse = Quadrature(tolerance=0.5, node_limit=16, scan=17, first_nodes=8)
    function = lab.network(seed)
    ends = lab.random_legs(seed, legs=1)
    problems = lab.problems_of(function, ends[:1], ends[1:])
    record = integrate(straight_line(problems), problems, function.probe(coarse)).records[0]
    if not problems.degenerate[0]:
        assert record.quadrature_error <= record.absolute_misses + 1e-12
        assert record.error_bar <= record.absolute_misses + 1e-12
        assert record.method_error == pytest.approx(0, abs=1e-9)
        assert record.completeness_error == pytest.approx(record.quadrature_error, abs=1e-9)


@few
@given(seed=SEEDS)
def test_walking_back_negates_the_map_and_nothing_else(lab, seed):
    vertices = lab.random_legs(seed)
    there, record, _ = run(lab, lab.network(seed), vertices)
    back, other, _ = run(lab, lab.network(seed), vertices[::-1])
    np.testing.assert_allclose(back, -there, atol=1e-9)
    for name in ("magnitude", "total_variation", "absolute_integral", "conformal_length", "length"):
        assert getattr(other, name) == pytest.approx(getattr(record, name), rel=1e-9)


@few
@given(seed=SEEDS, factor=st.sampled_from([-3.0, 0.25, 7.0]), shift=st.sampled_from([0.0, 0.5, -2.0]))
def test_scaling_and_shifting_the_output(lab, seed, factor, shift):
    base = lab.network(seed)
    changed = lab.Function(lambda x: factor * base.f(x) + shift, lambda x: factor * base.gradient(x))
    vertices = lab.random_legs(seed)
    problems = lab.problems_of(changed, vertices[:1], vertices[-1:])
    if problems.degenerate[0] or lab.problems_of(base, vertices[:1], vertices[-1:]).degenerate[0]:
        return
    before, record, _ = run(lab, base, vertices)
    after, other, _ = run(lab, changed, vertices)
    np.testing.assert_allclose(after, factor * before, atol=1e-9)
    assert other.path_cancellation == pytest.approx(record.path_cancellation, abs=1e-9)
    assert other.error_bar == pytest.approx(record.error_bar, abs=1e-9)


@few
@given(seed=SEEDS)
def test_permuting_features_permutes_the_map(lab, seed):
    base, vertices = lab.network(seed), lab.random_legs(seed)
    order = np.random.default_rng(seed).permutation(6)
    back = np.argsort(order)
    shuffled = lab.Function(lambda x: base.f(x[:, back]), lambda x: base.gradient(x[:, back])[:, order])
    before, _, _ = run(lab, base, vertices)
    after, _, _ = run(lab, shuffled, vertices[:, order])
    np.testing.assert_allclose(after, before[order], atol=1e-9)


@few
@given(seed=SEEDS)
def test_a_feature_without_influence_gets_exactly_nothing(lab, seed):
    base = lab.network(seed, d=5)
    padded = lab.Function(
        lambda x: base.f(x[:, :5]),
        lambda x: np.concatenate([base.gradient(x[:, :5]), np.zeros((len(x), 1))], 1),
    )
    values, _, _ = run(lab, padded, lab.random_legs(seed))
    assert values[5] == 0.0 and np.abs(values[:5]).min() > 0


@few
@given(seed=SEEDS)
def test_splitting_a_feature_in_two_splits_its_share(lab, seed):
    base, vertices = lab.network(seed, d=5), lab.random_legs(seed, d=5)
    split = lab.Function(
        lambda x: base.f(np.c_[x[:, :4], x[:, 4] + x[:, 5]]),
        lambda x: base.gradient(np.c_[x[:, :4], x[:, 4] + x[:, 5]])[:, [0, 1, 2, 3, 4, 4]],
    )
    whole, before, _ = run(lab, base, vertices)
    half = np.random.default_rng(seed).normal(size=len(vertices))
    halves, after, _ = run(lab, split, np.c_[vertices[:, :4], half, vertices[:, 4] - half])
    np.testing.assert_allclose(np.r_[halves[:4], halves[4] + halves[5]], whole, atol=1e-9)
    assert before.magnitude <= after.magnitude + 1e-12  # merging can only lower S


@few
@given(seed=SEEDS)
def test_additive_models_have_one_map_whatever_the_walk(lab, seed):
    scale = np.random.default_rng(seed).normal(size=6)
    additive = lab.Function(lambda x: np.sin(x) @ scale, lambda x: np.cos(x) * scale)
    vertices = lab.random_legs(seed)
    tight = Quadrature(tolerance=1e-5, node_limit=4096)
    expected = scale * (np.sin(vertices[-1]) - np.sin(vertices[0]))
    for walked in (vertices[[0, -1]], vertices):
        values, record, _ = run(lab, additive, walked, tight)
        np.testing.assert_allclose(values, expected, atol=0.02 * max(1.0, record.length))
        np.testing.assert_allclose(values.sum(), expected.sum(), atol=1e-3)


def test_symmetric_features_get_equal_shares(lab):
    function = lab.Function(
        lambda x: np.tanh(x[:, 0] * x[:, 1] + x[:, 2]),
        lambda x: (
            (1 - np.tanh(x[:, 0] * x[:, 1] + x[:, 2]) ** 2)[:, None] * np.stack([x[:, 1], x[:, 0], np.ones(len(x))], 1)
        ),
    )
    problems = lab.problems_of(function, [[0.1, 0.1, 0.0]], [[1.5, 1.5, -1.0]])
    values = integrate(straight_line(problems), problems, function.probe(FINE)).values.ravel()
    assert values[0] == values[1] != 0 and values[2] < 0


@pytest.mark.parametrize("speed", [lambda t: t**2, lambda t: np.sin(np.pi * t / 2)])
def test_the_walks_speed_does_not_matter(lab, speed):
    function, ends = lab.network(3), lab.random_legs(3, legs=1)
    problems = lab.problems_of(function, ends[:1], ends[1:])
    tight = Quadrature(tolerance=1e-5, node_limit=4096, scan=513, first_nodes=256)
    even = integrate(straight_line(problems), problems, function.probe(tight))
    way = ends[1] - ends[0]
    walk = Curve(lambda i, t: (ends[0] + speed(t)[:, None] * way)[:, None, None, :])
    uneven = integrate(walk, problems, function.probe(tight))
    np.testing.assert_allclose(uneven.values, even.values, atol=2e-4)
    assert uneven.records[0].total_variation == pytest.approx(even.records[0].total_variation, rel=1e-3)


class Softmax(AnalyticProbe):
    """Probabilities of a linear model with three classes; the target chooses one."""

    weights = np.array([[1.0, -2.0], [0.5, 1.0], [-1.5, 0.3]])

    def rows(self, points):
        scores = np.exp(points.reshape(len(points), -1) @ self.weights.T)
        return scores / scores.sum(axis=1, keepdims=True)

    def outputs(self, points, targets):
        return self.rows(points)[np.arange(len(points)), targets]

    def value_and_gradient(self, points, targets):
        p = self.rows(points)
        own = p[np.arange(len(points)), targets]
        gradient = own[:, None] * (self.weights[targets] - p @ self.weights)
        return own, gradient.reshape(points.shape)


def test_probabilities_of_all_classes_share_out_to_nothing(lab):
    probe = Softmax(None, None, Quadrature(tolerance=1e-6, node_limit=4096, first_nodes=128))
    dummy = lab.Function(lambda x: np.zeros(len(x)), None)
    problems = lab.problems_of(dummy, np.zeros((3, 2)), np.tile([1.0, 2.0], (3, 1)))
    targets = np.arange(3)
    problems = type(problems)(
        problems.ids, problems.x, problems.baseline, targets, probe.outputs(problems.x, targets),
        probe.outputs(problems.baseline, targets), problems.space,
    )  # fmt: skip
    result = integrate(straight_line(problems), problems, probe)
    np.testing.assert_allclose(result.values.sum(axis=0), 0, atol=1e-5)
    for record, delta in zip(result.records, problems.delta_f, strict=True):
        assert record.magnitude >= abs(delta) - 1e-5 and abs(delta) <= 1
        assert record.attribution_sum == pytest.approx(delta, abs=1e-5)
