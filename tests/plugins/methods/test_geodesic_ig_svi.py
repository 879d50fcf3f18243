"""The variational path method against closed forms, and what every walk that it finds must obey."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from geoaudit import Cost, InputSpace, Problems, Quadrature, registry
from geoaudit.analytic import AnalyticProbe, feature_problems
from geoaudit_plugins.methods.geodesic_ig_svi import COMPARISON, GeodesicIGSVI
from geoaudit_plugins.variational import published
from geoaudit_plugins.variational.adam import Adam
from geoaudit_plugins.variational.choice import shorter
from geoaudit_plugins.variational.deviation import divergence, grid
from geoaudit_plugins.variational.energy import Walks, along, conformal, pullback, tension
from geoaudit_plugins.variational.line import cut, straight_walks
from geoaudit_plugins.variational.optimiser import _of_bound, bend, modes, noise_left

METHODS = registry.load(()).methods
TARGET = np.zeros(1, np.int64)


def svi(**parameters):
    return GeodesicIGSVI(GeodesicIGSVI.Parameters(**parameters))


def ncc(values):
    return 1 - abs(values.sum()) / np.abs(values).sum()


def bump():
    """A plane with a hill on the straight line: of length 4.36611 straight on, a little over 1.5 around it."""

    def hill(x):
        return 2 * np.exp(-((x[:, 0] - 0.5) ** 2 + x[:, 1] ** 2) / 0.02)

    def gradient(x):
        return -(x - [0.5, 0.0]) / 0.01 * hill(x)[:, None] + [1.0, 0.0]

    probe = AnalyticProbe(lambda x: x[:, 0] + hill(x), gradient)
    return probe, feature_problems(probe, [0.0, 0.0], [1.0, 0.0])


def smooth(seed=0, d=12, steep=4.0):
    """A logistic unit over a small network: saturated almost everywhere, steep in between."""
    rng = np.random.default_rng(seed)
    w, a = rng.normal(size=(8, d)), rng.normal(size=8)

    def f(x):
        return 1 / (1 + np.exp(-steep * (np.tanh((x[:, None, :] * w).sum(2)) * a).sum(1)))

    def gradient(x):
        h, p = np.tanh((x[:, None, :] * w).sum(2)), f(x)
        inner = ((1 - h**2) * a)[:, :, None] * w
        return (steep * p * (1 - p))[:, None] * inner.sum(1)

    return AnalyticProbe(f, gradient)


def pictures(layout="NCHW", side=16, count=3, dtype=np.float64):
    """Pictures of 2 channels in [-1, 1], the model a smooth function of all numbers; rows are summed one by one."""
    shape = (2, side, side) if layout == "NCHW" else (side, side, 2)
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (count, *shape)).astype(dtype)
    probe = smooth(3, x[0].size, 0.5)
    baseline = np.full_like(x, -1.0)
    targets = np.zeros(count, np.int64)
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    probe.quadrature = Quadrature(tolerance=0.03, node_limit=64, scan=33, first_nodes=16)
    probe.spent = Cost()
    space = InputSpace(layout, shape, (-1.0, -1.0), (1.0, 1.0))
    return probe, Problems(tuple("abc"[:count]), x, baseline, targets, f_x, f_baseline, space)


def some_walks(probe, points=4, d=6, seed=1):
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(2, points + 1, 1, 1, d))
    targets = np.zeros(2, np.int64)
    ends = np.stack([probe.outputs(vertices[:, k], targets) for k in (0, -1)], axis=1)
    return Walks(vertices, targets, ends, np.ones((2, 2))), rng.random((2, points))


@pytest.mark.parametrize("seed", "abc")
def test_a_hill_is_walked_around(seed):
    probe, problems = bump()
    problems = replace(problems, ids=(seed,), space=InputSpace("NCHW", (1, 1, 2), (-1.0,), (1.0,)))
    record = svi(points=12, iterations=80).attribute(problems, probe).records[0]
    assert record.conformal_length < 0.75 * 4.36611 and record.total_variation < 1.5
    assert record.completeness_error < 1e-3 and record.met
    straight = svi(iterations=0).attribute(problems, probe).records[0]
    np.testing.assert_allclose(straight.total_variation, 4.36611, rtol=1e-3)
    np.testing.assert_allclose(straight.conformal_length, 4.36611, rtol=1e-2)


def test_the_published_sign_draws_the_walk_to_the_hill():
    probe, problems = bump()
    method = svi(published=True, points=16, iterations=150, rate=0.01, beta=1.0)
    result = method.attribute(problems, probe)
    assert result.records[0].conformal_length > 1.2 * 4.36611 and result.notes == (COMPARISON,)
    points = method.walk(problems, probe).vertices[0]
    np.testing.assert_array_equal(points[[0, -1]], np.stack([problems.baseline[0], problems.x[0]]))
    assert result.records[0].completeness_error < 1e-2  # whatever the walk, the integral is right
    away = svi(published=True, points=16, iterations=150, rate=0.01, beta=0.0).walk(problems, probe).vertices[0]
    steepness = [np.linalg.norm(probe.gradient(v[1:-1].reshape(-1, 2)), axis=1).mean() for v in (points, away)]
    assert steepness[0] > 1.1 * steepness[1]


def test_a_flat_probability_is_approached_with_less_cancellation():
    better = []
    for seed in range(4):
        probe = smooth(seed)
        rng = np.random.default_rng(seed)
        problems = feature_problems(probe, np.zeros(12), rng.uniform(0.3, 1, 12))
        straight, found = (svi(iterations=k, points=12).attribute(problems, probe) for k in (0, 60))
        assert found.records[0].completeness_error < 0.02
        better.append((ncc(found.values[0]), ncc(straight.values[0])))
    found, straight = np.median(better, axis=0)
    assert found < 0.7 * straight


@pytest.mark.parametrize("parameters", [{}, {"energy": "pullback"}, {"criterion": "total-variation"}])
def test_ends_are_exact_and_no_walk_is_longer_than_the_line(parameters):
    probe, problems = pictures()
    method = svi(cells=4, points=5, iterations=6, **parameters)
    walk = method.walk(problems, probe)
    for i, vertices in enumerate(walk.vertices):
        np.testing.assert_array_equal(vertices[0], problems.baseline[i])
        np.testing.assert_array_equal(vertices[-1], problems.x[i])
    straight = svi(iterations=0).attribute(problems, probe).records
    for own, line in zip(method.attribute(problems, probe).records, straight, strict=True):
        length = "conformal_length" if not parameters else "total_variation"
        assert getattr(own, length) <= getattr(line, length)


@pytest.mark.parametrize("parameters", [{}, {"energy": "pullback"}, {"published": True}])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_images_do_not_know_of_each_other(layout, parameters):
    probe, problems = pictures(layout)
    method = svi(cells=4, points=5, iterations=6, **parameters)
    together = method.attribute(problems, probe).values
    turned = method.attribute(problems.select([2, 0, 1]), probe).values
    np.testing.assert_array_equal(turned, together[[2, 0, 1]])
    np.testing.assert_array_equal(method.attribute(problems.select([1]), probe).values, together[[1]])


def test_without_iterations_it_is_integrated_gradients():
    probe, problems = pictures()
    before = probe.spent.gradients
    result = svi(iterations=0).attribute(problems, probe)
    assert sum(r.gradients for r in result.records) == probe.spent.gradients - before
    np.testing.assert_allclose(result.values, probe.straight_line(problems).values, rtol=1e-9, atol=1e-15)
    assert all(len(v) == 2 for v in svi(iterations=0).walk(problems, probe).vertices)


@pytest.mark.parametrize("parameters", [{}, {"published": True, "rate": 0.1}, {"energy": "pullback"}])
def test_separable_models_have_one_map(parameters):
    probe = AnalyticProbe(lambda x: (x**2 * [2.0, -1.0, 0.5]).sum(1), lambda x: 2 * x * [2.0, -1.0, 0.5])
    problems = feature_problems(probe, [0.1, 0.2, 0.9], [0.8, 0.6, 0.1])
    values = svi(points=5, iterations=8, **parameters).attribute(problems, probe).values.ravel()
    np.testing.assert_allclose(values, [2 * 0.63, -0.32, -0.4], atol=1e-9)  # the rule is exact on quadratics


@pytest.mark.parametrize("size", [0.0, 1e-25, 1e-8])
@pytest.mark.filterwarnings("error")
def test_flat_models_have_finite_maps(size):
    probe, problems = pictures(dtype=np.float32)
    flat = AnalyticProbe(lambda x: size * probe.f(x), lambda x: size * probe.gradient(x), probe.quadrature)
    problems = replace(problems, f_x=size * problems.f_x, f_baseline=size * problems.f_baseline)
    result = svi(cells=4, points=4, iterations=4).attribute(problems, flat)
    assert np.isfinite(result.values).all() and result.values.any() == (size > 0)


def test_every_gradient_is_on_the_records():
    for parameters in ({}, {"published": True}, {"energy": "pullback"}):
        probe, problems = pictures()
        problems.x[1] = problems.baseline[1]
        problems.f_x[1] = problems.f_baseline[1]
        result = svi(cells=4, points=5, iterations=3, **parameters).attribute(problems, probe)
        assert [r.gradients for r in result.records][1] == 0 and not result.values[1].any()
        assert sum(r.gradients for r in result.records) == probe.spent.gradients


@pytest.mark.parametrize("parameters", [{}, {"published": True}, {"iterations": 0}])
def test_recorded_nodes_belong_to_the_map(parameters):
    probe, problems = pictures(count=3)
    problems.x[1] = problems.baseline[1]
    problems.f_x[1] = problems.f_baseline[1]
    method = svi(**{"cells": 4, "points": 5, "iterations": 6, **parameters})
    line = probe.recorded_line(problems)
    made, before = method.attribute(problems, probe), probe.spent.gradients
    again, nodes = method.recorded(problems, probe)
    np.testing.assert_array_equal(again.values, made.values)
    assert again.records[0] == made.records[0] and again.notes == made.notes
    lines = 0 if "published" in parameters else sum(map(len, line.vertices))
    assert probe.spent.gradients - before == sum(r.gradients for r in made.records) - lines  # these are shared
    for i in (0, 2):
        way, g = np.diff(nodes.vertices[i], axis=0), nodes.gradients[i]
        np.testing.assert_allclose((0.5 * (g[1:] + g[:-1]) * way).sum(axis=0), made.values[i], atol=1e-12)
        np.testing.assert_array_equal(nodes.vertices[i][[0, -1]], [problems.baseline[i], problems.x[i]])
    assert len(nodes.vertices[1]) == 0
    straight = [np.array_equal(nodes.vertices[i], line.vertices[i]) for i in (0, 2)]
    assert straight == [parameters == {"iterations": 0}] * 2 if parameters else sorted(straight) == [False, True]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e-39, 1e-44])
def test_gradients_below_the_normal_numbers_stop_no_search(size):
    flat = AnalyticProbe(lambda x: size * x[:, 0], lambda x: np.full_like(x, size))
    flat.value_and_gradient = lambda x, _: (size * x[:, 0, 0, 0], np.full_like(x, size))
    vertices = np.linspace(np.zeros((1, 1, 1, 4)), 1, 4, axis=1).astype(np.float32)
    reading = conformal(1e-3)(
        Walks(vertices, TARGET, np.array([[0, size]]), np.ones((1, 2))), np.full((1, 3), 0.5), flat
    )
    assert np.isfinite(reading.slopes).all() and not reading.slopes.any()


def test_a_walk_that_turns_out_longer_gives_way_to_the_line():
    probe, problems = bump()
    straight = svi(iterations=0).attribute(problems, probe)
    (line,) = straight.records
    for change, chosen in ((0.5, 7.0), (2.0, straight.values[0, 0, 0, 0])):
        own = replace(line, conformal_length=change * line.conformal_length, gradients=30)
        bent = type(straight)(np.full_like(straight.values, 7.0), (own,))
        result, taken = shorter(straight, bent, [0], "conformal-length", 100)
        assert result.values[0, 0, 0, 0] == chosen and result.records[0].gradients == line.gradients + 130
        assert taken == ([0] if chosen == 7.0 else [])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_no_vertex_leaves_the_box(layout):
    probe, problems = pictures(layout, dtype=np.float32)
    method = svi(cells=4, points=4, iterations=0)
    how = replace(method._search(problems), rate=1.0)
    line = np.linspace(problems.baseline, problems.x, 5, axis=1)
    cells = np.random.default_rng(0).normal(size=(3, how.basis.shape[1], *how.grid.shape)).astype(np.float32)
    vertices, free = bend(line, cells, how)
    assert vertices.dtype == np.float32 and abs(vertices).max() <= 1 and 0.1 < 1 - free.mean() < 0.9
    np.testing.assert_array_equal(vertices[:, [0, -1]], line[:, [0, -1]])
    wanted = line[:, 1:-1] + 2 * how.grid.enlarge(np.einsum("pm,nm...->np...", how.basis, cells))
    assert (free == (abs(wanted) <= 1)).mean() > 0.9999  # but for rounding
    found = svi(cells=4, points=4, iterations=5, rate=0.5).walk(problems, probe).vertices
    assert max(abs(v).max() for v in found) <= 1.0


def test_images_outside_the_box_still_have_their_straight_line():
    probe, _ = bump()
    wide = feature_problems(probe, [-2.0, 0.0], [3.0, 0.0])
    how = svi()._search(wide)
    np.testing.assert_array_equal(how.low.ravel(), [-2.0, 0.0])
    np.testing.assert_array_equal(how.high.ravel(), [3.0, 1.0])


def test_divergence_against_the_integral_and_its_derivatives():
    mean, scale, prior = np.array([[0.3, -1.0]]), np.array([[0.2, 2.0]]), 0.5
    q, p = stats.norm(mean[0], scale[0]), stats.norm(0, prior)
    z = np.linspace(-19, 19, 400001)[:, None]
    expected = np.trapezoid(q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), z, axis=0).sum()
    total, by_mean, by_log_scale = divergence(mean, np.log(scale), prior)
    np.testing.assert_allclose(total, [expected], rtol=1e-6)
    for k in range(2):
        h = 1e-6 * np.eye(2)[[k]]
        change = (divergence(mean + h, np.log(scale), prior)[0] - total) / 1e-6
        np.testing.assert_allclose(by_mean[0, k], change[0], rtol=1e-4)
        change = (divergence(mean, np.log(scale) + h, prior)[0] - total) / 1e-6
        np.testing.assert_allclose(by_log_scale[0, k], change[0], rtol=1e-4)


def test_reparametrised_samples_give_the_bounds_derivatives():
    problems = bump()[1]
    how = replace(svi()._search(problems), temperature=0.0)
    mean, log_scale = np.array([[0.4, -0.2]]), np.log([[0.5, 1.5]])
    draws = np.random.default_rng(0).standard_normal((20000, 1, 2))
    sums = np.zeros((2, 1, 2))
    for draw in draws:  # the energy |d|^2 / 2, whose expectation is (mean^2 + scale^2) / 2
        jitter = np.exp(log_scale) * draw
        sums += np.stack(_of_bound(mean + jitter, jitter, mean, log_scale, how))
    by_mean, by_log_scale = sums / len(draws)
    np.testing.assert_allclose(by_mean, mean, atol=0.04)
    np.testing.assert_allclose(by_log_scale, np.exp(2 * log_scale), rtol=0.05)
    warm = replace(how, temperature=1.0)
    (_, m, r), zero = divergence(mean, log_scale, how.prior), np.zeros_like(mean)
    np.testing.assert_allclose(_of_bound(zero, zero, mean, log_scale, warm), [m / 2, r / 2])


def test_the_difference_of_gradients_is_the_hessian_where_there_is_one_and_the_kink_where_there_is_none():
    hessian = np.array([[2.0, 1.0, 0.0], [1.0, -3.0, 0.5], [0.0, 0.5, 1.0]])
    quadratic = AnalyticProbe(lambda x: 0.5 * np.einsum("ni,ij,nj->n", x, hessian, x), lambda x: x @ hessian)
    points = np.random.default_rng(0).normal(size=(1, 2, 1, 1, 3))
    direction = np.random.default_rng(1).normal(size=points.shape)
    _, gradients = quadratic.value_and_gradient(points[0], TARGET)
    product = along(direction, points, gradients[None], TARGET, 1e-3, quadratic)
    np.testing.assert_allclose(product, direction @ hessian, atol=1e-9)
    assert not along(np.zeros_like(direction), points, gradients[None], TARGET, 1e-3, quadratic).any()
    network = smooth(2, 3)
    _, gradients = network.value_and_gradient(points[0], TARGET)
    h = 1e-5 * direction
    exact = (network.gradient((points + h).reshape(-1, 3)) - network.gradient((points - h).reshape(-1, 3))) / 2e-5
    product = along(direction, points, gradients[None], TARGET, 1e-5, network)
    np.testing.assert_allclose(product.reshape(-1, 3), exact, rtol=1e-3, atol=1e-4)
    ridge = AnalyticProbe(lambda x: np.maximum(x[:, 0], 0), lambda x: (x > 0) * [1.0, 0.0])
    below = np.array([-0.01, 0.0]).reshape(1, 1, 1, 1, 2)
    ahead = np.array([1.0, 0.0]).reshape(below.shape)
    for step, jump in ((0.1, 10.0), (0.005, 0.0)):
        np.testing.assert_allclose(along(ahead, below, 0 * below, TARGET, step, ridge).ravel(), [jump, 0.0])


@pytest.mark.parametrize("energy", [conformal(1e-6), pullback])
def test_the_slopes_are_the_energys(energy):
    probe = smooth(4, 6, 1.5)
    walks, shares = some_walks(probe)
    reading = energy(walks, shares, probe)
    rng = np.random.default_rng(2)
    for _ in range(5):
        h = np.zeros_like(walks.vertices)
        h[:, 1:-1] = rng.normal(size=h[:, 1:-1].shape)
        up, down = (
            energy(replace(walks, vertices=walks.vertices + e * h), shares, probe).energy for e in (1e-5, -1e-5)
        )
        inner = (reading.slopes * h).sum(axis=(1, 2, 3, 4))
        np.testing.assert_allclose(inner, (up - down) / 2e-5, rtol=1e-3, atol=1e-4 * abs(inner).max())


def test_energies_bound_their_lengths_and_count_their_gradients():
    probe = smooth(4, 6, 1.5)
    walks, shares = some_walks(probe)
    for energy, bounded in ((conformal(1e-3), "conformal_length"), (pullback, "total_variation")):
        probe.spent = Cost()
        reading = energy(walks, shares, probe)
        assert (reading.energy >= getattr(reading, bounded) ** 2 - 1e-12).all()
        assert probe.spent.gradients == 2 * reading.evaluated


def test_tension_is_one_on_the_line_and_more_elsewhere():
    t = np.array([[0.0, 0.1, 0.5, 1.0]])
    way = np.array([3.0, -4.0])
    line = (t[..., None] * way)[:, :, None, None, :]
    value, slopes = tension(line, t)
    np.testing.assert_allclose(value, [1.0])
    np.testing.assert_allclose(slopes[:, 1:-1], 0, atol=1e-12)
    h = np.zeros_like(line)
    h[:, 1:-1] = np.random.default_rng(0).normal(size=h[:, 1:-1].shape)
    bent, slopes = tension(line + h, t)
    assert bent[0] > 1
    change = (tension(line + 1.00001 * h, t)[0] - tension(line + 0.99999 * h, t)[0]) / 2e-5
    np.testing.assert_allclose((slopes * h).sum(), change[0], rtol=1e-6)


def test_adam_takes_the_papers_steps():
    start = np.array([[2.0, -3.0]])
    adam = Adam(0.1, (start,))
    (once,) = adam.step((start,), (np.array([[4.0, -6.0]]),))
    np.testing.assert_allclose(once, [[1.9, -2.9]], rtol=1e-8)  # the first step is the rate, whatever the gradient
    (twice,) = adam.step((once,), (np.array([[1.0, 0.0]]),))
    mean = np.array([0.09 * 4 + 0.1 * 1, -0.09 * 6]) / (1 - 0.9**2)
    square = np.array([0.000999 * 16 + 0.001, 0.000999 * 36]) / (1 - 0.999**2)
    np.testing.assert_allclose(twice, once - 0.1 * mean / np.sqrt(square), rtol=1e-6)
    np.testing.assert_array_equal(start, [[2.0, -3.0]])


def test_bows_move_the_whole_walk():
    basis = modes(4, 2, np.float64)
    np.testing.assert_array_equal(basis[:, :3], np.eye(3))
    half = np.sqrt(0.5)
    np.testing.assert_allclose(basis[:, 3:], np.transpose([[half, 1, half], [1, 0, -1]]), atol=1e-15)
    assert modes(2, 0, np.float32).shape == (1, 1) and modes(2, 0, np.float32).dtype == np.float32


@pytest.mark.parametrize(("layout", "shape"), [("NCHW", (3, 10, 15)), ("NHWC", (10, 15, 3))])
def test_the_grid_enlarges_and_carries_back(layout, shape):
    coarse = grid(InputSpace(layout, shape, (0.0,) * 3, (1.0,) * 3), 6, np.float64)
    assert sorted(coarse.shape) == [3, 4, 6]
    rng = np.random.default_rng(0)
    cells, gradients = rng.normal(size=(2, 4, *coarse.shape)), rng.normal(size=(2, 4, *shape))
    left, right = (coarse.enlarge(cells) * gradients).sum(), (cells * coarse.carry_back(gradients)).sum()
    np.testing.assert_allclose(left, right)
    np.testing.assert_allclose(coarse.enlarge(np.ones_like(cells)), 1.0)
    assert abs(np.diff(coarse.enlarge(cells), axis=-2)).max() < abs(np.diff(cells, axis=-2)).max()


def test_a_small_picture_has_a_cell_a_pixel():
    fine = grid(InputSpace("NCHW", (1, 8, 5), (0.0,), (1.0,)), 28, np.float32)
    cells = np.random.default_rng(0).normal(size=(1, 2, 1, 8, 5))
    assert fine.shape == (1, 8, 5) and fine.enlarge(cells) is cells and fine.carry_back(cells) is cells


def test_the_noise_goes_from_the_second_reading_to_nothing():
    left = [noise_left(k, 20) for k in range(21)]
    assert left[0] == 0 and left[1] == max(left) and left[12:] == [0] * 9
    assert (np.diff(left[1:13]) < 0).all()


def test_vertices_gather_where_the_line_is_steep():
    probe, problems = bump()
    walks, t = straight_walks(probe.recorded_line(problems), problems, 10, 0.3)
    assert (np.diff(t) > 0).all() and t[0, 0] == 0 and t[0, -1] == 1
    assert ((t > 0.25) & (t < 0.75)).sum() >= 6
    np.testing.assert_allclose(walks.vertices[0, :, 0, 0, 0], t[0])
    even = straight_walks(probe.recorded_line(problems), problems, 10, 1.0)[1]
    np.testing.assert_allclose(even[0], np.arange(11) / 10, atol=1e-12)
    np.testing.assert_allclose(walks.steepness[0], np.linalg.norm(probe.gradient(np.array([[0, 0], [1.0, 0]])), axis=1))


def test_cutting_changes_no_walk():
    corners = np.random.default_rng(0).normal(size=(3, 1, 1, 2))
    pieces = cut(corners, 4)
    assert len(pieces) == 9
    np.testing.assert_array_equal(pieces[::4], corners)
    np.testing.assert_allclose(pieces[1], 0.75 * corners[0] + 0.25 * corners[1])


def test_the_published_norms_run_over_the_last_axis_and_the_ends_are_held():
    vectors = np.random.default_rng(0).normal(size=(1, 1, 2, 3, 4))
    h = 1e-6
    moved = vectors.copy()
    moved[0, 0, 1, 2, 3] += h
    change = (np.linalg.norm(moved, axis=-1).sum() - np.linalg.norm(vectors, axis=-1).sum()) / h
    np.testing.assert_allclose(published._directions(vectors)[0, 0, 1, 2, 3], change, rtol=1e-4)
    assert not published._directions(np.zeros((2, 3))).any()
    np.testing.assert_array_equal(published._ends(20, float).ravel(), [101] * 2 + [1] * 16 + [101] * 2)


def test_it_costs_less_than_ten_straight_lines():
    line = METHODS["integrated-gradients"].cls().cost(Quadrature())
    costs = {
        name: registry.create(METHODS["geodesic-ig-svi"], name, {}).cost(Quadrature())
        for name in ("quick", "standard", "thorough")
    }
    assert costs["quick"].gradients < costs["standard"].gradients <= 10 * line.gradients
    assert costs["thorough"].gradients <= 4 * 10 * line.gradients


def test_its_length_is_the_energys_own_unless_another_is_asked_for():
    assert svi()._criterion == "conformal-length" and svi(energy="pullback")._criterion == "total-variation"
    assert svi(energy="pullback", criterion="conformal-length")._criterion == "conformal-length"
