"""Small networks quantised by onnxruntime's own tools: outputs as onnxruntime's, gradients along the float model's."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from geoaudit.model.convert import Converted, convert

Array = npt.NDArray[Any]
SHAPE = (3, 12, 12)


def network() -> ModelProto:
    """Three convolutions (one with a shortcut), pools and two dense layers; 5 classes."""
    rng = np.random.default_rng(0)
    shapes = {"w1": (8, 3, 3, 3), "w2": (8, 8, 3, 3), "w3": (8, 1, 3, 3), "w4": (8, 16), "w5": (16, 5)}
    weights = {k: rng.standard_normal(s) * (2 / np.prod(s[1:])) ** 0.5 for k, s in shapes.items()}
    weights["w5"] = rng.standard_normal((16, 5)) / 4
    biases = {f"b{i}": rng.standard_normal(n) / 10 for i, n in ((1, 8), (2, 8), (3, 8), (4, 16), (5, 5))}
    values = {k: v.astype(np.float32) for k, v in {**weights, **biases}.items()}
    same = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], **same),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], **same),
        helper.make_node("Sigmoid", ["c2"], ["s2"]),
        helper.make_node("Mul", ["c2", "s2"], ["m2"]),
        helper.make_node("Conv", ["m2", "w3", "b3"], ["c3"], group=8, **same),
        helper.make_node("Add", ["c3", "p1"], ["a3"]),
        helper.make_node("LeakyRelu", ["a3"], ["r3"], alpha=0.1),
        helper.make_node("GlobalAveragePool", ["r3"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("MatMul", ["f", "w4"], ["h0"]),
        helper.make_node("Add", ["h0", "b4"], ["h1"]),
        helper.make_node("Relu", ["h1"], ["h2"]),
        helper.make_node("Gemm", ["h2", "w5", "b5"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
        [numpy_helper.from_array(v, k) for k, v in values.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


class Pictures(CalibrationDataReader):  # type: ignore[misc]
    """What the quantiser calibrates on: of more contrast than what is shown later, so that nothing is clipped then."""

    def __init__(self) -> None:
        self._left: Iterator[dict[str, Array]] = iter([{"x": 1.5 * pictures(16)}])

    def get_next(self) -> dict[str, Array] | None:
        return next(self._left, None)


def pictures(count: int) -> Array:
    return np.random.default_rng(1).standard_normal((count, *SHAPE)).astype(np.float32)


STATIC: dict[str, dict[str, Any]] = {
    "qdq": {"quant_format": QuantFormat.QDQ},
    "qdq-channels": {"quant_format": QuantFormat.QDQ, "per_channel": True},
    "qdq-signed-16": {
        "quant_format": QuantFormat.QDQ,
        "activation_type": QuantType.QInt16,
        "extra_options": {"UseQDQContribOps": True},
    },
    "qdq-unsigned-16": {
        "quant_format": QuantFormat.QDQ,
        "activation_type": QuantType.QUInt16,
        "extra_options": {"UseQDQContribOps": True},
    },
    "operators": {"quant_format": QuantFormat.QOperator},
    "operators-channels": {"quant_format": QuantFormat.QOperator, "per_channel": True},
}


def quantised(kind: str, folder: Path) -> ModelProto:
    given, made = folder / "float.onnx", folder / "quantised.onnx"
    onnx.save(network(), given)
    if kind == "dynamic":
        # full 8 bits saturate in onnxruntime's kernels on processors without VNNI
        quantize_dynamic(given, made, weight_type=QuantType.QUInt8)
    else:
        settings = {
            "activation_type": QuantType.QUInt8,
            "weight_type": QuantType.QInt8,
            "reduce_range": True,
            **STATIC[kind],
        }
        quantize_static(given, made, Pictures(), **settings)
    return onnx.load(made)


def gradient(converted: Converted, x: Array, target: int = 2) -> Array:
    point = torch.from_numpy(x).requires_grad_()
    (found,) = torch.autograd.grad(converted.module(point)[:, target].sum(), point)
    return found.numpy()


@pytest.mark.parametrize("kind", [*STATIC, "dynamic"])
def test_quantised_network(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    model = quantised(kind, tmp_path)
    converted = convert(model, "quantised.onnx")
    assert any("Quantize" in name or "QLinear" in name for name in converted.straight_through)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = pictures(4)
    (expected,) = session.run(None, {"x": x})
    found = converted.module(torch.from_numpy(x)).numpy()
    assert np.abs(found - expected).max() < 0.02 * np.ptp(expected)
    exact = gradient(convert(network(), "float.onnx"), x)
    through = gradient(converted, x)
    for a, b in zip(exact.reshape(4, -1), through.reshape(4, -1), strict=True):
        assert a @ b > 0.95 * np.linalg.norm(a) * np.linalg.norm(b) > 0
