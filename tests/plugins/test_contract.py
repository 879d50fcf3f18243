"""What every plugin in the registry promises, whoever wrote it: facts, shapes, determinism, independence.

Methods run on a smooth formula, those that look inside the model and, once more, all others on a tiny real network.
"""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import geoaudit_plugins
from geoaudit import Attributions, Control, Evidence, Finding, Group, Quadrature, Status, Subject, registry
from geoaudit.audit.probe import ModelProbe
from geoaudit.errors import NotApplicable
from geoaudit.scoring.sweep import Sweep


def _own(shelf):
    """What geoaudit itself provides; adapters of other packages have tests of their own."""
    return {name: entry for name, entry in shelf.items() if entry.provider.startswith("geoaudit ")}


LOADED = registry.load(())
REGISTRY = registry.Registry(_own(LOADED.methods), _own(LOADED.metrics), _own(LOADED.checks), LOADED.imputers)
SHELVES = (REGISTRY.methods, REGISTRY.metrics, REGISTRY.checks, REGISTRY.imputers)
ALL = [item for shelf in SHELVES for item in shelf.items()]
ENGINES = ("formula", "network")
BUDGETS = ("quick", "standard", "thorough")
QUADRATURE = Quadrature(node_limit=64, scan=33, first_nodes=16)
SPACES = {
    "rgb-nchw-float32": {},
    "rgb-nhwc-float64": {"layout": "NHWC", "dtype": np.float64},
    "grey-nchw-float64": {"channels": 1, "dtype": np.float64},
    "grey-nhwc-float32": {"layout": "NHWC", "channels": 1},
}
SPREADS = {
    "occlusion": "a window hides all channels of its pixels together",
    "rise": "a mask hides all channels of its pixels together",
    "xrai": "a segment's elements share its mean",
}
"""Methods that give something to elements without influence, and why."""
UNEQUAL = {
    "geodesic-ig-svi": "its search draws another deviation for every element",
    "smoothgrad": "the noise is drawn for every element by itself",
}
"""Methods that give interchangeable elements unequal shares, and why."""

methods = pytest.mark.parametrize("name", REGISTRY.methods)


def fact(name):
    return REGISTRY.methods[name].cls


def make(name, budget="quick"):
    return registry.create(REGISTRY.methods[name], budget, {}, LOADED.methods)


def inside(name):
    """Whether it looks inside the model, itself or by the method that it builds upon: a formula has no layers."""
    method = make(name)
    return "layers" in method.needs | (method.base.needs if method.base is not None else frozenset())


PLACES = [(name, engine) for name in REGISTRY.methods for engine in ENGINES if engine == "network" or not inside(name)]


@cache
def run(scene, name, budget="quick", order=None, engine=None, **kind):
    """Attributions, problems, the probe after the fact; every call with the same arguments is one evaluation."""
    found = scene(engine or ("network" if inside(name) else "formula"), **kind)
    problems = found.problems if order is None else found.problems.select(order)
    return make(name, budget).attribute(problems, found.probe), problems, found.probe


def again(scene, name, **kind):
    """The maps of a fresh run that no cache knows."""
    return run.__wrapped__(scene, name, **kind)[0].values


@pytest.mark.parametrize(("name", "entry"), ALL)
def test_facts_are_declared(name, entry):
    cls = entry.cls
    assert cls.id == name and name == name.lower() and "/" not in name and " " not in name
    assert cls.title.strip() and cls.reference.strip() and cls.title[0].isupper()
    module = sys.modules[cls.__module__]
    assert module.__doc__ and cls.__doc__, "say what it does"
    cited = ("Source:", "arXiv", "Control", "test", "certificate", "section")
    assert any(word in f"{module.__doc__} {cls.reference}" for word in cited), "say where it comes from"
    for parameter, field in cls.Parameters.model_fields.items():
        assert field.description and not field.is_required(), f"{parameter} needs a description and a default"


@methods
def test_a_methods_facts_are_of_the_known_kinds(name):
    cls = fact(name)
    assert cls.needs <= {"gradients", "layers"} and cls.runs in ("by default", "with all", "when named")
    assert set(cls.budgets) <= set(BUDGETS)
    for values in cls.budgets.values():
        assert values.keys() <= cls.Parameters.model_fields.keys()
    assert cls.base_parameter is None or cls.base_parameter in cls.Parameters.model_fields
    assert (make(name).base is None) == (cls.base_parameter is None)


@pytest.mark.parametrize("name", REGISTRY.of_kind("method"))
def test_a_methods_module_is_its_documentation(name):
    cls = fact(name)
    page = sys.modules[cls.__module__].__doc__
    assert len(page.strip().splitlines()) >= 15, "formulas, defaults, integration, completeness, limits"
    assert re.search(r"^Sources?:", page, re.MULTILINE), "say where it comes from"
    assert re.search(r"\b(19|20)\d\d\b", cls.reference) and re.search(
        r"arXiv|doi|ICML|ICCV|CVPR|NeurIPS", cls.reference
    )


def test_ids_are_unique_across_methods_and_the_module_holds_one_plugin():
    places = [entry.cls.__module__ for _, entry in ALL]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize(("name", "engine"), PLACES)
def test_maps_have_the_problems_shape_and_are_finite_in_every_input_space(scene, name, kind, engine):
    result, problems, probe = run(scene, name, engine=engine, **SPACES[kind])
    assert isinstance(result, Attributions) and result.values.shape == problems.x.shape
    assert result.values.dtype == problems.x.dtype and np.isfinite(result.values).all()
    assert np.abs(result.values).max() > 0
    assert len(result.records) == len(problems)
    walks = [record for record in result.records if record is not None]
    assert len(walks) in (0, len(problems))
    assert sum(w.gradients for w in walks) <= probe.spent.gradients


@methods
def test_a_record_measures_the_very_map_it_comes_with(scene, name):
    """A complete method of the path family has records, and their numbers are this map's."""
    result, problems, probe = run(scene, name, budget="standard")
    records, cls = result.records, fact(name)
    if records[0] is None:
        assert cls.family != "path" or "not-complete" in cls.flags
        return
    for values, record in zip(result.values.astype(np.float64), records, strict=True):
        assert record.attribution_sum == pytest.approx(values.sum(), abs=1e-5)
        assert record.magnitude == pytest.approx(np.abs(values).sum(), rel=1e-5)
    if "own-baseline" not in cls.flags:
        np.testing.assert_allclose([record.delta_f for record in records], problems.delta_f, atol=1e-6)
    assert probe.quadrature is not None


@methods
def test_notes_are_sentences(scene, name):
    for note in run(scene, name)[0].notes:
        assert note[0].isupper() and note.endswith(".") and "\n" not in note and len(note) > 20


@methods
def test_the_same_again_and_another_seed_for_what_is_random(scene, name):
    first = run(scene, name)[0].values
    np.testing.assert_array_equal(again(scene, name), first)
    reseeded = run(scene, name, seed=1)[0].values
    stochastic = "stochastic" in fact(name).flags or name in ("random", "smooth-random")
    assert stochastic == bool((reseeded != first).any()), "the flag says whether the seed matters"


@pytest.mark.parametrize("order", [(1,), (4, 0), (2, 3, 1, 0, 4)])
@methods
def test_a_map_does_not_depend_on_the_other_images(scene, name, order):
    together, _, _ = run(scene, name)
    apart, _, _ = run(scene, name, order=order)
    scale = np.abs(together.values).max()
    np.testing.assert_allclose(apart.values, together.values[list(order)], rtol=0, atol=1e-6 * max(1.0, scale))
    if inside(name):  # float32 decides there how far the integrator goes
        return
    for place, i in enumerate(order):
        if together.records[i] is not None:
            assert apart.records[place].gradients == together.records[i].gradients


@methods
def test_the_problems_are_left_as_they_were(scene, name):
    _, problems, _ = run(scene, name)
    untouched = scene("network" if inside(name) else "formula").problems
    for field in ("x", "baseline", "targets", "f_x", "f_baseline"):
        np.testing.assert_array_equal(getattr(problems, field), getattr(untouched, field))


@methods
def test_an_image_that_equals_its_baseline_gives_a_finite_map(scene, name):
    found = scene("network" if inside(name) else "formula")
    problems = found.problems.select([0, 1])
    problems.x[1] = problems.baseline[1]
    problems.f_x[1] = problems.f_baseline[1]
    result = make(name).attribute(problems, found.probe)
    assert np.isfinite(result.values).all()
    if not {"not-complete", "own-baseline"} & fact(name).flags:
        np.testing.assert_allclose(result.values[1], 0, atol=1e-12)


@pytest.mark.parametrize("budget", BUDGETS)
@methods
def test_cost_and_memory_are_announced(scene, name, budget):
    result, problems, probe = run(scene, name, budget=budget)
    assert np.isfinite(result.values).all()
    method, n = make(name, budget), len(problems)
    assert method.memory(QUADRATURE) > 0
    expected = method.cost(QUADRATURE) * n + method.preparation(QUADRATURE, len(probe.calibration))
    assert expected.gradients >= 0 and expected.forwards >= 0
    assert (expected.gradients > 0) == (probe.spent.gradients > 0), "who asks for gradients says so, and nobody else"
    assert ("gradients" in method.needs) == (probe.spent.gradients > 0), "a gradient-free audit runs what needs none"
    if method.family == "perturbation":
        assert probe.spent.forwards <= expected.forwards
    if method.family == "gradient" or isinstance(method, Control):
        assert probe.spent.gradients == expected.gradients
    assert probe.spent.gradients <= 2 * expected.gradients


@methods
def test_needs_are_declared(scene, name):
    """What a method does not declare is refused, and not asked for."""
    method = make(name)
    found = scene("network" if inside(name) else "formula", gradients="gradients" in method.needs)
    base = method.base
    if "needs-calibration-set" not in method.flags | (base.flags if base is not None else frozenset()):
        found.probe.calibration = Refused()
    np.testing.assert_array_equal(method.attribute(found.problems, found.probe).values, run(scene, name)[0].values)


class Refused:
    """A calibration set that nobody may look at."""

    def __getattr__(self, wanted):
        raise AssertionError("asks for the calibration set without the flag needs-calibration-set")

    __len__ = __iter__ = __getattr__


@methods
def test_without_a_calibration_set_a_method_says_what_it_does_not_have(scene, name):
    if "needs-calibration-set" not in fact(name).flags:
        return
    try:
        alone, _, _ = run(scene, name, pictures=0)
    except NotApplicable as error:
        assert "calibration" in error.message and error.way_out.endswith(".")
    else:
        assert np.isfinite(alone.values).all()


@methods
def test_complete_methods_add_up_and_the_others_say_that_they_do_not(scene, name):
    """Complete: to the output's difference from the run's baseline, or from the start that the record names."""
    result, problems, _ = run(scene, name, budget="standard")
    flat = result.values.reshape(len(problems), -1)
    sums = flat.sum(axis=1, dtype=np.float64)
    claims = [d if r is None else r.delta_f for r, d in zip(result.records, problems.delta_f, strict=True)]
    miss = np.abs(sums - claims) / np.maximum(np.abs(claims), 0.1)
    assert ("not-complete" in fact(name).flags) == bool((miss > 0.1).any())


@methods
def test_the_error_bar_says_how_far_a_walk_is_from_its_sum(scene, name):
    result, _, probe = run(scene, name, budget="standard")
    for values, record in zip(result.values, result.records, strict=True):
        if record is None or np.isnan(record.completeness_error):
            continue
        miss = abs(float(values.sum(dtype=np.float64)) - record.delta_f) / abs(record.delta_f)
        assert miss <= record.absolute_misses + record.method_error + 1e-5
        assert record.error_bar <= record.absolute_misses + 1e-9 and record.met == (
            record.error_bar <= probe.quadrature.tolerance
        )


@methods
def test_a_channel_without_influence_gets_nothing(scene, name):
    if issubclass(fact(name), Control):
        return
    result, _, _ = run(scene, name, roles="twins")
    assert bool((result.values[:, 2] != 0).any()) == (name in SPREADS), SPREADS.get(name, "it must get exactly 0")
    assert np.abs(result.values[:, 0]).max() > 0


@methods
def test_interchangeable_channels_get_equal_shares(scene, name):
    if issubclass(fact(name), Control):
        return
    values = run(scene, name, roles="twins")[0].values
    difference = np.abs(values[:, 0] - values[:, 1]).max() / np.abs(values).max()
    assert (difference > 1e-4) == (name in UNEQUAL), UNEQUAL.get(name, "they must be equal")


@methods
def test_a_real_network_gives_the_same_map_whatever_the_other_images(scene, name):
    together, _, probe = run(scene, name, engine="network")
    apart, _, _ = run(scene, name, engine="network", order=(3, 1))
    assert isinstance(probe, ModelProbe)
    scale = np.abs(together.values).max()
    np.testing.assert_allclose(apart.values, together.values[[3, 1]], rtol=0, atol=1e-5 * max(1.0, scale))


def grouped(problems, probe):
    """What all maps share, with every registered imputer."""
    return Group(problems, probe, {name: entry.cls() for name, entry in REGISTRY.imputers.items()})


@pytest.fixture(scope="module")
def evidence(scene):
    found = scene("formula")
    problems, probe = found.problems.select([0, 1, 4]), found.probe
    attributions = make("integrated-gradients", "standard").attribute(problems, probe)
    group = grouped(problems, probe)
    curves = Sweep(region_px=2).curves(attributions.values, group)
    return attributions, problems, Evidence(curves, group)


@pytest.mark.parametrize("name", REGISTRY.metrics)
def test_metrics_give_one_score_an_image_or_the_reason_why_not(name, evidence):
    attributions, problems, everything = evidence
    cls = REGISTRY.metrics[name].cls
    asked = Evidence(everything.sweep if "sweep" in cls.needs else None, everything.group)
    for records in (attributions.records, (None,) * 3):
        scores = cls().score(Attributions(attributions.values, records), problems, asked)
        assert scores.values.shape == (3,) and scores.values.dtype == np.float64 and len(scores.reasons) == 3
        for value, reason in zip(scores.values, scores.reasons, strict=True):
            assert np.isfinite(value) == (reason is None) and reason != ""
    assert cls.higher_is_better in (True, False, None) and cls.needs <= {"sweep", "probe"}


@pytest.mark.parametrize("name", REGISTRY.metrics)
def test_metrics_score_each_image_by_itself(name, evidence):
    attributions, problems, everything = evidence
    metric, order = REGISTRY.metrics[name].cls(), [2, 0]
    whole = metric.score(attributions, problems, everything).values
    curves = everything.sweep
    part = type(curves)(curves.fractions, curves.imputers, curves.morf[order], curves.lerf[order])
    few = problems.select(order)
    chosen = metric.score(attributions.select(order), few, Evidence(part, grouped(few, everything.probe)))
    np.testing.assert_allclose(chosen.values, whole[order], rtol=1e-12)


@pytest.mark.parametrize("name", REGISTRY.checks)
def test_checks_return_findings_with_reasons(name, evidence, scene):
    attributions, problems, everything = evidence
    cls, probe = REGISTRY.checks[name].cls, everything.probe
    if "layers" in cls.needs:  # a formula has none
        found = scene("network")
        problems, probe = found.problems.select([0, 1, 4]), found.probe
    assert cls.examines in ("model", "method")
    method = make("integrated-gradients") if cls.examines == "method" else None
    gradient = {"directions": 4, "median_rel_error": 1e-3, "max_rel_error": 1e-2, "tolerance": 0.01}
    parity = {
        "status": Status.PASS, "images": 3, "max_abs_diff": 1e-6, "max_rel_diff": 1e-6, "top1_agreement": 1.0,
        "tolerance": 1e-3, "gradient": gradient,
    }  # fmt: skip
    labels = {"source": None, "names_source": None, "labelled": 0, "top1_accuracy": None}
    subject = Subject(method, problems.ids, attributions.records, parity, labels, classes=10)
    findings = cls().examine(subject, problems, probe)
    assert findings and all(isinstance(finding, Finding) for finding in findings)
    for finding in findings:
        assert finding.check == name and finding.status in Status
        assert finding.method == (method.id if method is not None else None)
        assert not finding.reason[0].islower() and finding.reason.endswith(".") and "\n" not in finding.reason


SOURCES = sorted(Path(geoaudit_plugins.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_plugins_know_neither_the_engines_inside_nor_its_libraries(source):
    forbidden = ("geoaudit.audit", "geoaudit.model", "geoaudit.cli", "geoaudit_reports", "onnx", "onnxruntime")
    text = source.read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.strip().startswith(("from ", "import ")):
            name = line.split()[1]
            inside = [f for f in forbidden if name == f or name.startswith(f + ".")]
            assert not inside, line
    assert "print(" not in text and " open(" not in text.replace("def open(", "")


def test_nothing_slow_is_imported_to_know_the_plugins():
    slow = ("torch", "sklearn", "skimage", "captum", "onnx", "onnxruntime", "matplotlib")
    code = (
        f"import sys; from geoaudit import registry; registry.load(()); print([m for m in {slow} if m in sys.modules])"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == "[]", done.stderr
