"""Tiny ONNX models: what matters here is their input, their metadata and what the graph does first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

Step = tuple[str, Any] | tuple[str, Any, Mapping[str, Any]]
Build = Callable[..., onnx.ModelProto]


def build(
    shape: Sequence[int | str] = ("N", 3, 8, 8),
    steps: Sequence[Step] = (),
    metadata: Mapping[str, str] | None = None,
    dtype: int = TensorProto.FLOAT,
    conv_channels: int | None = None,
    denotation: str = "",
) -> onnx.ModelProto:
    """A model whose `image` runs through `steps` (operator, constant or None, attributes).

    "const Sub" puts the constant on the left.
    """
    nodes, initializers, tensor = [], [], "image"
    for i, (op, constant, *attributes) in enumerate(steps):
        inputs = [tensor]
        if op == "Resize":
            initializers.append(numpy_helper.from_array(np.asarray(constant, np.int64), f"c{i}"))
            inputs += ["", "", f"c{i}"]
        elif constant is not None:
            initializers.append(numpy_helper.from_array(np.asarray(constant, np.float32), f"c{i}"))
            reverse = op.startswith("const ")
            inputs = [f"c{i}", *inputs] if reverse else [*inputs, f"c{i}"]
        nodes.append(helper.make_node(op.split()[-1], inputs, [f"t{i}"], **(attributes[0] if attributes else {})))
        tensor = f"t{i}"
    if conv_channels is not None:
        weight = numpy_helper.from_array(np.zeros((2, conv_channels, 1, 1), np.float32), "w")
        initializers.append(weight)
        nodes.append(helper.make_node("Conv", [tensor, "w"], ["logits"]))
    else:
        nodes.append(helper.make_node("Flatten", [tensor], ["logits"]))
    image = helper.make_tensor_value_info("image", dtype, shape)
    image.type.denotation = denotation
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [image], [logits], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(model, dict(metadata or {}))
    return model


@pytest.fixture
def make_model() -> Build:
    return build
