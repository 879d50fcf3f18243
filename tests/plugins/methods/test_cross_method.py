"""What holds between methods: where theory says that their maps agree, and what no map may do.

The methods are taken from the registry by what they declare, so that a new one is held to the same laws.
"""

import numpy as np
import pytest

from geoaudit import Control, Quadrature, registry
from geoaudit.analytic import AnalyticProbe
from geoaudit.api import InputSpace, Problems
from geoaudit.paths.integrator import integrate
from geoaudit.paths.walk import straight_line

LOADED = registry.load(())
SHELF = {name: entry for name, entry in LOADED.methods.items() if entry.provider.startswith("geoaudit ")}
COMPLETE_WALKS = [
    name
    for name, entry in SHELF.items()
    if entry.cls.family == "path" and not {"not-complete", "ncc-by-construction", "own-baseline"} & entry.cls.flags
]
"""Path integrals of the gradient from the run's baseline to the image."""
STRAIGHT = {
    "geodesic-ig-knn": {"bank": "0"},
    "geodesic-ig-svi": {"iterations": "0"},
    "guided-ig": {"fraction": "1"},
    "guided-ig-bounded": {"max_dist": "0"},
    "spectral-ig": {"overlap": "1"},
}
"""Parameters at which a walk is the straight line."""
TIGHT = Quadrature(tolerance=1e-4, node_limit=2048, scan=129, first_nodes=64)
SIDE = 6


def make(name, settings=None, budget="standard"):
    return registry.create(SHELF[name], budget, settings or {}, LOADED.methods)


def inside(name):
    return "layers" in make(name).needs


def pictures(probe):
    """Two grey pictures against a dark baseline."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, (2, 1, SIDE, SIDE))
    baseline, targets = np.full_like(x, -1.0), np.zeros(2, np.int64)
    space = InputSpace("NCHW", (1, SIDE, SIDE), (-1.0,), (1.0,))
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    return Problems(("a.png", "b.png"), x, baseline, targets, f_x, f_baseline, space)


def additive():
    """A sum of one bent function a feature."""
    rng = np.random.default_rng(5)
    scale, speed = rng.normal(size=(2, SIDE * SIDE))
    bank = rng.uniform(-1, 1, (6, 1, SIDE, SIDE))
    probe = AnalyticProbe(
        lambda x: (np.sin(x * speed) * scale).sum(axis=1), lambda x: np.cos(x * speed) * speed * scale, TIGHT, bank
    )
    problems = pictures(probe)
    flat, start = problems.x.reshape(2, -1), problems.baseline.reshape(2, -1)
    return probe, problems, scale * (np.sin(flat * speed) - np.sin(start * speed))


def curved():
    """A smooth function in which features act together."""
    rng = np.random.default_rng(6)
    w, v = rng.normal(size=(2, SIDE * SIDE)) / SIDE
    probe = AnalyticProbe(
        lambda x: np.tanh((x * w).sum(axis=1)) + (x * v).sum(axis=1) ** 2,
        lambda x: (1 - np.tanh((x * w).sum(axis=1)) ** 2)[:, None] * w + 2 * (x * v).sum(axis=1)[:, None] * v,
        TIGHT,
        rng.uniform(-1, 1, (6, 1, SIDE, SIDE)),
    )
    return probe, pictures(probe)


@pytest.mark.parametrize("name", [name for name in COMPLETE_WALKS if not inside(name)])
def test_where_features_do_not_act_together_every_walk_gives_the_same_map(name):
    probe, problems, expected = additive()
    values = make(name).attribute(problems, probe).values.reshape(2, -1)
    np.testing.assert_allclose(values, expected, atol=0.02 * np.abs(expected).max())


def test_where_they_do_act_together_the_walks_tell_themselves_apart():
    """Otherwise the agreement above would show nothing."""
    probe, problems = curved()
    maps = {name: make(name).attribute(problems, probe).values for name in ("integrated-gradients", "guided-ig")}
    difference = np.abs(maps["guided-ig"] - maps["integrated-gradients"]).max()
    assert difference > 0.2 * np.abs(maps["integrated-gradients"]).max()


@pytest.mark.parametrize("name", STRAIGHT)
def test_in_its_limit_a_walk_is_the_straight_line(name):
    probe, problems = curved()
    line = integrate(straight_line(problems), problems, probe)
    made = make(name, STRAIGHT[name]).attribute(problems, probe)
    scale = np.abs(line.values).max()
    np.testing.assert_allclose(made.values, line.values, atol=5e-3 * scale)
    for record, straight in zip(made.records, line.records, strict=True):
        assert record.length == pytest.approx(straight.length, rel=1e-6)
    away = make(name).attribute(problems, probe).values
    assert name == "geodesic-ig-knn" or np.abs(away - line.values).max() > 1e-3 * scale, "the default walks elsewhere"


@pytest.mark.parametrize("name", COMPLETE_WALKS)
def test_no_difference_between_image_and_baseline_leaves_nothing_to_share_out(scene, name):
    found = scene("network" if inside(name) else "formula")
    same = found.problems.x.copy()
    problems = found.problems.starting_at(same, found.problems.f_x.copy())
    result = make(name, budget="quick").attribute(problems, found.probe)
    assert not result.values.any()
    for record in result.records:
        assert record.attribution_sum == record.magnitude == record.delta_f == 0


@pytest.mark.parametrize("name", [name for name, entry in SHELF.items() if entry.cls.kind == "method"])
def test_merging_channels_never_adds_to_the_magnitude(scene, name):
    """Pixels instead of elements, patches instead of pixels: S falls or stays, the sum stays."""
    found = scene("network" if inside(name) else "formula")
    values = make(name, budget="quick").attribute(found.problems, found.probe).values.astype(np.float64)
    pixels = values.sum(axis=1)
    patches = pixels.reshape(len(pixels), 4, 2, 4, 2).sum(axis=(2, 4))
    sizes = [np.abs(part).reshape(len(part), -1).sum(axis=1) for part in (values, pixels, patches)]
    assert (sizes[0] >= sizes[1] - 1e-9).all() and (sizes[1] >= sizes[2] - 1e-9).all()
    np.testing.assert_allclose(patches.sum(axis=(1, 2)), values.sum(axis=(1, 2, 3)), atol=1e-5 * sizes[0].max())


@pytest.mark.parametrize("name", [name for name in COMPLETE_WALKS if not inside(name)])
def test_cancellation_is_twice_the_smaller_of_the_two_signs(name):
    probe, problems = curved()
    result = make(name, budget="quick").attribute(problems, probe)
    for values, record in zip(result.values, result.records, strict=True):
        smaller = min(values[values > 0].sum(), -values[values < 0].sum())
        assert record.magnitude - abs(record.attribution_sum) == pytest.approx(2 * smaller, abs=1e-9)
        slack = np.nan_to_num(record.absolute_misses) * abs(record.delta_f) + 1e-9
        assert abs(record.delta_f) <= record.magnitude + slack
        assert record.magnitude <= record.absolute_integral + 1e-9 <= record.conformal_length + 2e-9
        assert abs(record.delta_f) <= record.total_variation + 1e-9 <= record.absolute_integral + slack


@pytest.mark.parametrize("name", [n for n, e in SHELF.items() if e.cls.kind == "method" and not inside(n)])
def test_a_constant_added_to_the_output_changes_no_map(scene, name):
    plain, moved = (scene("formula", dtype=np.float64, offset=offset) for offset in (0.0, 8.0))
    expected = make(name, budget="quick").attribute(plain.problems, plain.probe).values
    values = make(name, budget="quick").attribute(moved.problems, moved.probe).values
    np.testing.assert_allclose(values, expected, atol=1e-6 * np.abs(expected).max())


def test_what_is_no_explanation_may_be_free_of_cancellation(scene):
    """The reason why no ranking rests on cancellation alone."""
    found = scene("formula")
    values = make("uniform-complete").attribute(found.problems, found.probe).values.astype(np.float64)
    flat = values.reshape(len(values), -1)
    np.testing.assert_allclose(flat.sum(axis=1), found.problems.delta_f, rtol=1e-5)
    np.testing.assert_allclose(np.abs(flat).sum(axis=1), np.abs(found.problems.delta_f), rtol=1e-5)
    assert issubclass(SHELF["uniform-complete"].cls, Control)


def test_probabilities_of_all_classes_share_out_to_nothing_on_a_real_network(scene):
    """The probabilities add up to 1 everywhere, so their gradients and the maps add up to 0, element by element."""
    found = scene("network", dtype=np.float64, explain="probability")
    probe, problems = found.probe, found.problems.select([0] * 4)
    targets = np.arange(4)
    problems = Problems(
        tuple(f"class {c}" for c in targets), problems.x, problems.baseline, targets,
        probe.outputs(problems.x, targets), probe.outputs(problems.baseline, targets), problems.space,
    )  # fmt: skip
    assert problems.f_x.sum() == pytest.approx(1, abs=1e-6)
    line = integrate(straight_line(problems), problems, probe, Quadrature(1e-3, 1024, 129, 128))
    np.testing.assert_allclose(line.values.sum(axis=0), 0, atol=2e-3 * np.abs(line.values).max())
    for record, delta in zip(line.records, problems.delta_f, strict=True):
        assert abs(delta) <= 1 and record.magnitude >= abs(delta) * (1 - 1e-2)
