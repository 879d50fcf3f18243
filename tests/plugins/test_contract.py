"""What every plugin in the registry promises, whoever wrote it: facts, shapes, determinism, independence."""

import inspect
import sys

import numpy as np
import pytest

from geoaudit import (
    Attributions,
    Control,
    Cost,
    Evidence,
    Finding,
    InputSpace,
    Problems,
    Quadrature,
    Status,
    Subject,
    registry,
)
from geoaudit.analytic import AnalyticProbe
from geoaudit.scoring.sweep import Sweep, SweepCache


def _own(shelf):
    """What geoaudit itself provides; adapters of other packages have tests of their own."""
    return {name: entry for name, entry in shelf.items() if entry.provider.startswith("geoaudit ")}


LOADED = registry.load(())
REGISTRY = registry.Registry(_own(LOADED.methods), _own(LOADED.metrics), _own(LOADED.checks))
ALL = [*REGISTRY.methods.items(), *REGISTRY.metrics.items(), *REGISTRY.checks.items()]
BUDGETS = ("quick", "standard", "thorough")
QUADRATURE = Quadrature(node_limit=64, scan=33, first_nodes=16)


class TinyModel(AnalyticProbe):
    """A smooth model of images; sums run row by row, so that no number depends on the batch."""

    def __init__(self, size):
        rng = np.random.default_rng(7)
        w, v = rng.normal(size=(2, size)) / np.sqrt(size)
        super().__init__(
            lambda x: 2 * np.tanh((x * w).sum(axis=1)) + np.sin(x * v).sum(axis=1),
            lambda x: 2 * (1 - np.tanh((x * w).sum(axis=1)) ** 2)[:, None] * w + np.cos(x * v) * v,
            QUADRATURE,
        )

    def value_and_gradient(self, points, targets):
        values, gradients = super().value_and_gradient(points, targets)
        return values, gradients.astype(points.dtype)  # as a float32 model gives them


def scene(layout="NCHW", dtype=np.float32):
    """Three images of 8 x 8 pixels; the last has a part that equals the baseline."""
    shape = (3, 8, 8) if layout == "NCHW" else (8, 8, 3)
    space = InputSpace(layout, shape, (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))
    x = np.random.default_rng(1).uniform(-1, 1, (3, *shape)).astype(dtype)
    baseline = np.full_like(x, -1.0)
    x[2, 1:5, 1:5] = -1.0
    probe = TinyModel(192)
    targets = np.zeros(3, np.int64)
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    probe.spent = Cost()
    return Problems(("a/1.png", "b.png", "c.png"), x, baseline, targets, f_x, f_baseline, space), probe


def make(name, budget="standard"):
    return registry.create(REGISTRY.methods[name], budget, {})


methods = pytest.mark.parametrize("name", REGISTRY.methods)


@pytest.mark.parametrize(("name", "entry"), ALL)
def test_facts_are_declared(name, entry):
    cls = entry.cls
    assert cls.id == name and name == name.lower() and "/" not in name and " " not in name
    assert cls.title.strip() and cls.reference.strip() and cls.title[0].isupper()
    assert entry.provider.startswith("geoaudit ")
    module = sys.modules[cls.__module__]
    assert module.__doc__ and cls.__doc__, "say what it does"
    cited = ("Source:", "arXiv", "Control", "test", "certificate", "section")
    assert any(word in f"{module.__doc__} {cls.reference}" for word in cited), "say where it comes from"
    assert entry not in REGISTRY.methods.values() or (cls.default is True and cls.needs <= {"gradients"})
    for parameter, field in cls.Parameters.model_fields.items():
        assert field.description and not field.is_required(), f"{parameter} needs a description and a default"


def test_ids_are_unique_across_methods_and_the_module_holds_one_plugin():
    places = [entry.cls.__module__ for _, entry in ALL]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("budget", BUDGETS)
@methods
def test_maps_have_the_problems_shape_and_are_finite_in_every_budget(name, budget):
    problems, probe = scene()
    method = make(name, budget)
    result = method.attribute(problems, probe)
    assert isinstance(result, Attributions) and result.values.shape == problems.x.shape
    assert result.values.dtype == problems.x.dtype and np.isfinite(result.values).all()
    assert len(result.records) == 3
    walks = [record for record in result.records if record is not None]
    assert len(walks) in (0, 3)
    if method.family == "path":
        assert len(walks) == 3 and sum(w.gradients for w in walks) == probe.spent.gradients


@pytest.mark.parametrize(("layout", "dtype"), [("NHWC", np.float32), ("NCHW", np.float64)])
@methods
def test_other_layouts_and_precisions(name, layout, dtype):
    problems, probe = scene(layout, dtype)
    values = make(name, "quick").attribute(problems, probe).values
    assert values.shape == problems.x.shape and values.dtype == dtype and np.isfinite(values).all()


@methods
def test_the_same_again(name):
    maps = [make(name, "quick").attribute(*scene()).values for _ in range(2)]
    np.testing.assert_array_equal(*maps)


@pytest.mark.parametrize("order", [[1], [2, 0], [2, 1, 0]])
@methods
def test_a_map_does_not_depend_on_the_other_images(name, order):
    problems, probe = scene()
    together = make(name, "quick").attribute(problems, probe)
    apart = make(name, "quick").attribute(problems.select(order), probe)
    np.testing.assert_allclose(apart.values, together.values[order], rtol=0, atol=1e-6)
    for place, i in enumerate(order):
        if together.records[i] is not None:
            assert apart.records[place].gradients == together.records[i].gradients


@methods
def test_the_problems_are_left_as_they_were(name):
    problems, probe = scene()
    untouched, _ = scene()
    make(name, "quick").attribute(problems, probe)
    for field in ("x", "baseline", "targets", "f_x", "f_baseline"):
        np.testing.assert_array_equal(getattr(problems, field), getattr(untouched, field))


@methods
def test_an_image_that_equals_its_baseline_gives_a_finite_map(name):
    problems, probe = scene()
    problems.x[1] = problems.baseline[1]
    problems.f_x[1] = problems.f_baseline[1]
    result = make(name, "quick").attribute(problems, probe)
    assert np.isfinite(result.values).all()
    if "not-complete" not in REGISTRY.methods[name].cls.flags:
        np.testing.assert_allclose(result.values[1], 0, atol=1e-12)


@pytest.mark.parametrize("budget", BUDGETS)
@methods
def test_cost_and_memory_are_announced(name, budget):
    problems, probe = scene()
    method = make(name, budget)
    cost, memory = method.cost(QUADRATURE), method.memory(QUADRATURE)
    assert cost.gradients >= 0 and cost.forwards >= 0 and memory > 0
    method.attribute(problems, probe)
    spent = probe.spent.gradients / len(problems)
    assert (cost.gradients > 0) == (spent > 0), "a method that asks for gradients says so, and only such a one"
    assert (method.needs == frozenset()) == (spent == 0), "a gradient-free audit runs what needs no gradients"
    if method.family == "perturbation":
        assert probe.spent.forwards / len(problems) <= cost.forwards
    if method.family == "gradient" or isinstance(method, Control):
        assert spent == cost.gradients


@methods
def test_complete_methods_add_up_and_the_others_say_that_they_do_not(name):
    problems, probe = scene()
    cls = REGISTRY.methods[name].cls
    sums = make(name).attribute(problems, probe).values.reshape(3, -1).sum(axis=1, dtype=np.float64)
    miss = np.abs(sums - problems.delta_f) / np.abs(problems.delta_f)
    assert ("not-complete" in cls.flags) == bool((miss > 0.05).any())


@pytest.fixture(scope="module")
def evidence():
    problems, probe = scene()
    attributions = make("integrated-gradients").attribute(problems, probe)
    curves = Sweep(region_px=2).curves(attributions.values, problems, probe, SweepCache(problems, probe))
    return attributions, problems, Evidence(curves, probe)


@pytest.mark.parametrize("name", REGISTRY.metrics)
def test_metrics_give_one_score_an_image_or_the_reason_why_not(name, evidence):
    attributions, problems, everything = evidence
    cls = REGISTRY.metrics[name].cls
    asked = Evidence(everything.sweep if "sweep" in cls.needs else None, everything.probe)
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
    chosen = metric.score(attributions.select(order), problems.select(order), Evidence(part, everything.probe))
    np.testing.assert_allclose(chosen.values, whole[order], rtol=1e-12)


@pytest.mark.parametrize("name", REGISTRY.checks)
def test_checks_return_findings_with_reasons(name, evidence):
    attributions, problems, everything = evidence
    cls = REGISTRY.checks[name].cls
    assert cls.examines in ("model", "method")
    method = make("integrated-gradients") if cls.examines == "method" else None
    gradient = {"directions": 4, "median_rel_error": 1e-3, "max_rel_error": 1e-2, "tolerance": 0.01}
    parity = {
        "status": Status.PASS, "images": 3, "max_abs_diff": 1e-6, "max_rel_diff": 1e-6, "top1_agreement": 1.0,
        "tolerance": 1e-3, "gradient": gradient,
    }  # fmt: skip
    labels = {"source": None, "names_source": None, "labelled": 0, "top1_accuracy": None}
    subject = Subject(method, problems.ids, attributions.records, parity, labels, classes=10)
    findings = cls().examine(subject, problems, everything.probe)
    assert findings and all(isinstance(finding, Finding) for finding in findings)
    for finding in findings:
        assert finding.check == name and finding.status in Status
        assert finding.method == (method.id if method is not None else None)
        assert not finding.reason[0].islower() and finding.reason.endswith(".") and "\n" not in finding.reason


def test_plugins_know_neither_the_engines_inside_nor_its_libraries():
    forbidden = ("geoaudit.audit", "geoaudit.model", "geoaudit.cli", "geoaudit_reports", "torch", "onnx", "onnxruntime")
    for _, entry in ALL:
        source = inspect.getsource(sys.modules[entry.cls.__module__])
        for line in source.splitlines():
            if line.startswith(("from ", "import ")):
                name = line.split()[1]
                inside = [f for f in forbidden if name == f or name.startswith(f + ".")]
                assert not inside, f"{entry.cls.__module__}: {line}"
        assert "print(" not in source and "open(" not in source
