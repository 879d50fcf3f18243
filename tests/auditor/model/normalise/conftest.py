"""Small graphs, and onnxruntime's word on whether two of them compute the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from onnx import FunctionProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]
Shape = Sequence[int | str | None]


def build(
    nodes: Sequence[NodeProto], weights: dict[str, Array], shape: Shape = ("N", 3, 8, 8), *,
    dtype: int = TensorProto.FLOAT, output: str = "y", out_shape: Shape | None = None,
    opset: int = 17, ir: int = 8, domains: Sequence[str] = (),
    functions: Sequence[FunctionProto] = (), out_dtype: int | None = None,
) -> ModelProto:  # fmt: skip
    """A model from "x" to `output`; in IR version 3 its weights are inputs too."""
    tensors = [numpy_helper.from_array(np.asarray(a), k) for k, a in weights.items()]
    inputs = [helper.make_tensor_value_info("x", dtype, shape)]
    if ir < 4:
        inputs += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors]
    outputs = [helper.make_tensor_value_info(output, out_dtype or dtype, out_shape)]
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    graph = helper.make_graph(list(nodes), "g", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir, functions=list(functions))


def run(proto: ModelProto, x: Array) -> Array:
    """The model's output by onnxruntime without optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


def images(*shape: int) -> Array:
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


def ops(proto: ModelProto) -> list[str]:
    return [node.op_type for node in proto.graph.node]


class Kit:
    """What the tests of this folder share."""

    build = staticmethod(build)
    run = staticmethod(run)
    images = staticmethod(images)
    ops = staticmethod(ops)
    node = staticmethod(helper.make_node)

    @staticmethod
    def keeps(
        change: Callable[[ModelProto], ModelProto], proto: ModelProto, x: Array, rtol: float = 1e-5
    ) -> ModelProto:
        """`change(proto)`, after checking that it is a new model with the same output."""
        before = proto.SerializeToString()
        changed = change(proto)
        assert changed is not proto
        assert proto.SerializeToString() == before
        wanted = run(proto, x)
        found = run(changed, x.astype(np.float32) if x.dtype == np.float16 else x)
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * float(np.abs(wanted).max()))
        assert change(changed) is changed, "a second application must find nothing to do"
        return changed


@pytest.fixture
def kit() -> Kit:
    return Kit()
