"""Probes over the same function by another route: a moved input, another graph; on tiny ONNX files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit import Cost, Quadrature
from geoaudit.analytic import AnalyticProbe
from geoaudit.api import Calibration
from geoaudit.audit.probe import ModelProbe
from geoaudit.errors import NotApplicable
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.normalise import normalise
from geoaudit.model.optimised import Rewriting
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

CLASSES, SIDE = 3, 6
RNG = np.random.default_rng(0)
node = helper.make_node


def numbers(*shape, seed=1):
    return (np.random.default_rng(seed).standard_normal(shape) / 2).astype(np.float32)


def convolution(bias):
    """Conv first, with or without a bias: without one, code that adds the shift to the bias has nothing to add to."""
    weights = {"k": numbers(4, 3, 3, 3), "m": numbers(4, CLASSES, seed=2)} | ({"b": numbers(4, seed=3)} if bias else {})
    return [
        node("Conv", ["image", "k", *(["b"] if bias else [])], ["c"], pads=[1] * 4),
        node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("MatMul", ["f", "m"], ["logits"]),
    ], weights


def pooled():
    """No convolution first, none at all: a pool, then a product."""
    return [
        node("MaxPool", ["image"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "m"], ["g"]),
        node("Tanh", ["g"], ["logits"]),
    ], {"m": numbers(27, CLASSES)}


def last_channels():
    nodes, weights = convolution(True)
    nodes[0].input[0] = "planes"
    return [node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]), *nodes], weights


def flat():
    """Takes pictures as rows of numbers."""
    return [node("Gemm", ["image", "m"], ["g"]), node("Sigmoid", ["g"], ["s"]), node("Neg", ["s"], ["logits"])], {
        "m": numbers(SIDE * SIDE, CLASSES)
    }


def normalised_twice():
    """Batch normalisation behind a convolution, and an operator that does nothing."""
    nodes, weights = convolution(True)
    nodes[1] = node("Relu", ["n"], ["r"])
    nodes.insert(1, node("BatchNormalization", ["i", "s", "o", "mean", "var"], ["n"]))
    nodes.insert(1, node("Identity", ["c"], ["i"]))
    weights |= {name: numbers(4, seed=5 + i) for i, name in enumerate(("s", "o", "mean"))}
    return nodes, weights | {"var": np.abs(numbers(4, seed=9)) + 0.5}


MODELS = {
    "convolution": (partial(convolution, True), (3, SIDE, SIDE)),
    "convolution without bias": (partial(convolution, False), (3, SIDE, SIDE)),
    "pool first": (pooled, (3, SIDE, SIDE)),
    "channels last": (last_channels, (SIDE, SIDE, 3)),
    "flat": (flat, (1, SIDE, SIDE)),
    "batch normalisation": (normalised_twice, (3, SIDE, SIDE)),
}


@pytest.fixture(params=MODELS)
def opened(request, tmp_path):
    return open_probe(request.param, tmp_path)


def open_probe(name, folder, gradients=True):
    """A probe over the model, and three points."""
    make, shape = MODELS[name]
    nodes, weights = make()
    declared = [int(np.prod(shape))] if name == "flat" else shape
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", *declared])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )  # fmt: skip
    path = Path(folder) / "tiny.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    artifact = artifacts.load(path)
    head = heads.find(artifact)
    runtime = Runtime(artifact, head, "cpu", threads=1)
    twin = Twin(normalise(artifact.proto, head), head, "cpu", threads=1, batch_size=4, channels_last=False)
    pictures = np.random.default_rng(4).uniform(-1, 1, (5, *shape)).astype(np.float32)
    known = Calibration("given pictures", tuple("abcde"), lambda i: pictures[list(i)])
    rewriting = Rewriting(artifact, twin) if gradients else None
    probe = ModelProbe(
        runtime, twin if gradients else None, "logit", None, Quadrature(), 0, known, None, rewriting
    )  # fmt: skip
    points = np.random.default_rng(8).uniform(-1, 1, (3, *shape)).astype(np.float32)
    return probe, points


def grid(points, shift):
    """The points rounded so that moving them there and back is exact."""
    return (points + shift) - shift


def moving(points):
    """Another power of two for each element: a shift that is not the same everywhere."""
    return np.where(np.arange(points[0].size).reshape(points[0].shape) % 2, 2.0, 4.0).astype(np.float32)


TARGETS = np.array([0, 2, 1])


def test_a_shifted_probe_is_the_same_function_of_the_moved_input(opened):
    probe, points = opened
    shift = moving(points)
    points = grid(points, shift)
    there = probe.shifted(shift)
    np.testing.assert_array_equal(there.outputs(points + shift, TARGETS), probe.outputs(points, TARGETS))
    np.testing.assert_array_equal(there.scores(points + shift), probe.scores(points))
    np.testing.assert_array_equal(there.probabilities(points + shift, TARGETS), probe.probabilities(points, TARGETS))
    f, g = probe.value_and_gradient(points, TARGETS)
    moved_f, moved_g = there.value_and_gradient(points + shift, TARGETS)
    np.testing.assert_array_equal(moved_f, f)
    np.testing.assert_array_equal(moved_g, g)
    assert np.abs(g).max() > 0 and moved_g.shape == points.shape
    assert np.abs(there.outputs(points, TARGETS) - probe.outputs(points, TARGETS)).max() > 1e-3


def test_a_shifted_probe_has_layers_that_subtract_and_can_be_changed(opened):
    probe, points = opened
    shift = moving(points)
    points = grid(points, shift)
    there = probe.shifted(shift)
    layers = there.layers()
    (first,) = [n for n in layers.module.graph.nodes if getattr(n, "target", None) == "Sub_input_shift_0"]
    called = layers.module.get_submodule(first.target)
    assert called.op_type == "Sub" and called.settings == {} and len(called.onnx_mapping.inputs) == 2
    assert dict(layers.weights) == dict(probe.layers().weights)
    changed = there.with_layers(layers.module)
    f, g = changed.value_and_gradient(points + shift, TARGETS)
    np.testing.assert_allclose(changed.outputs(points + shift, TARGETS), f, rtol=1e-6)
    np.testing.assert_array_equal(g, probe.value_and_gradient(points, TARGETS)[1])
    # A changed graph may be moved again: its own shift stays inside.
    again = changed.shifted(shift)
    back = again.value_and_gradient(grid(points, 2 * shift) + shift + shift, TARGETS)[1]
    np.testing.assert_allclose(back, probe.value_and_gradient(grid(points, 2 * shift), TARGETS)[1], atol=1e-5)


def test_there_and_back_is_the_graph_without_a_subtraction_and_pictures_rounded_alike(opened):
    probe, points = opened
    shift = moving(points)
    there = probe.shifted(shift)
    back = there.shifted(-shift)
    np.testing.assert_array_equal(there.calibration.points([1, 3]), probe.calibration.points([1, 3]) + shift)
    np.testing.assert_array_equal(back.calibration.points() + shift, there.calibration.points())
    assert there.calibration.ids == probe.calibration.ids and there.calibration.points().dtype == np.float32
    nodes = {name: [str(n) for n in p.layers().module.graph.nodes] for name, p in (("old", probe), ("new", back))}
    assert nodes["old"] == nodes["new"]
    np.testing.assert_array_equal(back.outputs(points, TARGETS), probe.outputs(points, TARGETS))


def test_derived_probes_count_into_the_one_they_come_from_and_keep_what_they_learn_apart(opened):
    probe, points = opened
    assert probe.once("learned", lambda: "here") == "here"
    there = probe.shifted(moving(points))
    there.outputs(points, TARGETS)
    there.value_and_gradient(points, TARGETS)
    assert probe.spent == there.spent == Cost(gradients=3, forwards=3)
    assert there.once("learned", lambda: "there") == "there" and probe.once("learned", lambda: "") == "here"
    other = probe.equivalent().probe
    assert probe.spent.forwards == 3 + 8  # four pictures through both graphs
    other.value_and_gradient(points, TARGETS)
    assert probe.spent.gradients == 6 and other.once("learned", lambda: "other") == "other"
    assert probe.equivalent().probe.once("learned", lambda: "") == "other"  # and once only
    assert probe.spent.forwards == 11


def test_the_equivalent_graph_has_the_same_outputs_gradients_and_reads_the_same_file(opened):
    probe, points = opened
    found = probe.equivalent()
    f, g = probe.value_and_gradient(points, TARGETS)
    other_f, other_g = found.probe.value_and_gradient(points, TARGETS)
    np.testing.assert_allclose(other_f, f, atol=1e-6)
    np.testing.assert_allclose(other_g, g, atol=1e-6)
    np.testing.assert_array_equal(found.probe.outputs(points, TARGETS), probe.outputs(points, TARGETS))
    counts = [sum(n.op == "call_module" for n in p.layers().module.graph.nodes) for p in (probe, found.probe)]
    assert found.changed or counts[0] == counts[1]
    assert found.description.endswith(".") and f"{counts[1]} operators, {counts[0]} in" in found.description


def test_optimisation_changes_the_graph_with_a_batch_normalisation(tmp_path):
    probe, _ = open_probe("batch normalisation", tmp_path)
    found = probe.equivalent()
    assert found.changed and "as exported" in found.description
    assert "1 BatchNormalization, not 0" in found.description


def test_a_graph_that_computes_something_else_is_refused_with_the_numbers(tmp_path):
    probe, _ = open_probe("convolution", tmp_path)
    made = probe._rewriting()
    module = made.twin.copied_module()
    name = next(iter(module.meta["weights"].values()))
    module.get_buffer(name).mul_(1.01)
    object.__setattr__(made, "twin", made.twin.with_module(module))
    with pytest.raises(NotApplicable, match=r"computes something else: scores of 4 pictures differ by up to 0\.0"):
        probe.equivalent()


def test_probes_without_a_file_graph_have_no_equivalent_and_gradient_free_ones_can_be_shifted(tmp_path):
    probe, points = open_probe("convolution", tmp_path, gradients=False)
    with pytest.raises(NotApplicable):
        probe.equivalent()
    shift = moving(points)
    there = probe.shifted(shift)
    points = grid(points, shift)
    np.testing.assert_array_equal(there.outputs(points + shift, TARGETS), probe.outputs(points, TARGETS))
    with pytest.raises(NotApplicable):
        there.equivalent()


class Halves:
    """An autoencoder that keeps every second number."""

    code_shape = (54,)

    def encode(self, points):
        return points.reshape(len(points), -1)[:, ::2]

    def decode(self, codes):
        return np.repeat(codes, 2, axis=1).reshape(-1, 3, SIDE, SIDE)

    def pull_back(self, codes, gradients):
        return gradients.reshape(len(gradients), -1, 2).sum(axis=2)


def test_the_users_autoencoder_moves_along(tmp_path):
    probe, points = open_probe("convolution", tmp_path)
    still = Halves()
    probe.autoencoder = still
    shift = moving(points)
    points = grid(points, shift)
    moved = probe.shifted(shift).autoencoder
    codes = still.encode(points)
    np.testing.assert_array_equal(moved.encode(points + shift), codes)
    np.testing.assert_array_equal(moved.decode(codes), still.decode(codes) + shift)
    np.testing.assert_array_equal(moved.pull_back(codes, points), still.pull_back(codes, points))
    assert moved.code_shape == still.code_shape and probe.autoencoder is still


def test_a_formula_is_shifted_in_closed_form():
    probe = AnalyticProbe(lambda x: (x**2).sum(axis=1), lambda x: 2 * x, calibration=np.ones((2, 1, 1, 3)))
    points, shift = RNG.standard_normal((4, 1, 1, 3)), np.array([1.0, -2.0, 0.5]).reshape(1, 1, 3)
    there = probe.shifted(shift)
    target = np.zeros(4, dtype=np.int64)
    np.testing.assert_allclose(there.outputs(points, target), ((points - shift) ** 2).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(there.value_and_gradient(points, target)[1], 2 * (points - shift))
    np.testing.assert_allclose(there.scores(points)[:, 0], there.outputs(points, target))
    np.testing.assert_allclose(there.calibration.points(), np.ones((2, 1, 1, 3)) + shift)
    back = there.shifted(-shift).with_quadrature(Quadrature(first_nodes=3)).reseeded(3)
    np.testing.assert_allclose(back.outputs(points, target), probe.outputs(points, target))
    assert back.quadrature.first_nodes == 3 and probe.spent == back.spent and probe.spent.gradients == 4
    with pytest.raises(NotApplicable, match="formula"):
        probe.equivalent()


def test_a_shifted_formula_asks_the_formula_for_everything():
    class Own(AnalyticProbe):
        def probabilities(self, points, targets):
            return np.minimum(self.outputs(points, targets), 1.0)

    probe = Own(lambda x: (x**2).sum(axis=1), lambda x: 2 * x)
    probe.autoencoder = Halves()
    points, shift = RNG.uniform(-0.5, 0.5, (4, 3, SIDE, SIDE)), np.full((3, SIDE, SIDE), 2.0)
    target = np.zeros(4, dtype=np.int64)
    there = probe.shifted(shift)
    np.testing.assert_allclose(there.probabilities(points + shift, target), probe.probabilities(points, target))
    np.testing.assert_allclose(there.autoencoder.encode(points + shift), probe.autoencoder.encode(points))
    assert probe.shifted(shift).reseeded(1).autoencoder is not None


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_formulas_probabilities_saturate_in_silence():
    probe = AnalyticProbe(lambda x: x[:, 0], np.ones_like)
    points = np.array([-1e4, 0.0, 1e4]).reshape(3, 1, 1, 1)
    np.testing.assert_array_equal(probe.probabilities(points, np.zeros(3, dtype=np.int64)), [0.0, 0.5, 1.0])
    np.testing.assert_array_equal(probe.class_probabilities(points)[:, 0], [0.0, 0.5, 1.0])


def test_a_whole_audit_examines_both_routes(audit):
    done = audit(checks=("implementation-invariance", "input-invariance"), methods=("gradient",))
    found = {check.id: check for check in done.report.checks if check.method == "gradient"}
    assert {name: check.status for name, check in found.items()} == {
        "implementation-invariance": "PASS",
        "input-invariance": "PASS",
    }
    assert set(found["implementation-invariance"].details) == {"exported", "split"}
