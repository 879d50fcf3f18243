"""The gate: what does not depend on the weights fails, what does passes, and what cannot be told says so."""

import json
import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit import Attributions, Cost, InputSpace, Method, Problems, Quadrature, Status, Subject, registry
from geoaudit.audit.probe import ModelProbe
from geoaudit.errors import NotApplicable
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.normalise import normalise
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit_plugins.checks.model_randomization_measures import Measured, moved, partial
from geoaudit_plugins.checks.model_randomization_verdict import Thresholds, certain_pass, curves, judge
from geoaudit_plugins.sanity import randomise
from geoaudit_plugins.sanity.maps import posed
from geoaudit_plugins.sanity.randomise import Step, randomised, steps
from geoaudit_plugins.sanity.weights import inventory

SHELF = registry.load(())
CHECK = "model-randomization"
SIDE, CLASSES = 16, 4
SPACE = InputSpace("NCHW", (3, SIDE, SIDE), (-1.0,) * 3, (1.0,) * 3)
LIMITS = Thresholds(fail=0.9, warn=0.6, least_change=0.5, least_coverage=90)


def make(budget="quick", **parameters):
    return registry.create(SHELF.checks[CHECK], budget, {k: str(v) for k, v in parameters.items()})


def method(name):
    return registry.create(SHELF.methods[name], "quick", {}, SHELF.methods)


def examine(examined, problems, probe, budget="quick", **parameters):
    examined = method(examined) if isinstance(examined, str) else examined
    subject = Subject(examined, problems.ids, (None,) * len(problems), {}, {}, CLASSES)
    (finding,) = make(budget, **parameters).examine(subject, problems, probe)
    assert finding.check == CHECK and finding.method == examined.id
    assert finding.reason[0].isupper() and finding.reason.endswith(".") and "nan" not in finding.reason
    assert "\n" not in finding.reason
    text = json.dumps(finding.details, allow_nan=False)
    assert text == json.dumps(finding.details, sort_keys=True)
    return finding


def opened(nodes, weights, seed=0):
    """Problems and a probe over a small file that takes `image` and gives `logits`."""
    graph = helper.make_graph(
        [helper.make_node(*node[:3], **(node[3] if len(node) > 3 else {})) for node in nodes],
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", *SPACE.shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", None])],
        [numpy_helper.from_array(np.asarray(values, np.float32), name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with TemporaryDirectory(prefix="geoaudit-tests-") as folder:
        path = Path(folder) / "small.onnx"
        onnx.save(model, str(path))
        artifact = artifacts.load(path)
        head = heads.find(artifact)
        runtime = Runtime(artifact, head, "cpu", threads=1)
    twin = Twin(normalise(artifact.proto, head), head, "cpu", threads=1, batch_size=4)
    probe = ModelProbe(runtime, twin, "logit", None, Quadrature(node_limit=64, scan=65, first_nodes=16), seed)
    x = np.random.default_rng(2).uniform(-1, 1, (3, *SPACE.shape)).astype(np.float32)
    baseline, targets = np.full_like(x, -1), np.array([0, 1, 2])
    outputs = probe.outputs(x, targets), probe.outputs(baseline, targets)
    return Problems(("a.png", "b.png", "c.png"), x, baseline, targets, *outputs, SPACE), probe


def detector(seed=0):
    """Kernels that look at one place each, as training would make them: shuffled, they look elsewhere."""
    rng = np.random.default_rng(11)
    places = np.zeros((8, 3, SIDE, SIDE), np.float32)
    for k, plane in enumerate(places):
        row, column = divmod(4 * k, SIDE)
        plane[:, row : row + 8, column : column + 4] = rng.uniform(0.5, 1, (3, 8, 4))
    weights = {
        "places": places.reshape(8, -1).T, "level": rng.normal(0, 0.1, 8),
        "matrix": rng.normal(0, 1, (8, CLASSES)), "offset": rng.normal(0, 0.1, CLASSES),
    }  # fmt: skip
    nodes = [
        ("Flatten", ["image"], ["flat"]),
        ("MatMul", ["flat", "places"], ["seen"]),
        ("Add", ["seen", "level"], ["shifted"]),
        ("Tanh", ["shifted"], ["felt"]),
        ("MatMul", ["felt", "matrix"], ["product"]),
        ("Add", ["product", "offset"], ["logits"]),
    ]
    return opened(nodes, weights, seed)


class Painted(Method):
    """The same map whatever the model."""

    id, title, family, reference = "painted", "Painted", "test", "test"

    def __init__(self, values):
        super().__init__()
        self.values = values

    def attribute(self, problems, probe):
        return Attributions(np.broadcast_to(self.values, problems.x.shape).copy(), (None,) * len(problems))


class Refusing(Method):
    """Has nothing to say of models that are not the run's own."""

    id, title, family, reference = "refusing", "Refusing", "test", "test"

    def attribute(self, problems, probe):
        if probe._changed:
            raise NotApplicable("refusing", "it knows this model only")
        return Attributions(problems.x.copy(), (None,) * len(problems))


@pytest.mark.parametrize("name", ["edges", "center", "input-difference", "random", "smooth-random"])
def test_pictures_made_without_the_model_fail(name):
    problems, probe = detector()
    finding = examine(name, problems, probe)
    assert finding.status is Status.FAIL
    assert finding.estimate == pytest.approx(1) == finding.ci_low == pytest.approx(finding.ci_high)
    assert finding.threshold == 0.9 and "almost the same" in finding.reason


@pytest.mark.parametrize("name", ["gradient", "gradient-x-input", "integrated-gradients", "guided-ig", "occlusion"])
def test_explanations_of_the_model_pass(name):
    problems, probe = detector()
    finding = examine(name, problems, probe)
    assert finding.status is Status.PASS, finding.reason
    assert finding.ci_low <= finding.estimate <= finding.ci_high < 0.6


def test_everything_is_covered_and_said():
    problems, probe = detector()
    details = examine("gradient", problems, probe, "standard").details
    assert details["coverage_percent"] == 100 and details["layers"] == 4
    learned = 8 * 3 * SIDE**2 + 8 + 8 * CLASSES + CLASSES
    assert details["elements"] == {"learned": learned, "randomised": learned}
    assert [(s["order"], s["seed"]) for s in details["steps"]] == [
        ("all", 0), ("all", 1), ("top", 0), ("bottom", 0),
    ]  # fmt: skip
    assert [s["share_percent"] for s in details["steps"]][:2] == [100, 100]
    assert all(s["outputs_moved"] > 0 for s in details["steps"]) and details["images"] == 2


def test_the_picture_itself_is_the_floor_and_as_disordered_as_before():
    problems, probe = detector()
    picture = examine("input-difference", problems, probe, "standard").details
    assert picture["floor"] == pytest.approx(1)
    for step in picture["steps"]:
        means = {name: row["mean"] for name, row in step["similarity"].items()}
        assert means.pop("entropy_rise") == 0 and means.pop("beyond_input") is None
        assert means == pytest.approx(dict.fromkeys(means, 1.0))
    multiplied = examine("gradient-x-input", problems, probe, "standard").details
    assert examine("gradient", problems, probe, "standard").details["floor"] < multiplied["floor"] < 1


def test_the_unchanged_model_is_not_part_of_the_mean():
    problems, probe = detector()
    finding = examine("gradient", problems, probe, "standard")
    rows = [s["similarity"]["spearman"] for s in finding.details["steps"] if s["order"] == "all"]
    assert all(row["n"] == 2 for row in rows)
    assert finding.estimate == pytest.approx(np.mean([row["mean"] for row in rows]))
    assert finding.ci_high == max(row["high"] for row in rows) < 1


def test_curves_begin_with_the_unchanged_model_and_end_with_everything():
    problems, probe = detector()
    finding = examine("gradient", problems, probe, "thorough", images=1, seeds=2)
    titles = [series.chart for series in finding.curves]
    assert titles == [
        "Similarity after randomising from the top",
        "Similarity after randomising from the bottom",
        "Similarity after randomising a part of the layers alone",
    ]
    for series in finding.curves[:2]:
        assert (series.x[0], series.y[0]) == (0, 1) and series.x[-1] == 100
        assert series.y[-1] == pytest.approx(finding.estimate) and list(series.x) == sorted(series.x)
    assert len(finding.curves[2].x) == 4 and np.isfinite(finding.curves[2].x).all()


def test_nothing_randomised_is_similarity_one():
    """0 % of the weights: the changed probe's maps are the original ones."""
    problems, probe = detector()
    layers = inventory(probe.layers()).layers
    nothing = Step("top", frozenset(), 0.0, 100.0, 0)
    other = probe.with_layers(randomised(probe, nothing, "permute", CHECK, layers))
    ours, theirs = (method("gradient").attribute(problems, p).values for p in (probe, other))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert len(layers) == 4


def drawn(probe, seed, draw="permute", owner=CHECK):
    layers = inventory(probe.layers()).layers
    step = steps(layers, seed + 1, 1, 1, 0, 1)[seed]
    module = randomised(probe, step, draw, owner, layers)
    return {name: module.get_buffer(place).numpy() for name, place in module.meta["weights"].items()}


@pytest.fixture(scope="module")
def equal_layers():
    square = np.random.default_rng(0).normal(size=(3, 3)) * 2
    nodes = [
        ("GlobalAveragePool", ["image"], ["pooled"]),
        ("Flatten", ["pooled"], ["flat"]),
        ("MatMul", ["flat", "first"], ["one"]),
        ("MatMul", ["one", "second"], ["logits"]),
    ]
    return opened(nodes, {"first": square, "second": square})[1]


def test_equal_layers_get_different_weights(equal_layers):
    found = drawn(equal_layers, 0)
    assert (found["first"] != found["second"]).any()
    np.testing.assert_array_equal(np.sort(found["first"], axis=None), np.sort(found["second"], axis=None))


def test_draws_differ_by_seed_and_check_and_are_repeated_by_both(equal_layers):
    first, again, second = drawn(equal_layers, 0), drawn(equal_layers, 0), drawn(equal_layers, 1)
    np.testing.assert_array_equal(first["first"], again["first"])
    assert (first["first"] != second["first"]).any()
    assert (first["first"] != drawn(equal_layers, 0, owner="another")["first"]).any()
    assert (first["first"] != drawn(equal_layers.reseeded(1), 0)["first"]).any()
    assert len(np.setdiff1d(drawn(equal_layers, 0, "normal")["first"], first["first"])) == 9


def test_methods_meet_one_randomised_model_which_is_made_once(monkeypatch):
    problems, probe = detector()
    first = examine("gradient", problems, probe, seeds=2).details["steps"]
    with monkeypatch.context() as patch:
        patch.setattr(randomise, "changed", None)  # all models are kept
        assert examine("gradient", problems, probe, seeds=2).details["steps"] == first
        examine("integrated-gradients", problems, probe, seeds=2)
    monkeypatch.setattr(randomise, "KEPT", 0)
    fresh = detector()[1]
    made = [examine("gradient", problems, fresh, seeds=2).details["steps"] for _ in range(2)]
    assert made[0] == made[1]  # made anew for each method, and the same
    for one, kept in zip(made[0], first, strict=True):  # by torch; those that are kept by onnxruntime
        assert one["outputs_moved"] == pytest.approx(kept["outputs_moved"], rel=1e-4)
        assert one["similarity"]["spearman"]["mean"] == pytest.approx(kept["similarity"]["spearman"]["mean"], abs=1e-3)


def test_models_beyond_what_is_kept_are_made_anew(monkeypatch):
    probe = detector()[1]
    layers = inventory(probe.layers()).layers
    both = [step for step in steps(layers, 2, 1, 1, 0, 1) if step.order == "all"]
    size = sum(t.numel() * t.element_size() for t in probe.layers().module.buffers())
    monkeypatch.setattr(randomise, "KEPT", size)
    (one, again), (other, anew) = ([randomised(probe, s, "permute", CHECK, layers) for _ in range(2)] for s in both)
    assert one is again and other is not anew
    for place in other.meta["weights"].values():
        np.testing.assert_array_equal(other.get_buffer(place).numpy(), anew.get_buffer(place).numpy())


def test_a_later_step_of_a_cascade_keeps_what_an_earlier_one_drew():
    _, probe = detector()
    layers = inventory(probe.layers()).layers
    found = [s for s in steps(layers, 1, 4, 1, 0, 1) if s.order in ("top", "all")]
    modules = [randomised(probe, step, "permute", CHECK, layers) for step in found]
    places = modules[0].meta["weights"]
    for one, other in ((0, 1), (1, 2), (2, 3)):
        for name in found[one].tensors & found[other].tensors:
            a, b = (modules[k].get_buffer(places[name]).numpy() for k in (one, other))
            np.testing.assert_array_equal(a, b)


def test_images_do_not_depend_on_each_other_and_problems_are_left():
    problems, probe = detector()
    x = problems.x.copy()
    together = examine("integrated-gradients", problems, probe, images=3, seeds=1).details["steps"][0]
    alone = [examine("integrated-gradients", problems.select([i]), detector()[1], seeds=1) for i in (2, 0, 1)]
    mean = np.mean([finding.estimate for finding in alone])
    assert together["similarity"]["spearman"]["mean"] == pytest.approx(mean, abs=1e-4)
    np.testing.assert_array_equal(problems.x, x)


def test_elements_where_both_maps_are_zero_do_not_count_as_agreement():
    """A picture that mostly equals its baseline gives every map that multiplies by it the same zeros."""
    problems, probe = detector()
    plain = examine("gradient-x-input", problems, probe).estimate
    ink = np.random.default_rng(4).uniform(size=problems.x.shape) < 0.15
    drawn_on_nothing = np.where(ink, problems.x, np.float32(0))
    sparse = posed(replace(problems, x=drawn_on_nothing, baseline=np.zeros_like(problems.x)), probe)
    finding = examine("gradient-x-input", sparse, probe)
    assert finding.estimate < plain + 0.2 < 0.8 and finding.status is not Status.FAIL
    assert examine("input-difference", sparse, probe).status is Status.FAIL
    drawing = np.zeros(SPACE.shape)
    drawing[:, 3:6, 3:9] = 1.0
    assert examine(Painted(drawing), problems, probe).status is Status.FAIL, "a mask that never changes"


@pytest.mark.parametrize(
    "kind", [{}, {"layout": "NHWC", "dtype": np.float64}, {"channels": 1}, {"layout": "NHWC", "channels": 1}]
)
def test_it_runs_in_every_input_space(scene, kind):
    found = scene("network", **kind)
    one, again = (examine("gradient-x-input", found.problems, found.probe) for _ in range(2))
    assert one.status in (Status.PASS, Status.WARN, Status.FAIL) and one.estimate == again.estimate
    assert one.details == again.details and one.details["coverage_percent"] == 100
    assert examine("edges", found.problems, found.probe).status is Status.FAIL


def test_a_constant_map_is_inconclusive_and_costs_nothing():
    problems, probe = detector()
    before = probe.spent
    finding = examine(Painted(np.float32(2)), problems, probe)
    assert finding.status is Status.INCONCLUSIVE and "same everywhere" in finding.reason and finding.estimate is None
    assert probe.spent == before


def test_a_model_that_does_not_use_what_it_learned_is_inconclusive():
    """Its weights only shift the scores: they move, and no map can show it."""
    nodes = [
        ("GlobalAveragePool", ["image"], ["pooled"]),
        ("Flatten", ["pooled"], ["flat"]),
        ("Add", ["flat", "offset"], ["logits"]),
    ]
    problems, probe = opened(nodes, {"offset": [5.0, -3.0, 100.0]})
    for name in ("integrated-gradients", "edges"):
        finding = examine(name, problems, probe)
        assert finding.status is Status.INCONCLUSIVE and "0 %" in finding.reason and "hardly depend" in finding.reason


def test_a_model_without_weights_is_skipped():
    nodes = [("GlobalAveragePool", ["image"], ["pooled"]), ("Flatten", ["pooled"], ["logits"])]
    problems, probe = opened(nodes, {})
    with pytest.raises(NotApplicable, match="no learned weights"):
        examine("gradient", problems, probe)


def test_a_method_that_refuses_the_randomised_model_is_inconclusive_with_its_reason():
    problems, probe = detector()
    finding = examine(Refusing(), problems, probe)
    assert finding.status is Status.INCONCLUSIVE and "it knows this model only" in finding.reason


@pytest.mark.parametrize("name", ["edges", "gradient", "integrated-gradients", "occlusion"])
@pytest.mark.parametrize("budget", ["quick", "standard"])
def test_the_cost_is_announced(name, budget):
    problems, probe = detector()
    before = probe.spent
    examine(name, problems, probe, budget)
    spent = probe.spent + before * -1.0
    told = make(budget).cost(method(name), probe.quadrature, len(problems), len(probe.calibration))
    for paid, expected in ((spent.gradients, told.gradients), (spent.forwards, told.forwards)):
        assert paid <= 2 * expected and expected <= 2 * paid
    assert make(budget).cost(None, probe.quadrature, 3, 0) == Cost()
    assert make("quick").scope(8) == "2 images, 3 randomised models, 2 seeds" and "1 image," in make().scope(1)


def test_scores_of_a_randomised_model_are_read_once_for_all_methods():
    problems, probe = detector()
    examine("edges", problems, probe)
    before = probe.spent
    examine("center", problems, probe)
    assert (probe.spent + before * -1.0).forwards == 2 * 2 * 3, "both ends of the walk, for each image and model"


def test_how_far_outputs_moved():
    before = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert moved(before, before) == 0 and moved(before, -before) == 2 and moved(before, 0 * before) == 1
    assert moved(0 * before, 0 * before) == 0 and moved(0 * before, before) == 1
    assert math.isnan(moved(before, before + np.inf))


def test_partial_correlation():
    assert partial(0.64, 0.8, 0.8) == pytest.approx(0) and partial(0.5, 0, 0) == 0.5
    assert partial(1.0, 0.8, 0.8) == pytest.approx(1) and math.isnan(partial(1.0, 1.0, 1.0))
    assert math.isnan(partial(math.nan, 0.1, 0.1))


def full(values, beyond=None, moved_by=1.0, obstacle=None):
    """A full randomisation with these similarities."""
    rows = [{"spearman": v, "beyond_input": v if beyond is None else beyond} for v in values]
    return Measured(Step("all", frozenset({"w"}), 100.0, 50.0, 0), moved_by, tuple(rows), obstacle)


def test_an_adaptive_audit_draws_less_and_comes_to_the_same_verdict():
    problems, probe = detector()
    adaptive = registry.create(SHELF.checks[CHECK], "quick", dict(SHELF.checks[CHECK].cls.adaptive)).parameters
    assert adaptive.curtail and not make().parameters.curtail
    whole = examine("gradient-x-input", problems, probe, seeds=3)
    short = examine("gradient-x-input", problems, probe, seeds=3, curtail=True)
    assert short.status == whole.status == Status.PASS
    assert len(short.details["steps"]) < len(whole.details["steps"])
    assert "could not have changed this." in short.reason and "could not" not in whole.reason


@pytest.mark.parametrize("seed", range(20))
def test_draws_are_left_out_only_where_no_value_could_change_the_verdict(seed):
    rng = np.random.default_rng(seed)
    first = full(rng.uniform(-0.3, 0.7, 2))
    for left in (2, 4):
        worst = judge([first, full([1.0] * left)], 100, LIMITS)
        assert certain_pass([first], left, LIMITS.warn, LIMITS.least_change) == (worst.estimate < LIMITS.warn)
    assert not certain_pass([], 2, LIMITS.warn, LIMITS.least_change)
    assert not certain_pass([full([0.0], moved_by=0.1)], 2, LIMITS.warn, LIMITS.least_change)


@pytest.mark.parametrize(
    ("measured", "coverage", "status"),
    [
        ([full([0.2, 0.4])], 100, Status.PASS),
        ([full([0.95, 0.97])], 100, Status.FAIL),
        ([full([0.95, 0.97])], 99.99, Status.FAIL),
        ([full([0.95, 0.97])], 50, Status.INCONCLUSIVE),
        ([full([0.7, 0.8])], 100, Status.WARN),
        ([full([0.7, 0.8], beyond=0.1)], 100, Status.PASS),
        ([full([0.95, 0.97], beyond=0.1)], 100, Status.FAIL),
        ([full([0.7, 0.8], beyond=math.nan)], 100, Status.WARN),
        ([full([math.nan, 0.1])], 100, Status.PASS),
        ([full([math.nan])], 100, Status.INCONCLUSIVE),
        ([full([1.0], moved_by=0.1)], 100, Status.INCONCLUSIVE),
        ([full([1.0], moved_by=0.1), full([0.1])], 100, Status.PASS),
        ([full([], obstacle="it is odd", moved_by=math.nan)], 100, Status.INCONCLUSIVE),
        ([full([], obstacle="it is odd", moved_by=math.nan), full([0.1])], 100, Status.PASS),
    ],
)
def test_verdicts(measured, coverage, status):
    verdict = judge(measured, coverage, LIMITS)
    assert verdict.status is status
    assert verdict.reason[0].isupper() and verdict.reason.endswith(".") and "nan" not in verdict.reason
    assert ("all of" in verdict.reason) == (coverage == 100 and verdict.estimate is not None)
    assert (verdict.estimate is None) == (verdict.low is None) == (verdict.high is None)


def test_the_reason_counts_what_the_similarity_does_not_rest_on():
    silent, still = full([], obstacle="it is odd.", moved_by=math.nan), full([1.0, 1.0], moved_by=0.1)
    verdict = judge([silent, still, full([0.2, math.nan])], 100, LIMITS)
    assert verdict.status is Status.PASS and verdict.estimate == 0.2
    left = "1 of 3 randomised models gave no map (it is odd); 1 of 3 randomised models hardly moved the scores; 1 of 2 "
    assert f" Left out: {left}" in verdict.reason
    assert "Left out" not in judge([full([0.2, 0.3])], 100, LIMITS).reason


@pytest.mark.parametrize("values", [math.nan, math.inf])
def test_a_map_that_is_not_finite_is_not_called_constant(values):
    problems, probe = detector()
    finding = examine(Painted(np.full(SPACE.shape, values)), problems, probe)
    assert finding.status is Status.INCONCLUSIVE and "not finite" in finding.reason


def test_how_far_the_scores_moved_is_kept_for_these_images_alone():
    problems, probe = detector()
    here = [examine("gradient", problems.select([i]), probe).details["steps"][0]["outputs_moved"] for i in (0, 1)]
    alone = [
        examine("gradient", problems.select([i]), detector()[1]).details["steps"][0]["outputs_moved"] for i in (0, 1)
    ]
    assert here == pytest.approx(alone, rel=1e-6) and here[0] != here[1]


def test_thresholds_are_in_order():
    with pytest.raises(Exception, match="warn must not exceed fail"):
        make(warn=0.95)
    assert make(warn=0.9).parameters.fail == 0.9


def test_curves_leave_a_gap_where_nothing_was_measured():
    step = Step("top", frozenset({"w"}), 40.0, 50.0, 0)
    (series,) = curves([Measured(step, math.nan, obstacle="no map"), full([0.5])])
    assert series.x == (0, 40, 100) and math.isnan(series.y[1]) and series.y[2] == 0.5
