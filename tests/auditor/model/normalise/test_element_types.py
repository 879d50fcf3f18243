from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit.model.normalise import PassSkipped
from geoaudit.model.normalise.coarseness import coarsest
from geoaudit.model.normalise.precision import half_to_single, retype

F16, BF16, F32, F64 = TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE


def _half(kit, dtype=F16):
    numpy_type = helper.tensor_dtype_to_np_dtype(dtype)
    fill = numpy_helper.from_array(np.array([0.5]).astype(numpy_type))
    nodes = [
        kit.node("MatMul", ["x", "w"], ["m"]),
        kit.node("ConstantOfShape", ["four"], ["c"], value=fill),
        kit.node("Add", ["m", "c"], ["a"]),
        kit.node("Cast", ["a"], ["f"], to=F32),
        kit.node("Softmax", ["f"], ["p"]),
        kit.node("Cast", ["p"], ["y"], to=dtype),
    ]
    weights = {"w": np.random.default_rng(0).standard_normal((3, 4)).astype(numpy_type), "four": np.array([4])}
    return kit.build(nodes, weights, shape=("N", 3), dtype=dtype)


def test_half_precision_is_computed_in_single(kit):
    x = kit.images(5, 3).astype(np.float16)
    changed = kit.keeps(half_to_single, _half(kit), x, rtol=3e-3)
    assert changed.graph.input[0].type.tensor_type.elem_type == F32
    assert {t.data_type for t in changed.graph.initializer} == {F32, TensorProto.INT64}


def test_bfloat16_too(kit):
    proto = _half(kit, BF16)
    weights = numpy_helper.to_array(proto.graph.initializer[0]).astype(np.float32)
    x = kit.images(5, 3)
    scores = x @ weights + 0.5
    wanted = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(kit.run(half_to_single(proto), x), wanted, rtol=1e-4)


def test_a_single_precision_graph_is_left_alone(kit):
    proto = kit.build([kit.node("LayerNormalization", ["x", "w"], ["y"])], {"w": np.ones(8, np.float32)})
    assert half_to_single(proto) is proto


def test_double_reaches_defaults_and_branches(kit):
    value = helper.make_tensor_value_info("t", F32, None)
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    then = helper.make_graph([kit.node("Mul", ["r", "half"], ["t"])], "then", [], [value], [half])
    other = helper.make_graph([kit.node("Exp", ["r"], ["t"])], "else", [], [value])
    nodes = [
        kit.node("Constant", [], ["third"], value_float=1 / 3),
        kit.node("ConstantOfShape", ["one"], ["nought"]),
        kit.node("Relu", ["x"], ["r"]),
        kit.node("If", ["yes"], ["b"], then_branch=then, else_branch=other),
        kit.node("Sum", ["b", "third", "nought", "x"], ["s"]),
        kit.node("LayerNormalization", ["s", "w"], ["n"]),
        kit.node("QuantizeLinear", ["n", "step"], ["q"]),
        kit.node("DequantizeLinear", ["q", "step"], ["d"]),
        kit.node("Add", ["d", "n"], ["y"]),
    ]
    weights = {"yes": np.array(True), "one": np.array([1])}
    weights |= {"w": np.ones(8, np.float32), "step": np.array(0.1, np.float32)}
    proto = kit.build(nodes, weights)
    changed = retype(proto, {F32: F64})
    x = kit.images(2, 3, 8, 8)
    found = kit.run(changed, x.astype(np.float64))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, kit.run(proto, x), atol=0.11)
    assert np.median(np.abs(found - kit.run(proto, x))) < 1e-5
    norm = next(node for node in changed.graph.node if node.op_type == "LayerNormalization")
    assert {a.name: a.i for a in norm.attribute if a.name == "stash_type"} == {"stash_type": F64}


def test_parameters_that_are_always_single_stay_so(kit):
    nodes = [
        kit.node("Concat", ["ones", "twos"], ["scales"], axis=0),
        kit.node("Resize", ["x", "", "scales"], ["r"]),
        kit.node("Resize", ["r", "", "scale"], ["s"]),
        kit.node("DynamicQuantizeLinear", ["s"], ["q", "step", "zero"]),
        kit.node("DequantizeLinear", ["q", "step", "zero"], ["y"]),
    ]
    weights = {"ones": np.ones(2, np.float32), "twos": np.full(2, 2, np.float32), "scale": np.ones(4, np.float32)}
    changed = retype(kit.build(nodes, weights, out_shape=("N", 3, 16, 16)), {F32: F64})
    inferred = onnx.shape_inference.infer_shapes(changed, check_type=True, strict_mode=True)
    kinds = {v.name: v.type.tensor_type.elem_type for v in inferred.graph.value_info}
    assert kinds["r"] == kinds["s"] == kinds["step"] == F64
    assert kit.ops(changed).count("Cast") == 5  # three to single, two back


def test_reinterpreted_bits_are_refused(kit):
    proto = kit.build([kit.node("BitCast", ["x"], ["y"], to=F16)], {})
    with pytest.raises(PassSkipped, match="BitCast"):
        half_to_single(proto)


def test_the_coarsest_type_is_that_of_what_is_explained(kit):
    assert coarsest(_half(kit), "y") == "float16"
    assert coarsest(_half(kit, BF16), "y") == "float16"
    nodes = [
        kit.node("Cast", ["x"], ["h"], to=F16),
        kit.node("Neg", ["x"], ["n"]),
        kit.node("Cast", ["h"], ["y"], to=F64),
    ]
    proto = kit.build(nodes, {}, dtype=F64)
    assert coarsest(proto, "y") == "float16"
    assert coarsest(proto, "n") == "float64"
    resized = [kit.node("Resize", ["x", "", "s"], ["y"])]
    assert coarsest(kit.build(resized, {"s": np.ones(4, np.float32)}, dtype=F64), "y") == "float64"
    assert coarsest(kit.build([kit.node("Neg", ["x"], ["y"])], {}, dtype=TensorProto.INT32), "y") == "float32"
