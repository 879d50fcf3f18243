from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit.model.normalise import constant_nodes as module
from geoaudit.model.normalise.constant_nodes import fold_nodes


def test_dequantised_weights_become_floats(kit):
    weights = {"w": np.arange(-6, 6, dtype=np.int8).reshape(4, 3, 1, 1), "s": np.full(4, 0.1, np.float32)}
    weights["z"] = np.zeros(4, np.int8)
    nodes = [
        kit.node("DequantizeLinear", ["w", "s", "z"], ["kernel"], axis=0),
        kit.node("Conv", ["x", "kernel"], ["y"]),
    ]
    changed = kit.keeps(fold_nodes, kit.build(nodes, weights), kit.images(2, 3, 8, 8))
    assert kit.ops(changed) == ["Conv"]
    assert [t.name for t in changed.graph.initializer] == ["kernel"]


def test_normalised_weights_chains_and_fills(kit):
    rng = np.random.default_rng(0)
    weights = {"w": rng.standard_normal((1, 4, 27)).astype(np.float32), "one": np.ones(4, np.float32)}
    weights |= {"zero": np.zeros(4, np.float32), "shape": np.array([4, 3, 3, 3]), "four": np.array([4])}
    fill = numpy_helper.from_array(np.array([0.5], np.float32))
    nodes = [
        kit.node("BatchNormalization", ["w", "one", "zero", "zero", "one"], ["n", "m", "v"], training_mode=1),
        kit.node("Reshape", ["n", "shape"], ["kernel"]),
        kit.node("ConstantOfShape", ["four"], ["bias"], value=fill),
        kit.node("Conv", ["x", "kernel", "bias"], ["y"]),
    ]
    changed = kit.keeps(fold_nodes, kit.build(nodes, weights), kit.images(2, 3, 8, 8))
    assert kit.ops(changed) == ["Conv"]


def test_what_cannot_be_evaluated_or_is_random_stays(kit):
    nodes = [
        kit.node("Add", ["a", "a"], ["b"]),
        kit.node("NoSuchOperator", ["a"], ["c"]),
        kit.node("RandomNormalLike", ["a"], ["d"]),
        kit.node("Sum", ["x", "b", "c", "d"], ["y"]),
    ]
    changed = fold_nodes(kit.build(nodes, {"a": np.ones(1, np.float32)}))
    assert kit.ops(changed) == ["NoSuchOperator", "RandomNormalLike", "Sum"]
    assert fold_nodes(changed) is changed


def test_results_that_outgrow_their_weights_stay(kit, monkeypatch):
    weights = {"v": np.ones(1, np.float32), "shape": np.array([1, 3, 8, 8])}
    proto = kit.build([kit.node("Expand", ["v", "shape"], ["big"]), kit.node("Add", ["x", "big"], ["y"])], weights)
    monkeypatch.setattr(module, "_GROWTH", 64 * 4 * 3 - 64)
    assert fold_nodes(proto) is proto
    monkeypatch.setattr(module, "_GROWTH", 64 * 4 * 3)
    assert kit.ops(fold_nodes(proto)) == ["Add"]


def test_a_branch_over_constants_is_a_constant(kit):
    def branch(op):
        value = helper.make_tensor_value_info(f"{op}_out", TensorProto.FLOAT, None)
        return helper.make_graph([kit.node(op, ["a"], [f"{op}_out"])], op, [], [value])

    nodes = [
        kit.node("If", ["c"], ["k"], then_branch=branch("Exp"), else_branch=branch("Neg")),
        kit.node("Mul", ["x", "k"], ["y"]),
    ]
    weights = {"c": np.array(True), "a": np.array([2.0], np.float32)}
    changed = kit.keeps(fold_nodes, kit.build(nodes, weights), kit.images(1, 3, 8, 8))
    assert kit.ops(changed) == ["Mul"]


@pytest.mark.parametrize("used", [1, 2])
def test_every_output_that_is_read_becomes_a_weight(kit, used):
    weights = {"a": np.arange(8, dtype=np.float32), "k": np.array([4])}
    nodes = [kit.node("TopK", ["a", "k"], ["v", "i"]), kit.node("Add", ["x", "v"], ["p"])]
    last = kit.node("Cast", ["i"], ["f"], to=TensorProto.FLOAT) if used == 2 else kit.node("Neg", ["v"], ["f"])
    proto = kit.build([*nodes, last, kit.node("Add", ["p", "f"], ["y"])], weights, shape=("N", 4))
    assert kit.ops(kit.keeps(fold_nodes, proto, kit.images(2, 4))) == ["Add", "Add"]


def test_a_node_of_which_one_output_stays_keeps_the_others(kit, monkeypatch):
    nodes = [
        kit.node("Split", ["a"], ["u", "v"]),
        kit.node("Mul", ["x", "u"], ["p"]),
        kit.node("Add", ["p", "v"], ["y"]),
    ]
    proto = kit.build(nodes, {"a": np.ones((4, 1), np.float32), "split": np.array([1, 3])}, shape=("N", 1), opset=13)
    proto.graph.node[0].input.append("split")
    monkeypatch.setattr(module, "_GROWTH", 8)
    monkeypatch.setattr(module, "_replaced_bytes", lambda *_: 0)
    assert fold_nodes(proto) is proto
