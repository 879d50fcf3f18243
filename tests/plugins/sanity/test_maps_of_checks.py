"""Maps made inside checks: posed anew, coarser where asked, kept for one method, one image at a time."""

import numpy as np
import pytest

from geoaudit import Cost, Quadrature, registry
from geoaudit_plugins.sanity import maps as sanity
from geoaudit_plugins.sanity.weights import changed

SHELF = registry.load(())


def make(name):
    return registry.create(SHELF.methods[name], "quick", {}, SHELF.methods)


def spent(probe, work):
    before = probe.spent
    found = work()
    return found, probe.spent + before * -1.0


def test_posing_asks_the_probes_own_model(scene):
    found = scene("network")
    before = found.problems.f_x.copy()
    same = sanity.posed(found.problems, found.probe)
    np.testing.assert_allclose(same.f_x, found.problems.f_x, atol=1e-6)
    other = found.probe.with_layers(changed(found.probe.layers(), lambda _, values: 2 * values))
    moved = sanity.posed(found.problems, other)
    np.testing.assert_allclose(moved.f_x, other.outputs(moved.x, moved.targets), atol=1e-6)
    assert np.abs(moved.f_x - same.f_x).min() > 1e-3 and np.abs(moved.f_baseline - same.f_baseline).min() > 1e-6
    np.testing.assert_array_equal(found.problems.f_x, before)


def test_the_first_problems_are_never_more_than_there_are(scene):
    problems = scene("formula").problems
    assert sanity.first(problems, 2).ids == problems.ids[:2] and len(sanity.first(problems, 99)) == len(problems)


def test_a_coarse_quadrature_does_not_refine(scene):
    found = scene("formula")
    method, problems = make("integrated-gradients"), found.problems
    made, cost = spent(found.probe, lambda: sanity.maps(method, problems, found.probe, 4))
    assert cost.gradients <= 5 * len(problems) and made.values.dtype == np.float32
    assert cost.gradients <= 2 * sanity.cost(method, found.probe.quadrature, 4, len(problems)).gradients
    assert sanity.coarse(found.probe.quadrature, None) is found.probe.quadrature
    fine = sanity.maps(method, problems, found.probe, None)
    direct = method.attribute(problems, found.probe)
    np.testing.assert_array_equal(fine.values, direct.values.astype(np.float32))


def test_original_maps_are_made_once_image_by_image(scene):
    found = scene("formula")
    method, probe = make("integrated-gradients"), found.probe
    two, cost = spent(probe, lambda: sanity.original(method, sanity.first(found.problems, 2), probe, 4))
    assert cost.gradients > 0
    again, cost = spent(probe, lambda: sanity.original(method, found.problems.select([1, 0]), probe, 4))
    assert cost == Cost()
    np.testing.assert_array_equal(again.values, two.values[::-1])
    four, cost = spent(probe, lambda: sanity.original(method, found.problems.select([3, 0, 1, 2]), probe, 4))
    assert 0 < cost.gradients <= 2 * 5
    np.testing.assert_array_equal(four.values[[1, 2]], two.values)
    alone = sanity.maps(method, found.problems.select([3]), probe, 4)
    np.testing.assert_allclose(four.values[:1], alone.values, atol=1e-6)


@pytest.mark.parametrize("what", ["nodes", "baseline", "method"])
def test_another_question_is_another_map(scene, what):
    found = scene("formula")
    probe, problems = found.probe, sanity.first(found.problems, 1)
    sanity.original(make("integrated-gradients"), problems, probe, 4)
    method, nodes = make("idgi" if what == "method" else "integrated-gradients"), 8 if what == "nodes" else 4
    if what == "baseline":
        problems = sanity.posed(problems.starting_at(0 * problems.baseline, problems.f_baseline), probe)
    made, cost = spent(probe, lambda: sanity.original(method, problems, probe, nodes))
    assert cost.gradients > 0
    np.testing.assert_array_equal(made.values, sanity.maps(method, problems, probe, nodes).values)


def test_only_the_examined_methods_maps_are_kept(scene):
    found = scene("formula")
    one, other = make("integrated-gradients"), make("gradient")
    sanity.original(one, found.problems, found.probe, 4)
    sanity.original(other, found.problems, found.probe, 4)
    _, cost = spent(found.probe, lambda: sanity.original(one, found.problems, found.probe, 4))
    assert cost.gradients > 0, "memory does not grow with the number of methods"


def test_a_coarse_quadrature_keeps_within_a_small_one():
    tiny = Quadrature(scan=9, first_nodes=4, node_limit=16)
    assert sanity.coarse(tiny, 16).scan == 9 and sanity.coarse(tiny, 16).first_nodes == 16
