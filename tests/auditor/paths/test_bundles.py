"""Several walks to one image: weights, claims and what they share; and straight lines kept for others."""

from dataclasses import replace

import numpy as np
import pytest

from geoaudit import Bundle, Cost, Part, Quadrature
from geoaudit.errors import NotApplicable
from geoaudit.paths.integrator import integrate
from geoaudit.paths.line_store import LineStore
from geoaudit.paths.recording import integrate_recorded
from geoaudit.paths.walk import straight_line

FINE = Quadrature(tolerance=1e-4, node_limit=4096, scan=129, first_nodes=64)


def starts(lab, function, seeds):
    """The same two images asked against a baseline for each seed."""
    ends = lab.random_legs(0, legs=1)
    for seed in seeds:
        yield lab.problems_of(function, lab.random_legs(seed + 1, legs=1), ends)


def test_the_map_is_the_weighted_sum_of_the_walks(lab):
    function = lab.network(1)
    posed, weights = list(starts(lab, function, range(3))), (0.5, 0.3, 0.2)
    bundle = Bundle([Part(straight_line(p), p, w) for p, w in zip(posed, weights, strict=True)])
    made = integrate(bundle, posed[0], function.probe(FINE))
    alone = [integrate(straight_line(p), p, function.probe(FINE)) for p in posed]
    expected = sum(w * a.values for w, a in zip(weights, alone, strict=True))
    np.testing.assert_allclose(made.values, expected, atol=2e-3)
    for i, record in enumerate(made.records):
        claim = sum(w * p.delta_f[i] for w, p in zip(weights, posed, strict=True))
        assert record.delta_f == pytest.approx(claim, rel=1e-12)
        assert record.met and record.attribution_sum == pytest.approx(claim, rel=1e-3)
        parts = [w * a.records[i].total_variation for w, a in zip(weights, alone, strict=True)]
        assert record.total_variation == pytest.approx(sum(parts), rel=1e-2)
        assert record.magnitude_half == pytest.approx(record.magnitude, rel=2e-2)


def test_one_walk_of_weight_one_is_that_walk(lab):
    function = lab.network(2)
    (problems,) = starts(lab, function, [0])
    bundled = integrate(Bundle([Part(straight_line(problems), problems, 1.0)]), problems, function.probe(FINE))
    alone = integrate(straight_line(problems), problems, function.probe(FINE))
    np.testing.assert_array_equal(bundled.values, alone.values)
    assert bundled.records == alone.records


def test_the_error_bar_is_the_whole_maps(lab):
    function = lab.network(3)
    posed = list(starts(lab, function, range(4)))
    bundle = Bundle([Part(straight_line(p), p, 0.25) for p in posed])
    probe = function.probe(Quadrature(tolerance=0.02, node_limit=4096, scan=33, first_nodes=4))
    for record in integrate(bundle, posed[0], probe).records:
        assert record.met and record.error_bar <= 0.02
        assert record.quadrature_error <= record.absolute_misses + 1e-12
    assert probe.spent.gradients < 4 * 2 * 60


def test_walks_share_one_images_node_limit(lab):
    function = lab.network(4)
    posed = list(starts(lab, function, range(4)))
    bundle = Bundle([Part(straight_line(p), p, 0.25) for p in posed])
    probe = function.probe(Quadrature(tolerance=1e-12, node_limit=40, scan=33, first_nodes=8))
    records = integrate(bundle, posed[0], probe).records
    assert all(r.gradients <= 40 and r.nodes == r.gradients for r in records)
    assert probe.spent.gradients == sum(r.gradients for r in records)
    assert probe.spent.forwards == sum(r.forwards for r in records)


def test_a_walk_that_goes_nowhere_adds_nothing(lab):
    function = lab.network(5)
    (problems,) = starts(lab, function, [0])
    still = problems.starting_at(problems.x, problems.f_x)
    bundle = Bundle([Part(straight_line(problems), problems, 1.0), Part(straight_line(still), still, 1.0)])
    made = integrate(bundle, problems, function.probe(FINE))
    alone = integrate(straight_line(problems), problems, function.probe(FINE))
    np.testing.assert_allclose(made.values, alone.values, atol=2e-3)
    nowhere = integrate(Bundle([Part(straight_line(still), still, 1.0)] * 2), problems, function.probe(FINE))
    assert not nowhere.values.any() and all(r.gradients == 0 for r in nowhere.records)


def test_a_bundles_nodes_have_no_order(lab):
    function = lab.network(6)
    (problems,) = starts(lab, function, [0])
    with pytest.raises(NotApplicable, match="several ways"):
        integrate_recorded(Bundle([Part(straight_line(problems), problems, 1.0)]), problems, function.probe())


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_straight_line_is_integrated_once_and_its_nodes_are_kept(lab, on_disk):
    function = lab.network(7)
    (problems,) = starts(lab, function, [0])
    probe = function.probe(FINE)
    with LineStore(lambda p, keep: integrate(straight_line(p), p, probe, keep=keep), on_disk=on_disk) as store:
        first = store.attributions(problems.select([1]))
        spent = probe.spent.gradients
        both = store.attributions(problems)
        nodes = store.recorded(problems)
        assert probe.spent.gradients == spent + both.records[0].gradients  # the second image was not paid again
        np.testing.assert_array_equal(both.values[1], first.values[0])
        for i in range(2):
            flat = nodes.vertices[i].reshape(len(nodes.vertices[i]), -1)
            np.testing.assert_allclose(nodes.gradients[i].reshape(flat.shape), function.gradient(flat), rtol=1e-12)
            np.testing.assert_allclose(nodes.values[i], function.f(flat), rtol=1e-12)
            np.testing.assert_array_equal(nodes.vertices[i][[0, -1]], [problems.baseline[i], problems.x[i]])
            steps = np.diff(nodes.vertices[i], axis=0)
            means = (nodes.gradients[i][1:] + nodes.gradients[i][:-1]) / 2
            np.testing.assert_allclose((means * steps).sum(axis=0), both.values[i], atol=1e-12)


def test_a_line_that_somebody_else_paid_for_is_charged_once_to_who_uses_it(lab):
    function = lab.network(7)
    (problems,) = starts(lab, function, [0])
    probe = function.probe(FINE)
    store = LineStore(lambda p, keep: integrate(straight_line(p), p, probe, keep=keep), on_disk=False)
    store.open_account()
    store.attributions(problems)
    store.recorded(problems)
    assert store.borrowed == Cost() and store.borrowed_seconds == 0  # whoever pays has borrowed nothing
    spent = probe.spent
    store.open_account()
    store.recorded(problems)
    store.attributions(problems)
    assert store.borrowed == spent == probe.spent and store.borrowed_seconds > 0


@pytest.mark.parametrize("changed", ["baseline", "picture"])
def test_another_baseline_or_another_picture_of_that_name_is_another_line(lab, changed):
    function = lab.network(8)
    one, other = starts(lab, function, range(2))
    if changed == "picture":
        other = replace(one, x=other.baseline, f_x=other.f_baseline)
    probe = function.probe(FINE)
    store = LineStore(lambda p, keep: integrate(straight_line(p), p, probe, keep=keep), on_disk=False)
    assert np.abs(store.attributions(one).values - store.attributions(other).values).max() > 1e-3
