"""The integrator's manners: convergence, limits, counting, batching, recordings, and walks that go wrong."""

from itertools import pairwise

import numpy as np
import pytest

from geoaudit import Bundle, Curve, Part, Quadrature, Recorded
from geoaudit.paths import integrator
from geoaudit.paths.integrator import integrate
from geoaudit.paths.walk import straight_line

CORNERS_ONLY = Quadrature(tolerance=1e6)


@pytest.fixture()
def wave(lab):
    """A narrow wave on a slope: the straight line's gradients need care."""
    return lab.Function(
        lambda x: x.sum(axis=1) + np.sin(9 * x[:, 0]) * x[:, 1],
        lambda x: 1 + np.c_[9 * np.cos(9 * x[:, 0]) * x[:, 1], np.sin(9 * x[:, 0])],
    )


def line_record(lab, function, quadrature, start=(0.0, 0.0), end=(2.0, 1.0)):
    problems = lab.problems_of(function, [start], [end])
    return integrate(straight_line(problems), problems, function.probe(quadrature)).records[0]


def test_completeness_is_of_second_order(lab, wave):
    errors = []
    for pieces in (64, 128, 256):
        vertices = np.linspace((0.0, 0.0), (2.0, 1.0), pieces + 1)
        problems = lab.problems_of(wave, vertices[:1], vertices[-1:])
        record = integrate(lab.polyline(vertices), problems, wave.probe(CORNERS_ONLY)).records[0]
        assert record.nodes == pieces + 1
        errors.append(record.completeness_error)
    assert 3.7 < errors[0] / errors[1] < 4.3 and 3.7 < errors[1] / errors[2] < 4.3


@pytest.mark.parametrize("tolerance", [0.1, 0.03, 1e-3])
def test_refinement_stops_at_the_tolerance(lab, wave, tolerance):
    record = line_record(lab, wave, Quadrature(tolerance, 4096, 65, 12))
    assert record.met and record.error_bar <= tolerance
    assert record.nodes < line_record(lab, wave, Quadrature(tolerance / 10, 4096, 65, 12)).nodes


def test_more_nodes_never_widen_the_error_bar_or_lose_variation(lab, wave):
    records = [line_record(lab, wave, Quadrature(1e-9, limit, 17, 12)) for limit in (16, 32, 64, 128, 256)]
    for fewer, more in pairwise(records):
        assert more.error_bar < fewer.error_bar
        assert more.total_variation >= fewer.total_variation
    assert all(r.total_variation >= 3.0 for r in records) and not records[-1].met


@pytest.mark.parametrize("limit", [2, 5, 40, 41, 57])
def test_the_node_limit_holds_and_every_evaluation_is_counted(lab, wave, limit):
    problems = lab.problems_of(wave, np.zeros((3, 2)), [[2.0, 1.0], [1.0, 1.0], [0.5, 2.0]])
    probe = wave.probe(Quadrature(1e-9, limit))
    records = integrate(straight_line(problems), problems, probe).records
    assert all(2 <= r.gradients <= limit and r.nodes == r.gradients for r in records)
    assert probe.spent.gradients == sum(r.gradients for r in records)
    assert probe.spent.forwards == sum(r.forwards for r in records)


def test_an_image_that_equals_its_baseline_costs_nothing(lab, wave):
    problems = lab.problems_of(wave, [[1.0, 2.0]] * 2, [[1.0, 2.0]] * 2)
    probe = wave.probe()
    for walk in (straight_line(problems), lab.polyline(*[np.ones((3, 2))] * 2)):
        result = integrate(walk, problems, probe)
        assert not result.values.any() and all(r.met and r.gradients == 0 for r in result.records)
    assert probe.spent.gradients == 0 and probe.spent.forwards == 0


def test_two_vertices_are_the_straight_line(lab, wave):
    problems = lab.problems_of(wave, [[0.0, 0.0]], [[2.0, 1.0]])
    straight = integrate(straight_line(problems), problems, wave.probe())
    walked = integrate(lab.polyline([[0.0, 0.0], [2.0, 1.0]]), problems, wave.probe())
    np.testing.assert_allclose(walked.values, straight.values, atol=1e-12)


@pytest.mark.parametrize("kind", ["straight", "polyline", "recorded"])
@pytest.mark.parametrize("order", [[0], [1], [2], [2, 0, 1], [1, 2]])
def test_images_do_not_know_each_other(lab, monkeypatch, kind, order):
    monkeypatch.setattr(integrator, "CHUNK", 7)  # chunks that mix images and cut them anywhere
    function = lab.network(5)
    legs = [lab.random_legs(seed, legs=2 + seed) for seed in range(3)]
    problems = lab.problems_of(function, [v[0] for v in legs], [v[-1] for v in legs])
    recorded = [v[:, None, None, :] for v in legs]

    def walk(chosen):
        if kind == "straight":
            return straight_line(problems.select(chosen))
        if kind == "polyline":
            return lab.polyline(*[legs[i] for i in chosen])
        gradients = [function.gradient(legs[i])[:-1, None, None, :] for i in chosen]
        return Recorded([recorded[i] for i in chosen], gradients, [function.f(legs[i])[:-1] for i in chosen])

    together = integrate(walk([0, 1, 2]), problems, function.probe())
    apart = integrate(walk(order), problems.select(order), function.probe())
    np.testing.assert_allclose(apart.values, together.values[order], atol=1e-12)
    for place, i in enumerate(order):
        assert vars(apart.records[place]) == pytest.approx(vars(together.records[i]), abs=1e-12, nan_ok=True)


def recording(lab, function, vertices, rule):
    vertices = np.asarray(vertices, dtype=np.float64)
    problems = lab.problems_of(function, vertices[:1], vertices[-1:])
    gradients = function.gradient(vertices)[:-1]
    walk = Recorded([vertices[:, None, None, :]], [gradients[:, None, None, :]], [function.f(vertices)[:-1]], rule)
    probe = function.probe(Quadrature(tolerance=1e-3, node_limit=500))
    result = integrate(walk, problems, probe)
    return result.values.ravel(), result.records[0], probe.spent


def test_rules_for_recorded_walks(lab, wave):
    vertices = np.array([[0.0, 0.0], [0.3, 0.5], [0.7, 0.6], [2.0, 1.0]])
    steps, gradients = np.diff(vertices, axis=0), wave.gradient(vertices)
    left, record, spent = recording(lab, wave, vertices, "left")
    np.testing.assert_allclose(left, (gradients[:-1] * steps).sum(0), rtol=1e-14)
    assert (spent.gradients, record.gradients, record.nodes) == (0, 3, 3) and not record.met
    trapezoid, record, spent = recording(lab, wave, vertices, "trapezoid")
    np.testing.assert_allclose(trapezoid, ((gradients[:-1] + gradients[1:]) / 2 * steps).sum(0), rtol=1e-14)
    assert (spent.gradients, record.gradients, record.nodes) == (1, 4, 4)
    refined, record, spent = recording(lab, wave, vertices, "refined")
    problems = lab.problems_of(wave, vertices[:1], vertices[-1:])
    fine = integrate(lab.polyline(vertices), problems, wave.probe())
    np.testing.assert_allclose(refined, fine.values.ravel(), atol=0.02)
    assert record.met and record.gradients == spent.gradients + 3 and spent.gradients > 50


def test_a_recording_is_halved_once_even_where_it_looks_complete(lab):
    # between the ends the trapezoid sum is right by chance; only a node in the middle shows the detour
    detour = lab.Function(
        lambda x: (x + 1 - np.cos(2 * np.pi * x))[:, 0], lambda x: 1 + 2 * np.pi * np.sin(2 * np.pi * x)
    )
    _, record, _ = recording(lab, detour, [[0.0], [1.0]], "refined")
    assert record.met and record.nodes > 10 and record.total_variation > 3
    _, record, _ = recording(lab, detour, [[0.0], [1.0]], "trapezoid")
    assert record.met and record.nodes == 2


def test_no_difference_gives_a_finite_map_and_no_errors(lab):
    sine = lab.Function(lambda x: np.sin(x[:, 0]), lambda x: np.cos(x[:, :1]))
    problems = lab.problems_of(sine, [[0.0]], [[np.pi]])
    result = integrate(straight_line(problems), problems, sine.probe(Quadrature()))
    record = result.records[0]
    assert np.isfinite(result.values).all() and record.gradients <= 256
    errors = ("completeness_error", "quadrature_error", "method_error", "error_bar", "absolute_misses")
    assert all(np.isnan(getattr(record, name)) for name in errors)
    assert record.total_variation == pytest.approx(2, rel=1e-2) and record.path_cancellation > 0.99


@pytest.mark.parametrize("place", [0.3, 0.5, 1.0])
def test_a_jump_of_the_output_ends_the_halving(lab, place):
    step = lab.Function(lambda x: (x[:, 0] >= place) + 0.2 * x[:, 0] ** 2, lambda x: 0.4 * x)
    record = line_record(lab, step, Quadrature(1e-3, 3000, 33, 8), (0.0,), (1.0,))
    assert not record.met and record.gradients < 150 and record.error_bar == pytest.approx(1 / 1.2, rel=0.05)


def test_a_constant_model_is_no_trouble(lab):
    flat = lab.Function(lambda x: np.full(len(x), 4.0), np.zeros_like)
    record = line_record(lab, flat, Quadrature())
    assert record.met and record.magnitude == 0 and record.path_cancellation == 0


@pytest.mark.parametrize("seed", [11, 17, 28, 31, 33])
def test_a_rise_all_along_cancels_nothing_to_the_last_digit(lab, seed):
    w = np.random.default_rng(seed).uniform(0.1, 1, 3)
    rising = lab.Function(lambda x: np.exp(x @ w), lambda x: np.exp(x @ w)[:, None] * w)
    record = line_record(lab, rising, None, (0.0, 0.0, 0.0), (1.0, 2.0, 1.0))
    assert 0 <= record.path_cancellation < 1e-12, "a share is never negative"


def test_a_walk_that_misses_the_image_is_not_the_quadratures_fault(lab):
    linear = lab.Function(lambda x: 2 * x[:, 0], lambda x: np.full_like(x, 2))
    problems = lab.problems_of(linear, [[0.0]], [[1.0]])
    record = integrate(lab.polyline([[0.0], [0.4], [0.8]]), problems, linear.probe()).records[0]
    assert record.quadrature_error == pytest.approx(0, abs=1e-12)
    assert record.method_error == pytest.approx(0.2) == record.completeness_error


def test_a_curve_along_a_level_set_is_walked_too(lab):
    # x1 x2 = 1 from (1/2, 2) to (2, 1/2), where the output stands still, then straight to (4, 1/2)
    product = lab.Function(lambda x: x[:, 0] * x[:, 1], lambda x: x[:, ::-1].copy())

    def along(i, t):
        level = np.exp(np.log(4) * np.minimum(2 * t, 1)) / 2
        return np.stack([level + 2 * np.maximum(2 * t - 1, 0), 1 / level], 1)[:, None, None, :]

    problems = lab.problems_of(product, [[0.5, 2.0]], [[4.0, 0.5]])
    values = integrate(Curve(along), problems, product.probe(Quadrature())).values.ravel()
    np.testing.assert_allclose(values, [np.log(4) + 1, -np.log(4)], atol=0.06)


def test_half_the_nodes_agree_where_the_integral_has_converged(lab, wave):
    record = line_record(lab, wave, Quadrature(1e-3, 4096))
    assert record.sum_half == pytest.approx(record.attribution_sum, rel=0.02)
    assert record.magnitude_half == pytest.approx(record.magnitude, rel=0.02)
    linear = lab.Function(lambda x: x.sum(1), np.ones_like)
    problems = lab.problems_of(linear, [[0.0, 0.0]], [[1.0, 1.0]])
    few = integrate(lab.polyline([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), problems, linear.probe()).records[0]
    assert np.isnan(few.magnitude_half) and few.nodes == 3


def test_half_the_nodes_are_every_other_one(lab, wave):
    def along(pieces):
        vertices = np.linspace((0.0, 0.0), (2.0, 1.0), pieces + 1)
        problems = lab.problems_of(wave, vertices[:1], vertices[-1:])
        return integrate(lab.polyline(vertices), problems, wave.probe(CORNERS_ONLY)).records[0]

    whole, half = along(8), along(4)
    assert whole.sum_half == pytest.approx(half.attribution_sum, rel=1e-12) != whole.attribution_sum
    assert whole.magnitude_half == pytest.approx(half.magnitude, rel=1e-12)


def test_misses_of_one_sign_are_not_hidden_by_a_small_error_bar(lab):
    # the trapezoid rule overshoots on every piece of a cubic: 64 misses add up to 8 times their root of squares
    cubic = lab.Function(lambda x: x[:, 0] ** 3, lambda x: 3 * x**2)
    vertices = np.linspace([0.0], [1.0], 65)
    problems = lab.problems_of(cubic, vertices[:1], vertices[-1:])
    coarse = integrate(lab.polyline(vertices), problems, cubic.probe(Quadrature(tolerance=1.0))).records[0]
    assert coarse.quadrature_error == pytest.approx(8 * coarse.error_bar, rel=0.01)
    record = integrate(lab.polyline(vertices), problems, cubic.probe(Quadrature(2e-5, 512))).records[0]
    assert coarse.error_bar < 2e-5 and record.met and record.nodes > 65
    assert record.quadrature_error <= 2 * 2e-5 < coarse.quadrature_error
    late = integrate(lab.polyline(vertices), problems, cubic.probe(Quadrature(2e-5, 70))).records[0]
    assert late.error_bar < 2e-5 and not late.met


def test_several_walks_may_not_drift_together(lab):
    cubic = lab.Function(lambda x: x[:, 0] ** 3, lambda x: 3 * x**2)
    vertices = np.linspace([0.0], [1.0], 65)
    problems = lab.problems_of(cubic, vertices[:1], vertices[-1:])
    bundle = Bundle([Part(lab.polyline(vertices), problems, 0.25)] * 4)
    record = integrate(bundle, problems, cubic.probe(Quadrature(2e-5, 4096))).records[0]
    assert record.met and record.quadrature_error <= 2 * 2e-5
