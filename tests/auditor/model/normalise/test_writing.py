from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from geoaudit.model.normalise import PassSkipped, functions
from geoaudit.model.normalise.constants import constants_to_initializers
from geoaudit.model.normalise.dead import remove_dead
from geoaudit.model.normalise.dialect import default_domain, dense_initializers, raise_ir
from geoaudit.model.normalise.identities import remove_identities
from geoaudit.model.normalise.padding import explicit_padding


def _functions(kit):
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    inner = helper.make_function("my", "Twice", ["a"], ["b"], [kit.node("Add", ["a", "a"], ["b"])], opsets)
    body = [kit.node("Twice", ["a"], ["t"], domain="my"), kit.node("Relu", ["t"], ["b"])]
    return [inner, helper.make_function("my", "Act", ["a"], ["b"], body, opsets)]


def test_functions_in_functions_are_inlined_and_weights_kept(kit):
    big = np.random.default_rng(0).standard_normal((40, 3, 4, 4)).astype(np.float32)
    nodes = [kit.node("Conv", ["x", "w"], ["c"]), kit.node("Act", ["c"], ["t"], domain="my")]
    nodes += [kit.node("Act", ["t"], ["y"], domain="my")]
    proto = kit.build(nodes, {"w": big}, domains=["my"], functions=_functions(kit))
    changed = kit.keeps(functions.inline_functions, proto, kit.images(2, 3, 8, 8))
    assert kit.ops(changed) == ["Conv", "Add", "Relu", "Add", "Relu"]
    assert [v.name for v in changed.graph.input] == ["x"] and not changed.functions


def test_functions_that_cannot_be_inlined_are_named(kit, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no")

    monkeypatch.setattr(functions.inliner, "inline_local_functions", broken)
    proto = kit.build([kit.node("Act", ["x"], ["y"], domain="my")], {}, domains=["my"], functions=_functions(kit))
    with pytest.raises(PassSkipped, match="cannot be inlined"):
        functions.inline_functions(proto)


def test_only_operators_without_a_converter_are_expanded(kit, monkeypatch):
    monkeypatch.setattr("geoaudit.model.convert.convertible", lambda node, _: node.op_type != "Mish")
    nodes = [kit.node("Mish", ["x"], ["m"]), kit.node("HardSwish", ["m"], ["y"])]
    changed = kit.keeps(functions.expand_operators, kit.build(nodes, {}, opset=18), kit.images(2, 3, 8, 8))
    assert "Mish" not in kit.ops(changed) and kit.ops(changed)[-1] == "HardSwish"


def test_the_spelt_out_domain_and_old_versions(kit):
    proto = kit.build([kit.node("Relu", ["x"], ["y"], domain="ai.onnx")], {})
    proto.opset_import[0].domain = "ai.onnx"
    changed = kit.keeps(default_domain, proto, kit.images(1, 3, 8, 8))
    assert [(o.domain, o.version) for o in changed.opset_import] == [("", 17)]
    old = kit.build([kit.node("Dropout", ["x"], ["y"])], {}, opset=9, ir=3)
    assert kit.keeps(raise_ir, old, kit.images(1, 3, 8, 8)).ir_version == 4


@pytest.mark.parametrize("flat", [True, False])
def test_sparse_weights_become_dense(kit, flat):
    values = helper.make_tensor("w", 1, [2], [2.0, -3.0])
    places = np.array([0, 5]) if flat else np.array([[0, 0], [1, 2]])
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(places), [3, 3])
    proto = kit.build([kit.node("MatMul", ["x", "w"], ["y"])], {}, shape=("N", 3))
    proto.graph.sparse_initializer.append(sparse)
    changed = dense_initializers(proto)
    expected = np.zeros((3, 3), np.float32)
    expected[0, 0], expected[1, 2] = 2, -3
    np.testing.assert_array_equal(numpy_helper.to_array(changed.graph.initializer[0]), expected)
    x = kit.images(2, 3)
    np.testing.assert_allclose(kit.run(changed, x), x @ expected, rtol=1e-6)
    node = helper.make_node("Constant", [], ["w"], sparse_value=sparse)
    proto = kit.build([node, kit.node("MatMul", ["x", "w"], ["y"])], {}, shape=("N", 3))
    np.testing.assert_array_equal(
        numpy_helper.to_array(constants_to_initializers(proto).graph.initializer[0]), expected
    )


def test_identities_go_inside_branches_too(kit):
    then = helper.make_graph([kit.node("Add", ["x", "w2"], ["t"])], "then", [], [onnx.ValueInfoProto(name="t")])
    other = helper.make_graph([kit.node("Sub", ["x", "w3"], ["e"])], "else", [], [onnx.ValueInfoProto(name="e")])
    nodes = [
        kit.node("Identity", ["w"], ["w2"]),
        kit.node("Identity", ["w2"], ["w3"]),
        kit.node("ReduceMax", ["x"], ["top"], keepdims=0),
        kit.node("Cast", ["top"], ["yes"], to=9),
        kit.node("If", ["yes"], ["i"], then_branch=then, else_branch=other),
        kit.node("Identity", ["i"], ["y"]),
    ]
    proto = kit.build(nodes, {"w": np.ones(1, np.float32)})
    for value in (*then.output, *other.output):
        value.type.tensor_type.elem_type = 1
    for attribute, g in zip(proto.graph.node[4].attribute, (then, other), strict=True):
        attribute.g.CopyFrom(g if attribute.g.name == g.name else then if attribute.g.name == "then" else other)
    changed = kit.keeps(remove_identities, proto, kit.images(1, 3, 8, 8))
    assert kit.ops(changed).count("Identity") == 1


@pytest.mark.parametrize("rule", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("size", [15, 16])
def test_padding_is_written_in_numbers(kit, rule, size):
    rng = np.random.default_rng(0)
    weights = {
        k: rng.standard_normal(s).astype(np.float32) for k, s in {"w": (4, 3, 3, 2), "one": (2, 4, 1, 1)}.items()
    }
    nodes = [
        kit.node("Conv", ["x", "w"], ["c"], auto_pad=rule, strides=[2, 1]),
        kit.node("AveragePool", ["c"], ["a"], auto_pad=rule, kernel_shape=[2, 2], strides=[1, 2]),
        kit.node("MaxPool", ["a"], ["m"], auto_pad=rule, kernel_shape=[3, 2]),
        kit.node("Conv", ["m", "one"], ["y"], auto_pad=rule, strides=[2, 2]),
    ]
    proto = kit.build(nodes, weights, shape=("N", 3, size, size))
    changed = kit.keeps(explicit_padding, proto, kit.images(2, 3, size, size))
    assert not any(a.name == "auto_pad" for node in changed.graph.node for a in node.attribute)
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, ["N", 3, "H", "W"]))
    assert (explicit_padding(proto) is proto) == (rule != "VALID")


def test_dead_nodes_and_weights_go(kit):
    nodes = [kit.node("Relu", ["x"], ["y"]), kit.node("Add", ["x", "w"], ["unread"])]
    changed = kit.keeps(remove_dead, kit.build(nodes, {"w": np.ones(1, np.float32)}), kit.images(1, 3, 8, 8))
    assert kit.ops(changed) == ["Relu"] and not changed.graph.initializer
