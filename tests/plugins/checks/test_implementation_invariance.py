"""Two graphs of one function: gradients do not see the difference, methods that read the graph may."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit import Attributions, Method, Problems, Status, Subject, registry
from geoaudit.api import Calibration, Cost, InputSpace, Quadrature
from geoaudit.audit.probe import ModelProbe
from geoaudit.errors import NotApplicable
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.normalise import normalise
from geoaudit.model.optimised import Rewriting
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit_plugins.checks.implementation_invariance import ImplementationInvariance, split

METHODS = registry.load(()).methods
SHAPE, CLASSES = (3, 6, 6), 3
node = helper.make_node


class Toy(Method):
    """A method made of one function of problems and probe."""

    id, title, family, reference = "toy", "Toy", "gradient", "test"

    def __init__(self, make):
        super().__init__()
        self.make = make

    def attribute(self, problems, probe):
        return Attributions(np.asarray(self.make(problems, probe), problems.x.dtype), (None,) * len(problems))

    def cost(self, quadrature):
        return Cost(gradients=1)


def gradients(problems, probe):
    return probe.value_and_gradient(problems.x, problems.targets)[1]


def operators(probe):
    """How many nodes the graph has."""
    return sum(n.op == "call_module" for n in probe.layers().module.graph.nodes)


def numbers(*shape, seed=1):
    return (np.random.default_rng(seed).standard_normal(shape) / 2).astype(np.float32)


def layered():
    """Every kind of linear layer: with a bias and without, transposed, the weight first, and one that is no weight."""
    weights = {
        "k": numbers(4, 3, 3, 3), "s": numbers(4, seed=2), "o": numbers(4, seed=3), "mean": numbers(4, seed=4),
        "var": np.abs(numbers(4, seed=5)) + 0.5, "t": numbers(4, 2, 2, 2, seed=6), "tb": numbers(2, seed=7),
        "left": numbers(12, 12, seed=8), "g": numbers(5, 288, seed=9), "gb": numbers(5, seed=10),
        "m": numbers(5, CLASSES, seed=11),
    }  # fmt: skip
    nodes = [
        node("Conv", ["image", "k"], ["c"], pads=[1] * 4),
        node("BatchNormalization", ["c", "s", "o", "mean", "var"], ["n"]),
        node("Relu", ["n"], ["r"]),
        node("ConvTranspose", ["r", "t", "tb"], ["u"], strides=[2, 2]),
        node("MatMul", ["left", "u"], ["l"]),
        node("Tanh", ["l"], ["h"]),
        node("Flatten", ["h"], ["f"]),
        node("Gemm", ["f", "g", "gb"], ["gemm"], transB=1, alpha=0.5, beta=2.0),
        node("Relu", ["gemm"], ["r2"]),
        node("MatMul", ["r2", "m"], ["logits"]),
    ]
    return nodes, weights


def unlayered():
    return [
        node("ReduceMean", ["image"], ["p"], axes=[2, 3], keepdims=0),
        node("Mul", ["p", "w"], ["logits"]),
    ], {"w": numbers(1, 3)}


def opened(model, folder):
    """Problems and a probe that knows the file."""
    nodes, weights = model
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", *SHAPE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )  # fmt: skip
    path = Path(folder) / "tiny.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    artifact = artifacts.load(path)
    head = heads.find(artifact)
    twin = Twin(normalise(artifact.proto, head), head, "cpu", threads=1, batch_size=4, channels_last=False)
    pictures = np.random.default_rng(4).uniform(-1, 1, (6, *SHAPE)).astype(np.float32)
    probe = ModelProbe(
        Runtime(artifact, head, "cpu", threads=1), twin, "logit", None,
        Quadrature(node_limit=32, scan=17, first_nodes=8), 0,
        Calibration("given", tuple("abcdef"), lambda i: pictures[list(i)]), None, Rewriting(artifact, twin),
    )  # fmt: skip
    x, baseline, targets = pictures[:3], np.full_like(pictures[:3], -1.0), np.array([0, 2, 1])
    f = probe.outputs(x, targets), probe.outputs(baseline, targets)
    space = InputSpace("NCHW", SHAPE, (-1.0,) * 3, (1.0,) * 3)
    return Problems(("a.png", "b.png", "c.png"), x, baseline, targets, *f, space), probe


def examine(method, problems, probe, images=3, parity=None):
    subject = Subject(method, problems.ids, (None,) * len(problems), parity or {}, {}, classes=CLASSES)
    check = ImplementationInvariance(ImplementationInvariance.Parameters(images=images))
    (finding,) = check.examine(subject, problems, probe)
    assert finding.check == "implementation-invariance" and finding.method == method.id
    assert finding.reason[0].isupper() and finding.reason.endswith(".") and "\n" not in finding.reason
    json.dumps(finding.details, allow_nan=False, sort_keys=True)
    return finding


def named(name):
    return registry.create(METHODS[name], "standard", {}, METHODS)


def test_every_linear_layer_is_split_into_two_that_add_up(tmp_path):
    problems, probe = opened(layered(), tmp_path)
    other = split(probe, "key")
    assert other.description == "5 linear layers are sums of two."
    assert operators(other.probe) == operators(probe) + 2 * 5  # one more layer and a sum each
    f, g = probe.value_and_gradient(problems.x, problems.targets)
    split_f, split_g = other.probe.value_and_gradient(problems.x, problems.targets)
    np.testing.assert_allclose(split_f, f, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(split_g, g, rtol=1e-4, atol=1e-5 * np.abs(g).max())
    module = other.probe.layers().module
    for layer in range(5):
        halves = [module.get_buffer(f"half_{layer}.weight_{i}") for i in (0, 1)]
        assert all(float(half.abs().max()) > 0 for half in halves)
    assert split(probe, "key") is other  # once a run


def test_a_layer_whose_bias_is_computed_from_the_shape_of_the_batch_stays_whole(tmp_path):
    nodes = [
        node("Conv", ["image", "k"], ["c"], pads=[1] * 4),
        node("GlobalAveragePool", ["c"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("Shape", ["image"], ["s"], start=0, end=1),
        node("Div", ["s", "s"], ["one"]),
        node("Cast", ["one"], ["bias"], to=TensorProto.FLOAT),
        node("Gemm", ["f", "m", "bias"], ["logits"]),
    ]
    problems, probe = opened((nodes, {"k": numbers(4, 3, 3, 3), "m": numbers(4, CLASSES)}), tmp_path)
    assert split(probe, "key").description == "1 linear layer is a sum of two."
    assert examine(named("gradient"), problems, probe).status is Status.PASS


def test_gradients_pass_on_both_graphs_and_both_are_told(tmp_path):
    problems, probe = opened(layered(), tmp_path)
    for method in (named("gradient"), named("integrated-gradients"), named("captum/DeepLift")):
        finding = examine(method, problems, probe)
        assert finding.status is Status.PASS, finding.reason
        assert finding.estimate < 1e-4 and list(finding.details) == ["exported", "split"]
        assert (
            finding.details["exported"]["changed"]
            and "BatchNormalization" in finding.details["exported"]["description"]
        )
        assert "the exported graph" in finding.reason and "split layers" in finding.reason


def test_a_method_that_counts_layers_fails_on_both(tmp_path):
    problems, probe = opened(layered(), tmp_path)

    def counting(problems, probe):
        return gradients(problems, probe) * np.cos(operators(probe) * problems.x)

    finding = examine(Toy(counting), problems, probe)
    assert finding.status is Status.FAIL and finding.estimate > 0.5
    assert [finding.details[name]["status"] for name in ("exported", "split")] == ["FAIL", "FAIL"]
    assert "how the model is written down" in finding.reason


def test_a_method_that_learns_patterns_of_layers_is_caught(scene):
    found = scene("network")
    finding = examine(named("pattern-attribution"), found.problems, found.probe)
    assert finding.status in (Status.WARN, Status.FAIL) and finding.estimate > 0.05
    assert "No comparison with the exported graph" in finding.reason


def test_a_method_that_only_one_graph_allows_is_warned_of(scene):
    found = scene("network")
    finding = examine(named("ig2"), found.problems, found.probe, images=1)
    assert finding.status is Status.WARN and "only one can be made" in finding.reason


def test_a_method_of_outputs_alone_passes_at_no_cost(scene):
    found = scene("network")
    finding = examine(named("occlusion"), found.problems, found.probe)
    assert finding.status is Status.PASS and "outputs alone" in finding.reason
    assert found.probe.spent == Cost() == ImplementationInvariance().cost(named("occlusion"), Quadrature(), 8, 8)


def test_without_linear_layers_and_without_another_graph_there_is_nothing_to_say(tmp_path):
    problems, probe = opened(unlayered(), tmp_path)
    finding = examine(Toy(gradients), problems, probe)
    assert finding.status is Status.INCONCLUSIVE and "it is the same graph" in finding.reason
    assert "No other graph of the function was found" in finding.reason
    assert "no layer that multiplies" in finding.reason and list(finding.details) == ["exported"]
    probe._rewriting = None
    with pytest.raises(NotApplicable, match="no layer that multiplies"):
        examine(Toy(gradients), problems, probe)


def test_a_graph_that_is_another_function_says_nothing(scene):
    found = scene("network")
    other = split(found.probe, "implementation-invariance")
    module = other.probe.layers().module
    module.get_buffer("half_0.weight_0").mul_(1.5)
    object.__setattr__(other, "probe", found.probe.with_layers(module))
    finding = examine(Toy(gradients), found.problems, found.probe)
    assert finding.status is Status.INCONCLUSIVE and "computes something else" in finding.reason
    # Unless the converted graph itself is allowed to be as far from the file.
    assert "computes something else" not in examine(
        Toy(gradients), found.problems, found.probe, parity={"tolerance": 10.0}
    ).reason  # fmt: skip


def test_elements_that_are_equal_by_design_are_not_told_apart_by_rounding(tmp_path):
    weights = {"w": numbers(108, 5), "m": numbers(5, CLASSES)}
    weights["w"][20:] = weights["w"][20:21]
    nodes = [
        node("Flatten", ["image"], ["f"]),
        node("MatMul", ["f", "w"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "m"], ["logits"]),
    ]
    finding = examine(named("gradient"), *opened((nodes, weights), tmp_path))
    assert finding.status is Status.PASS and finding.estimate < 1e-6


@pytest.mark.parametrize("kind", [{"layout": "NHWC", "dtype": np.float64}, {"channels": 1}])
def test_other_input_spaces_and_single_images(scene, kind):
    found = scene("network", **kind)
    kept = found.problems.x.copy()
    together = examine(named("gradient"), found.problems, found.probe, images=5).details["split"]["images"]
    alone = examine(named("gradient"), found.problems.select([3]), found.probe).details["split"]["images"]
    assert [row["image"] for row in together] == list(found.problems.ids) and alone[0]["image"] == found.problems.ids[3]
    assert all(row["difference"] < 1e-5 for row in (*together, *alone))
    np.testing.assert_array_equal(found.problems.x, kept)


def test_the_cost_that_was_told_is_the_cost(tmp_path):
    problems, probe = opened(layered(), tmp_path)
    check, method, before = ImplementationInvariance(), named("integrated-gradients"), probe.spent
    told = check.cost(method, probe.quadrature, 3, len(probe.calibration))
    examine(method, problems, probe, images=1)
    spent = probe.spent + before * -1.0
    assert 0.5 < spent.gradients / told.gradients < 2 and 0.5 < spent.forwards / told.forwards < 2
    assert check.scope(3) == "1 image, 2 other graphs"
