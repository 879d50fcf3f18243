"""Noise on the weights by degrees: what is perturbed, what is read from it, and who fails which reading."""

import math

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit import Attributions, InputSpace, Method, Problems, Quadrature, Status, Subject, registry
from geoaudit.audit.probe import ModelProbe
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.normalise import normalise
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit_plugins.checks import model_perturbation_readings as readings
from geoaudit_plugins.checks.model_perturbation_noise import Moved, Variant, moved, perturbed
from geoaudit_plugins.checks.model_perturbation_readings import Limits, Measured

SHELF = registry.load(())
ID = "model-perturbation"
SPACE = InputSpace("NCHW", (3, 4, 4), (-1.0,) * 3, (1.0,) * 3)
QUADRATURE = Quadrature(node_limit=64, scan=33, first_nodes=16)


def make(budget="standard", **parameters):
    return registry.create(SHELF.checks[ID], budget, {k: str(v) for k, v in parameters.items()})


def method(name):
    return registry.create(SHELF.methods[name], "quick", {}, SHELF.methods)


WIDE = "0.01,0.1,0.3"
"""Sizes of the noise that move an untrained network too."""


def examine(examined, problems, probe, budget="standard", **parameters):
    subject = Subject(examined, problems.ids, (None,) * len(problems), {}, {}, 4)
    (finding,) = make(budget, **parameters).examine(subject, problems, probe)
    assert finding.check == ID and finding.method == examined.id and list(finding.details) == sorted(finding.details)
    assert finding.reason[0].isupper() and finding.reason.endswith(".") and "nan" not in finding.reason
    return finding


def opened(folder, nodes, weights):
    """A probe over a graph of these nodes and weights, from "image" to "logits", and five pictures."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", *SPACE.shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in weights.items()],
    )
    path = folder / "tiny.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    artifact = artifacts.load(path)
    head = heads.find(artifact)
    twin = Twin(normalise(artifact.proto, head), head, "cpu", threads=1, batch_size=8)
    probe = ModelProbe(Runtime(artifact, head, "cpu", threads=1), twin, "logit", None, QUADRATURE, 0)
    x = np.random.default_rng(5).uniform(-1, 1, (5, *SPACE.shape)).astype(np.float32)
    targets = probe.scores(x).argmax(axis=1)
    baseline = np.full_like(x, -1)
    outputs = probe.outputs(x, targets), probe.outputs(baseline, targets)
    return Problems(tuple("abcde"), x, baseline, targets, *outputs, SPACE), probe


HEAD = np.array([[0.05, -0.02, 0.01, 0.1]], dtype=np.float32)


@pytest.fixture
def scaled(tmp_path):
    """f_c(x) = m_c sum x^2: only m was learned, and noise on it scales every gradient by one number."""
    nodes = [
        helper.make_node("Mul", ["image", "image"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "axes"], ["sum"], keepdims=0),
        helper.make_node("Unsqueeze", ["sum", "last"], ["column"]),
        helper.make_node("MatMul", ["column", "matrix"], ["logits"]),
    ]
    weights = {"axes": np.array([1, 2, 3]), "last": np.array([1]), "matrix": HEAD}
    return opened(tmp_path, nodes, weights)


def noise_on(probe, name, shape, seed=0):
    return probe.rng(ID, str(seed), name).standard_normal(shape, dtype=np.float32)


def test_the_noise_and_what_it_does_to_the_function_are_the_formulas(scaled):
    problems, probe = scaled
    size = np.square(problems.x, dtype=np.float64).sum(axis=(1, 2, 3))[:, None]
    for sigma in (0.1, 1.0):
        other = perturbed(probe, ID, Variant(sigma, 0))
        head = HEAD + sigma * HEAD.std() * noise_on(probe, "matrix", HEAD.shape)
        np.testing.assert_allclose(other.scores(problems.x), size * head, rtol=1e-4, atol=1e-4)
        softmax = [np.exp(z - z.max(axis=1, keepdims=True)) for z in (size * HEAD, size * head)]
        one, two = ((e / e.sum(axis=1, keepdims=True))[np.arange(5), problems.targets] for e in softmax)
        found = moved(problems, probe, other, f"test/{sigma}")
        assert found.change == pytest.approx(np.abs(one - two).mean(), abs=1e-5)
        same = (size * HEAD).argmax(axis=1) == (size * head).argmax(axis=1)
        assert found.agreement == pytest.approx(same.mean())


def test_a_model_that_only_scales_keeps_its_map_however_it_changes(scaled):
    """|A'| = c |A|: the similarity is exactly 1 throughout, so reading (i) fails and reading (ii) cannot."""
    problems, probe = scaled
    finding = examine(method("gradient"), problems, probe, levels="0.001,0.5,2,8")
    assert all(s == pytest.approx(1) for m in finding.details["models"] for s in m["similarity"])
    assert finding.status is Status.FAIL and finding.details["decided_by"] == "sensitivity"
    assert finding.estimate == pytest.approx(0, abs=1e-6) and "does not follow the model" in finding.reason
    assert finding.details["stability"]["status"] == "PASS" and finding.details["area"] == pytest.approx(1)


def recorded(probe, sigma=0.5, seed=0):
    """The weights of a perturbed model by their ONNX names, beside the audited ones."""
    held = {}

    class Watching:
        layers, rng = probe.layers, probe.rng

        def with_layers(self, module):
            held["module"] = module

    perturbed(Watching(), ID, Variant(sigma, seed))
    layers = probe.layers()
    return {
        name: (layers.module.get_buffer(place).numpy(), held["module"].get_buffer(place).numpy())
        for name, place in layers.weights.items()
    }


def test_normalisation_statistics_and_what_was_not_learned_are_kept(tmp_path):
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("BatchNormalization", ["image", "scale", "shift", "mean", "variance"], ["normal"]),
        helper.make_node("Relu", ["normal"], ["relu"]),
        helper.make_node("Conv", ["relu", "kernel", "zeros"], ["conv"]),
        helper.make_node("GlobalAveragePool", ["conv"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["logits"]),
    ]
    weights = {
        "scale": np.array([0.5, 1.0, 2.0]), "shift": np.array([0.1, -0.2, 0.3]), "mean": np.array([0.0, 0.1, 0.2]),
        "variance": np.array([0.6, 1.1, 2.1]), "kernel": rng.normal(size=(4, 3, 2, 2)), "zeros": np.zeros(4),
    }  # fmt: skip
    _, probe = opened(tmp_path, nodes, {name: v.astype(np.float32) for name, v in weights.items()})
    found = recorded(probe)
    assert {"scale", "shift", "mean", "variance", "kernel"} <= found.keys()
    for name, (before, after) in found.items():
        if name in ("scale", "shift", "kernel"):
            step = 0.5 * before.std() * noise_on(probe, name, before.shape)
            np.testing.assert_allclose(after, before + step, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(after, before)


def test_levels_of_one_seed_lie_on_a_line_and_seeds_and_tensors_differ(scene):
    probe = scene("network").probe
    small, large, other = recorded(probe, 0.1), recorded(probe, 0.4), recorded(probe, 0.1, seed=1)
    steps = {}
    for name, (before, after) in small.items():
        steps[name] = after - before
        np.testing.assert_allclose(large[name][1] - before, 4 * steps[name], rtol=1e-3, atol=1e-6)
        assert (other[name][1] != after).any() == (steps[name] != 0).any()
    assert (steps["kernel"] != 0).all() and (steps["matrix"] != 0).all() and (steps["offset"] != 0).all()
    one, two = (steps[n].ravel()[:100] / steps[n].std() for n in ("kernel", "kernel2"))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.4
    reseeded = recorded(scene("network", seed=1).probe, 0.1)
    assert (reseeded["kernel"][1] != small["kernel"][1]).any()


def test_no_noise_to_speak_of_leaves_the_map(scene):
    found = scene("network")
    finding = examine(method("gradient"), found.problems, found.probe, levels="1e-7,2e-7,3e-7")
    assert all(s > 0.9999 for m in finding.details["models"] for s in m["similarity"])
    assert finding.status is Status.INCONCLUSIVE and "No level of noise changed the function" in finding.reason
    assert finding.details["stability"]["status"] == "PASS"


def test_noise_that_leaves_nothing_of_the_function_says_nothing_of_stability(scene):
    found = scene("network")
    finding = examine(method("gradient"), found.problems, found.probe, levels="5,10,20")
    assert finding.details["stability"] == {"estimate": None, "status": "INCONCLUSIVE", "threshold": 0.75}
    assert "No level of noise left the function as it was" in finding.reason


@pytest.mark.parametrize("name", ["gradient", "integrated-gradients"])
def test_a_method_that_looks_at_the_model_passes(scene, name):
    found = scene("network")
    finding = examine(method(name), found.problems, found.probe, levels="0.01,0.1,0.5,1", images=5, seeds=2)
    assert finding.status is Status.PASS, finding.reason
    similarity = [level["similarity"] for level in finding.details["levels"]]
    assert similarity[0] > 0.9 > similarity[-1] + 0.05 and 0 < finding.details["area"] < 1
    noise, function = finding.curves
    assert noise.x == (0.01, 0.1, 0.5, 1.0) and noise.y == tuple(similarity) and noise.chart != function.chart
    assert list(function.x) == sorted(function.x) and len(finding.details["models"]) == 8


@pytest.mark.parametrize("name", ["edges", "center", "random", "input-difference"])
def test_a_picture_made_without_the_model_fails_the_first_reading(scene, name):
    found = scene("network")
    finding = examine(method(name), found.problems, found.probe, levels=WIDE)
    assert finding.status is Status.FAIL and finding.details["decided_by"] == "sensitivity"
    assert finding.details["stability"]["estimate"] == pytest.approx(1) and finding.threshold == 0.05


class Fake(Method):
    id, title, family, reference = "fake", "Fake", "test", "test"

    def __init__(self, paint):
        super().__init__()
        self.paint, self.calls = paint, 0

    def attribute(self, problems, probe):
        self.calls += 1
        return Attributions(np.stack([self.paint(x, self.calls) for x in problems.x]), (None,) * len(problems))


def test_a_method_that_is_noise_fails_the_second_reading(scene):
    found = scene("network")
    noise = Fake(lambda x, calls: np.random.default_rng(calls).normal(size=x.shape))
    finding = examine(noise, found.problems, found.probe)
    assert finding.status is Status.FAIL and finding.details["decided_by"] == "stability"
    assert finding.estimate < 0.3 and finding.threshold == 0.75 and "collapses" in finding.reason
    assert finding.details["sensitivity"]["status"] == "INCONCLUSIVE"


@pytest.mark.parametrize("paint", [lambda x, _: x * 0 + 1, lambda x, n: x * (1 if n == 1 else np.inf)])
def test_maps_without_an_order_are_inconclusive(scene, paint):
    found = scene("network")
    finding = examine(Fake(paint), found.problems, found.probe, levels=WIDE)
    assert finding.status is Status.INCONCLUSIVE and finding.reason.count("constant or not finite") == 2
    assert finding.estimate is None and all(math.isnan(y) for y in finding.curves[0].y)
    assert all(s is None for m in finding.details["models"] for s in m["similarity"])


def test_perturbed_models_without_finite_scores_are_left_out_and_counted(tmp_path):
    """f = weights of sqrt(v x^2): noise that turns a v negative leaves no number, and no map to compare."""
    nodes = [
        helper.make_node("Mul", ["image", "image"], ["squares"]),
        helper.make_node("Mul", ["squares", "v"], ["scaled"]),
        helper.make_node("Sqrt", ["scaled"], ["root"]),
        helper.make_node("Conv", ["root", "kernel"], ["conv"]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["logits"]),
    ]
    kernel = np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype(np.float32)
    weights = {"v": np.array([0.3, 1.0, 3.0], np.float32).reshape(1, 3, 1, 1), "kernel": kernel}
    problems, probe = opened(tmp_path, nodes, weights)
    for name in ("gradient", "edges"):
        finding = examine(method(name), problems, probe, levels="0.001,0.002,0.3,1")
        assert [level["change"] is None for level in finding.details["levels"]] == [False, False, True, True]
        assert all(level["similarity"] is None for level in finding.details["levels"][2:])
        assert finding.status is Status.INCONCLUSIVE and "no level of noise changed the function" in finding.reason
        assert finding.reason.endswith("Left out: 2 of 4 perturbed models, whose scores are not finite.")


def test_an_image_whose_map_is_constant_is_left_out_and_counted(scene):
    found = scene("network")
    first = found.problems.x[0]
    finding = examine(Fake(lambda x, _: x * 0 if (x == first).all() else x), found.problems, found.probe, levels=WIDE)
    assert "Left out: 3 of 6 pairs of maps" in finding.reason and finding.status is Status.FAIL
    assert all(m["similarity"] == [None, pytest.approx(1)] for m in finding.details["models"])


LIMITS = Limits(0.05, 0.99, 0.8, 0.05, 0.75, 0.5)


def measured(similarities, changes, agreements=None):
    rows = zip(similarities, changes, agreements or [1.0] * len(changes), strict=True)
    return [Measured(Variant(0.1 * (i + 1), 0), Moved(d, a), (s,)) for i, (s, d, a) in enumerate(rows)]


@pytest.mark.parametrize(
    ("similarities", "changes", "status"),
    [
        ((0.99, 0.9, 0.7, 0.4), (0.01, 0.03, 0.2, 0.5), Status.PASS),
        ((0.99, 0.7, 0.9, 0.4), (0.01, 0.03, 0.2, 0.5), Status.PASS),  # one exchange of neighbours: .8
        ((0.99, 0.5, 0.9, 0.6), (0.01, 0.03, 0.2, 0.5), Status.WARN),
        ((0.8, 0.3, 0.9, 0.7), (0.01, 0.03, 0.2, 0.5), Status.WARN),  # falls in the end alone
        ((0.9, 0.89, 0.88, 0.87), (0.01, 0.03, 0.2, 0.5), Status.FAIL),  # in order, by nothing
        ((0.7, 0.8, 0.9, 0.95), (0.01, 0.03, 0.2, 0.5), Status.FAIL),
        ((0.1, 0.2, 0.0, 0.1), (0.01, 0.03, 0.2, 0.5), Status.INCONCLUSIVE),
        ((0.99, 0.9, 0.7, 0.4), (0.01, 0.01, 0.01, 0.01), Status.INCONCLUSIVE),
        ((0.99, math.nan, math.nan, math.nan), (0.01, 0.03, 0.2, 0.5), Status.INCONCLUSIVE),
        ((0.99, 0.98, math.nan, math.nan), (0.01, 0.03, 0.2, 0.5), Status.INCONCLUSIVE),  # nothing had to follow yet
        ((0.99, 0.98, 0.97, math.nan), (0.01, 0.03, 0.2, 0.5), Status.FAIL),
    ],
)
def test_sensitivity(similarities, changes, status):
    reading = readings.sensitivity(measured(similarities, changes), LIMITS)
    assert reading.status is status and reading.sentence.endswith(".")


@pytest.mark.parametrize(
    ("similarities", "changes", "agreements", "status", "number"),
    [
        ((0.99, 0.91, 0.2), (0.01, 0.05, 0.06), None, Status.PASS, 0.95),
        ((0.9, 0.5, 0.2), (0.01, 0.05, 0.06), None, Status.WARN, 0.7),
        ((0.4, 0.5, 0.9), (0.01, 0.05, 0.06), None, Status.FAIL, 0.45),
        ((0.9, 0.1, 0.1), (0.01, 0.01, 0.01), (1.0, 0.98, 0.9), Status.PASS, 0.9),
        ((0.9, 0.1, 0.1), (0.1, 0.2, math.nan), None, Status.INCONCLUSIVE, None),
        ((math.nan, 0.1, 0.1), (0.01, 0.2, 0.3), None, Status.INCONCLUSIVE, None),
    ],
)
def test_stability(similarities, changes, agreements, status, number):
    reading = readings.stability(measured(similarities, changes, agreements), LIMITS)
    assert reading.status is status
    assert reading.number == (None if number is None else pytest.approx(number))


def test_the_area_is_the_mean_similarity_while_the_function_changes():
    told = readings.levels(measured((0.8, 0.4), (0.1, 0.5)))
    assert readings.area(told) == pytest.approx((0.1 * 0.9 + 0.4 * 0.6) / 0.5)
    assert readings.area(readings.levels(measured((0.8, 0.4), (0.0, 0.0)))) is None


KINDS = [
    {},
    {"layout": "NHWC", "dtype": np.float64},
    {"channels": 1, "dtype": np.float64},
    {"layout": "NHWC", "channels": 1},
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_input_space_at_the_announced_cost(scene, kind):
    for name in ("gradient", "integrated-gradients", "edges"):
        found, examined = scene("network", **kind), method(name)
        expected = make().cost(examined, found.probe.quadrature, 5, len(found.probe.calibration))
        untouched = found.problems.x.copy()
        finding = examine(examined, found.problems, found.probe)
        spent = found.probe.spent
        assert finding.status in (Status.PASS, Status.WARN, Status.FAIL, Status.INCONCLUSIVE)
        np.testing.assert_array_equal(found.problems.x, untouched)
        assert expected.gradients / 2 <= spent.gradients <= 2 * expected.gradients
        assert expected.forwards / 2 <= spent.forwards <= 2 * expected.forwards


def test_an_image_does_not_depend_on_the_others_and_the_same_seed_says_the_same(scene):
    def similarities(order, images):
        found = scene("network")
        finding = examine(method("gradient"), found.problems.select(order), found.probe, images=images)
        return {
            i: [m["similarity"][k] for m in finding.details["models"]] for k, i in enumerate(finding.details["images"])
        }

    whole = similarities([0, 1, 2, 3, 4], 5)
    assert similarities([0, 1, 2, 3, 4], 5) == whole
    apart = similarities([3, 1], 2)
    for image, values in apart.items():
        assert values == pytest.approx(whole[image], abs=1e-3)


def test_levels_are_a_list_and_checked():
    assert make(levels="0.3, 0.1,0.2").parameters.levels == (0.1, 0.2, 0.3)
    assert make("thorough").parameters.levels[-1] == 1.0 and make("thorough").parameters.seeds == 3
    for wrong in ("0.1,0.2", "0.1,0.1,0.2", "0,0.1,0.2", "0.1,0.2,nan", "a,b,c"):
        with pytest.raises(Exception, match="levels"):
            make(levels=wrong)
    with pytest.raises(Exception, match="lost must not exceed steady"):
        make(lost=0.8)
    assert make().scope(8) == "2 images, 3 levels of noise, 1 seed"
    assert make("thorough").scope(1) == "1 image, 6 levels of noise, 3 seeds"
