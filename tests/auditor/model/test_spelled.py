"""Quantised operators written out in floating point compute what onnxruntime's own kernels do."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit.model.spelled import NotSpelledError, spell

RNG = np.random.default_rng(0)
CONSTANTS = {
    "s": np.float32(0.02), "t": np.float32(0.031), "z": np.uint8(120), "i": np.int8(3), "i0": np.int8(0),
    "u": np.float32(0.25), "big": np.float32(0.004), "z0": np.uint8(0), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    "kernel": RNG.integers(-20, 20, (5, 4, 3, 3)).astype(np.int8),
    "ks": RNG.uniform(0.005, 0.02, 5).astype(np.float32), "kz": np.zeros(5, np.int8),
    "bias": RNG.integers(-500, 500, 5).astype(np.int32),
    "m": RNG.integers(0, 255, (6, 7)).astype(np.uint8), "ms": RNG.uniform(0.005, 0.02, 7).astype(np.float32),
    "mz": RNG.integers(100, 140, 7).astype(np.uint8), "mt": RNG.integers(-20, 20, (7, 6)).astype(np.int8),
    "mb": RNG.integers(-500, 500, 7).astype(np.int32), "fb": RNG.standard_normal(7).astype(np.float32),
    "one": np.float32(0.01), "where": RNG.random((1, 4, 6, 6)) > 0.5,
}  # fmt: skip
X = ("q", "s", "z")
OUT = ("u", "z")
MS = "com.microsoft"
CASES = {
    "QLinearConv": (("QLinearConv", [*X, "kernel", "ks", "kz", *OUT, "bias"], "", {"pads": [1] * 4}), *OUT),
    "ConvInteger": (("ConvInteger", ["q", "kernel", "z", "i"], "", {"strides": [2, 2]}), None),
    "MatMulInteger": (("MatMulInteger", ["q", "m", "z", "mz"], "", {}), None),
    "QLinearMatMul": (("QLinearMatMul", [*X, "m", "s", "z", *OUT], "", {}), *OUT),
    "MatMulIntegerToFloat": (("MatMulIntegerToFloat", ["q", "m", "s", "ms", "z", "mz", "fb"], MS, {}), None),
    "DynamicQuantizeMatMul": (("DynamicQuantizeMatMul", ["x", "m", "ms", "mz", "fb"], MS, {}), None),
    "QLinearAdd": (("QLinearAdd", [*X, *X, "t", "z"], MS, {}), "t", "z"),
    "QLinearMul": (("QLinearMul", [*X, *X, "t", "z"], MS, {}), "t", "z"),
    "QLinearSigmoid": (("QLinearSigmoid", [*X, "big", "z0"], MS, {}), "big", "z0"),
    "QLinearLeakyRelu": (("QLinearLeakyRelu", [*X, *OUT], MS, {"alpha": 0.2}), *OUT),
    "QLinearSoftmax": (("QLinearSoftmax", [*X, "big", "z0"], MS, {"axis": 1, "opset": 17}), "big", "z0"),
    "QLinearAveragePool": (("QLinearAveragePool", [*X, *OUT], MS, {"kernel_shape": [2, 2]}), *OUT),
    "QLinearGlobalAveragePool": (("QLinearGlobalAveragePool", [*X, "one", "z"], MS, {}), "one", "z"),
    "QLinearWhere": (("QLinearWhere", ["where", *X, "q", "t", "z", *OUT], MS, {}), *OUT),
    "QLinearConcat": (("QLinearConcat", [*OUT, *X, "q", "t", "z"], MS, {"axis": 1}), *OUT),
    "Pad": (("Pad", ["q", "pads", "z"], "", {}), "s", "z"),
}


def _model(nodes, constants, opset=17):
    graph = helper.make_graph(
        nodes, "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MS, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def _run(model, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def _case(name):
    (operator, inputs, domain, settings), *scale = CASES[name]
    if scale == [None]:
        last = helper.make_node("Cast", ["made"], ["y"], to=TensorProto.FLOAT)
    else:
        last = helper.make_node("DequantizeLinear", ["made", *scale], ["y"])
    return [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node(operator, inputs, ["made"], domain=domain, **settings),
        last,
    ]


@pytest.mark.parametrize("name", CASES)
def test_an_operator_written_out(name):
    x = np.random.default_rng(3).standard_normal((1, 4, 6, 6)).astype(np.float32)
    model = _model(_case(name), CONSTANTS)
    expected = _run(model, x)
    spelled = spell(model)
    assert all("INT" not in TensorProto.DataType.Name(v.type.tensor_type.elem_type) for v in spelled.proto.graph.input)
    assert not {n.op_type for n in spelled.proto.graph.node} & {"QuantizeLinear", CASES[name][0][0]} - {"Pad"}
    found = _run(spelled.proto, x)
    assert found.shape == expected.shape and np.ptp(expected) > 0
    level = np.diff(np.unique(expected)).min()
    off = np.abs(found - expected)
    if name == "QLinearSoftmax":
        assert off.max() <= 1.01 * level  # its kernel may be one level off
    else:
        assert np.mean(off > 0.01 * level) < 0.01 and off.max() <= 1e-3 * np.ptp(expected) + level


@pytest.mark.parametrize("out", [(), OUT])
def test_a_gemm_written_out(out):
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("MatMul", ["f", "wide"], ["h"]),
        helper.make_node("QuantizeLinear", ["h", "s", "z"], ["q"]),
        helper.make_node(
            "QGemm", [*X, "mt", "ms", "kz7", "mb", *out], ["made" if out else "y"], domain=MS, transB=1, alpha=0.5
        ),
    ]
    if out:
        nodes.append(helper.make_node("DequantizeLinear", ["made", *out], ["y"]))
    wide = RNG.standard_normal((4, 6)).astype(np.float32)
    model = _model(nodes, {**CONSTANTS, "wide": wide, "kz7": np.zeros(7, np.int8)})
    x = np.random.default_rng(3).standard_normal((3, 4, 6, 6)).astype(np.float32)
    assert np.allclose(_run(spell(model).proto, x), _run(model, x), rtol=1e-5, atol=1e-6)


def test_scales_along_an_axis():
    axes = {"c": np.array([0.02, 0.03, 0.04, 0.05], np.float32), "cz": np.array([1, 2, 3, 4], np.uint8)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "c", "cz"], ["q"], axis=1),
        helper.make_node("Transpose", ["q"], ["moved"], perm=[0, 2, 3, 1]),
        helper.make_node("DequantizeLinear", ["moved", "c", "cz"], ["y"], axis=-1),
    ]
    model = _model(nodes, axes)
    x = np.random.default_rng(3).standard_normal((2, 4, 6, 6)).astype(np.float32)
    assert np.allclose(_run(spell(model).proto, x), _run(model, x), atol=1e-6)


def test_an_integer_picture_is_read_as_floats():
    model = _model([helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"])], CONSTANTS)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    x = np.arange(144).reshape(1, 4, 6, 6)
    expected = _run(model, x.astype(np.uint8))
    assert np.allclose(_run(spell(model).proto, x.astype(np.float32)), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (("QLinearAveragePool", [*X, *OUT], {"kernel_shape": [2, 2], "channels_last": 1}), "channels last"),
        (("QLinearSoftmax", [*X, "big", "z0"], {"axis": 1, "opset": 11}), "before 13"),
        (("QLinearReduceMean", [*X, *OUT], {"axes": [2]}), "QLinearReduceMean rounds inside"),
        (("QAttention", ["q", "m"], {}), "QAttention takes integers"),
    ],
)
def test_what_cannot_be_written_out_is_named(node, told):
    operator, inputs, settings = node
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node(operator, inputs, ["y"], domain=MS, **settings),
    ]
    with pytest.raises(NotSpelledError, match=told):
        spell(_model(nodes, CONSTANTS))
