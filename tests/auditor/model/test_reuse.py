"""Weights that are used often and once, and what follows for batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit.model import artifact, head, reuse
from geoaudit.model.runtime import Runtime


def proto(nodes: list[Any], shape: list[Any], weights: dict[str, tuple[int, ...]]) -> onnx.ModelProto:
    made = {name: numpy_helper.from_array(np.full(dims, 0.01, np.float32), name) for name, dims in weights.items()}
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    return helper.make_model(
        helper.make_graph(nodes, "g", [given], [out], list(made.values())),
        ir_version=9, opset_imports=[helper.make_opsetid("", 17)],
    )  # fmt: skip


def node(op: str, *inputs: str, output: str = "y") -> Any:
    return helper.make_node(op, inputs, [output])


@pytest.mark.parametrize(
    ("made", "often", "once"),
    [
        (proto([node("Conv", "x", "w")], ["n", 3, 8, 8], {"w": (4, 3, 3, 3)}), 108, 0),
        (proto([node("Gemm", "x", "w")], ["n", 5], {"w": (5, 7)}), 0, 35),
        (proto([node("MatMul", "x", "w")], ["n", 9, 5], {"w": (5, 7)}), 35, 0),
        (proto([node("MatMul", "x", "x")], [5, 5], {}), 0, 0),
    ],
    ids=["convolution", "vectors", "tokens", "both computed"],
)  # fmt: skip
def test_weights_are_counted_by_how_they_are_used(made: onnx.ModelProto, often: int, once: int) -> None:
    assert reuse.weights(made) == reuse.Reuse(often, once)


def test_quantised_weights_count(tmp_path: Any) -> None:
    w = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.int8), "w")
    scale = numpy_helper.from_array(np.float32(0.1), "s")
    nodes = [node("DequantizeLinear", "w", "s", output="d"), node("Conv", "x", "d")]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = helper.make_model(helper.make_graph(nodes, "g", [given], [out], [w, scale]))
    assert reuse.weights(model) == reuse.Reuse(108, 0)


@pytest.mark.parametrize(("wide", "batch"), [(16, 8), (128, 1)], ids=["small", "large"])
def test_images_of_a_large_model_go_one_by_one_with_the_same_numbers(
    wide: int, batch: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [
        node("Conv", "x", "a", output="h"), node("Relu", "h", output="r"), node("Conv", "r", "b", output="c"),
        node("GlobalAveragePool", "c", output="p"), node("Flatten", "p"),
    ]  # fmt: skip
    random = np.random.default_rng(0)
    made = proto(nodes, ["n", 3, 12, 12], {"a": (wide, 3, 3, 3), "b": (wide, wide, 3, 3)})
    for tensor in made.graph.initializer:
        values = random.standard_normal(tuple(tensor.dims)).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    path = tmp_path / "m.onnx"
    onnx.save(made, path)
    file = artifact.load(path)
    points = random.standard_normal((9, 3, 12, 12)).astype(np.float32)
    several, asked = (Runtime(file, head.find(file), "cpu", threads=2, batch_size=size) for size in (None, 4))
    found = several.logits(points)
    assert several.batch_size == batch and not several.notes
    np.testing.assert_allclose(found, asked.logits(points), atol=1e-5 * float(np.ptp(found)))
    assert asked.batch_size == 4, "what was asked for holds"
    np.testing.assert_array_equal(found[3:4], several.logits(points[3:4]))
