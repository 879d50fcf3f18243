"""One converter at a time against onnxruntime, and its gradient against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper

from geoaudit.model.onnx2torch_import import load_onnx2torch
from geoaudit.model.torch_graph import build

Array = npt.NDArray[Any]
_IR = 10


def model_of(nodes: Sequence[NodeProto], feeds: dict[str, Array], opset: int, domains: dict[str, int]) -> ModelProto:
    """A model of `nodes` whose inputs are `feeds` and whose outputs are the last node's."""
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in feeds.items()
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in nodes[-1].output if name]
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, v) for d, v in domains.items())]
    return helper.make_model(
        helper.make_graph(list(nodes), "case", inputs, outputs), opset_imports=opsets, ir_version=_IR
    )


def run_onnxruntime(model: ModelProto, feeds: dict[str, Array]) -> list[Array]:
    """The outputs by onnxruntime, without its own optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(v) for v in session.run(None, feeds)]


def run_torch(model: ModelProto, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The outputs by the converted model."""
    load_onnx2torch()
    outputs = build(model).eval()(*tensors)
    return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]


@pytest.fixture
def agrees() -> Callable[..., list[Array]]:
    """agrees(node or nodes, feeds, opset=..., domains={}, gradient=("x",), rtol=, atol=, smooth=True).

    Values against onnxruntime; then, for the named float inputs, the torch gradient of a random projection of all
    floating-point outputs against central finite differences of the torch function in float64 (gradcheck).
    """

    def check(
        nodes: NodeProto | Sequence[NodeProto], feeds: dict[str, Array], *, opset: int = 17,
        domains: dict[str, int] | None = None, gradient: Sequence[str] = (), rtol: float = 1e-4, atol: float = 1e-5,
    ) -> list[Array]:  # fmt: skip
        listed = [nodes] if isinstance(nodes, NodeProto) else list(nodes)
        model = model_of(listed, feeds, opset, domains or {})
        expected = run_onnxruntime(model, feeds)
        found = run_torch(model, [torch.from_numpy(np.array(v)) for v in feeds.values()])
        assert len(found) == len(expected)
        for e, f in zip(expected, found, strict=True):
            assert tuple(f.shape) == e.shape
            np.testing.assert_allclose(f.detach().numpy().astype(e.dtype), e, rtol=rtol, atol=atol)
        if gradient:
            _gradcheck(model, feeds, gradient)
        return expected

    return check


@pytest.fixture
def converted() -> Callable[..., Any]:
    """converted(node, feeds, opset=..., domains={}): what the converted node gives, where onnxruntime cannot say.

    Feeds are arrays or torch tensors (which may want gradients).
    """

    def run(
        node: NodeProto, feeds: dict[str, Any], *, opset: int = 17, domains: dict[str, int] | None = None
    ) -> torch.Tensor | list[torch.Tensor]:
        arrays = {k: v.detach().numpy() if isinstance(v, torch.Tensor) else v for k, v in feeds.items()}
        tensors = [v if isinstance(v, torch.Tensor) else torch.from_numpy(np.array(v)) for v in feeds.values()]
        outputs = run_torch(model_of([node], arrays, opset, domains or {}), tensors)
        return outputs[0] if len(node.output) == 1 else outputs

    return run


def _gradcheck(model: ModelProto, feeds: dict[str, Array], names: Sequence[str]) -> None:
    load_onnx2torch()
    module = build(model).eval().double()
    fixed = {n: torch.from_numpy(np.array(v)) for n, v in feeds.items()}
    fixed = {n: t.double() if t.is_floating_point() else t for n, t in fixed.items()}

    def function(*varied: torch.Tensor) -> tuple[torch.Tensor, ...]:
        values = {**fixed, **dict(zip(names, varied, strict=True))}
        outputs = module(*(values[name] for name in feeds))
        every = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        return tuple(o for o in every if o.is_floating_point())

    varied = tuple(fixed[name].clone().requires_grad_() for name in names)
    assert torch.autograd.gradcheck(function, varied, eps=1e-6, atol=1e-5, rtol=1e-3)


FLOAT = TensorProto.FLOAT
