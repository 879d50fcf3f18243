"""Graphs as onnxruntime's own optimiser writes them convert, and agree with onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from geoaudit.model.convert import convert

Array = npt.NDArray[Any]
WIDTH, HEADS = 8, 2


def model(nodes: list[NodeProto], shape: list[int], weights: dict[str, Array]) -> ModelProto:
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) / 2


def convolutions() -> ModelProto:
    """Convolutions that are followed by activations, by a sum, or by both."""
    weights = {"w1": numbers(4, 3, 3, 3), "b1": numbers(4), "w2": numbers(4, 4, 3, 3, seed=1), "b2": numbers(4, seed=2)}
    same = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], **same),
        helper.make_node("LeakyRelu", ["c1"], ["r1"], alpha=0.2),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], **same),
        helper.make_node("Add", ["c2", "r1"], ["a2"]),
        helper.make_node("Relu", ["a2"], ["r2"]),
        helper.make_node("Conv", ["r2", "w2", "b2"], ["c3"], **same),
        helper.make_node("Sigmoid", ["c3"], ["y"]),
    ]
    return model(nodes, [2, 3, 6, 6], weights)


def gelu(x: str, y: str) -> list[NodeProto]:
    return [
        helper.make_node("Div", [x, "root"], [f"{y}1"]),
        helper.make_node("Erf", [f"{y}1"], [f"{y}2"]),
        helper.make_node("Add", [f"{y}2", "one"], [f"{y}3"]),
        helper.make_node("Mul", [x, f"{y}3"], [f"{y}4"]),
        helper.make_node("Mul", [f"{y}4", "half"], [y]),
    ]


def perceptron() -> ModelProto:
    """A transformer's feed-forward part, with both sums, and a product by a transpose."""
    scalars = {"root": 2**0.5, "one": 1.0, "half": 0.5, "eighth": 0.125}
    weights = {k: np.array(v, np.float32) for k, v in scalars.items()}
    weights |= {
        "w1": numbers(WIDTH, 16),
        "b1": numbers(16),
        "w2": numbers(16, WIDTH, seed=1),
        "b2": numbers(WIDTH, seed=2),
        "s": numbers(WIDTH, seed=3),
        "o": numbers(WIDTH, seed=4),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h1"]),
        helper.make_node("Add", ["h1", "b1"], ["h2"]),
        *gelu("h2", "h3"),
        helper.make_node("MatMul", ["h3", "w2"], ["h4"]),
        helper.make_node("Add", ["h4", "b2"], ["h5"]),
        helper.make_node("Add", ["h5", "x"], ["h6"]),
        helper.make_node("LayerNormalization", ["h6", "s", "o"], ["h7"], axis=-1),
        helper.make_node("Transpose", ["h7"], ["h8"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["h7", "h8"], ["h9"]),
        helper.make_node("Mul", ["h9", "eighth"], ["h10"]),
        helper.make_node("Softmax", ["h10"], ["y"], axis=-1),
    ]
    return model(nodes, [2, 5, WIDTH], weights)


@pytest.mark.parametrize(
    ("made", "expected"),
    [(convolutions, {"FusedConv"}), (perceptron, {"Gelu", "SkipLayerNormalization", "FusedMatMul"})],
)
def test_optimised_graph(made: Any, expected: set[str], tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    original = made()
    onnxruntime.InferenceSession(original.SerializeToString(), options, providers=["CPUExecutionProvider"])
    optimised = onnx.load(tmp_path / "optimised.onnx")
    assert expected <= {node.op_type for node in optimised.graph.node}
    session = onnxruntime.InferenceSession(original.SerializeToString(), providers=["CPUExecutionProvider"])
    shape = [d.dim_value for d in original.graph.input[0].type.tensor_type.shape.dim]
    x = numbers(*shape, seed=9)
    point = torch.from_numpy(x).requires_grad_()
    found, right = (convert(m, "model.onnx").module(point) for m in (optimised, original))
    np.testing.assert_allclose(found.detach().numpy(), session.run(None, {"x": x})[0], rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad(y.square().sum(), point)[0] for y in (found, right)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
