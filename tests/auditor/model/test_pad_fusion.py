"""A zero padding before a MaxPool stays one, whatever onnxruntime's default optimisations make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.normalise import normalise
from geoaudit.model.pad_fusion import wrong_optimisers
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin


def padded(mode: str = "constant") -> ModelProto:
    """The stem of BiT: convolution, one row of zeros on every side, MaxPool; all before the pool is negative."""
    random = np.random.default_rng(0)
    weights = {
        "kernel": -np.abs(random.standard_normal((4, 3, 3, 3))).astype(np.float32),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "rows": random.standard_normal((4 * 3 * 3, 5)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["a"]),
        helper.make_node("Pad", ["a", "pads"], ["b"], mode=mode),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("MatMul", ["d", "rows"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 7, 7])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 5])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def plain(model: ModelProto, points: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"image": points})[0])


def test_scores_and_gradients_are_the_files_own(tmp_path: Path) -> None:
    model = padded()
    path = tmp_path / "bit.onnx"
    onnx.save(model, path)
    points = np.random.default_rng(1).random((3, 3, 7, 7)).astype(np.float32)
    expected = plain(model, points)
    artifact = artifacts.load(path)
    runtime = Runtime(artifact, heads.find(artifact), "cpu")
    head = runtime.confirm(points)
    np.testing.assert_allclose(runtime.logits(points), expected, rtol=1e-5, atol=1e-5)
    twin = Twin(normalise(artifact.proto, head), head, "cpu")
    np.testing.assert_allclose(twin.logits(points), expected, rtol=1e-5, atol=1e-5)
    (told,) = (note for note in runtime.notes if "Pad_Fusion" in note)
    assert "0.0%" not in told, "with the optimisation every border of the pool is another number"


@pytest.mark.parametrize("mode", ["edge", "reflect"])
def test_other_paddings_are_left_alone(mode: str) -> None:
    assert wrong_optimisers(padded()) == ["Pad_Fusion"]
    assert wrong_optimisers(padded(mode)) == []
