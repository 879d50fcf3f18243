"""The adjoint of small graphs against torch's automatic differentiation of the converted graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from geoaudit.model.adjoint import AdjointEngine
from geoaudit.model.adjoint.types import tensor_types
from geoaudit.model.convert import convert
from geoaudit.model.explain import Space, rows_torch, values_torch
from geoaudit.model.head import Head
from geoaudit.model.normalise import Normalised

Array = npt.NDArray[Any]
CLASSES = 3


def model_of(
    nodes: Sequence[NodeProto], constants: dict[str, Array], image: Sequence[int], opset: int, numbers: int,
    seed: int = 5,
) -> ModelProto:  # fmt: skip
    """`nodes` from 'x' to 'y', and behind them a linear layer that gives `numbers` scores.

    The size of 'y' is inferred for the declared image, whose first axis is the batch.
    """
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(image))]
    opsets = [helper.make_opsetid("", opset)]
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    made = helper.make_graph(
        list(nodes), "case", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], weights
    )
    one = helper.make_model(made, opset_imports=opsets, ir_version=8)
    sizes = tensor_types(one, [int(side) for side in image])["y"][1]
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((int(np.prod(sizes[1:])), numbers)).astype(np.float32)
    tail = [helper.make_node("Flatten", ["y"], ["flat"]), helper.make_node("MatMul", ["flat", "matrix"], ["scores"])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [image[0], numbers])]
    weights.append(numpy_helper.from_array(matrix, "matrix"))
    graph = helper.make_graph([*nodes, *tail], "case", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def by_torch(proto: ModelProto, points: Array, targets: Array, space: Space, head: Head) -> tuple[Array, Array]:
    """Values and gradients by the converted model."""
    x = torch.from_numpy(points.copy()).requires_grad_(True)
    rows = rows_torch(convert(proto, "case").module(x).reshape(len(x), -1), head.kind == "binary", head.tail)
    values = values_torch(rows, torch.from_numpy(targets), space, head.tail)
    (gradients,) = torch.autograd.grad(values.sum(), x)
    return values.detach().numpy(), gradients.numpy()


def normalised(proto: ModelProto) -> Normalised:
    """The graph as it is."""
    return Normalised(proto, (), (), "float32")


@pytest.fixture
def agrees() -> Callable[..., Array]:
    """agrees(nodes, points, constants={}, opset=17, tolerance=2e-5, space="logit", head=...): the adjoint's gradients.

    The difference from torch's, over their norm, must not exceed the tolerance; nor may they all be zero.
    """

    def check(
        nodes: NodeProto | Sequence[NodeProto], points: Array, constants: dict[str, Array] | None = None, *,
        opset: int = 17, tolerance: float = 2e-5, space: Space = "logit", head: Head | None = None,
    ) -> Array:  # fmt: skip
        listed = [nodes] if isinstance(nodes, NodeProto) else list(nodes)
        head = head or Head("scores", "scores", None, CLASSES)
        proto = model_of(listed, constants or {}, points.shape, opset, head.numbers)
        targets = np.arange(len(points)) % head.classes
        engine = AdjointEngine(normalised(proto), head, threads=1)
        engine.batch_size = len(points)
        given = points if points.ndim != 3 else points[:, None]  # pictures have three axes there
        values, gradients = engine.value_and_gradient(given, targets, space)
        gradients = gradients.reshape(points.shape)
        expected_values, expected = by_torch(proto, points, targets, space, head)
        norm = float(np.linalg.norm(expected))
        assert norm > 0
        np.testing.assert_allclose(values, expected_values, rtol=1e-4, atol=1e-4)
        assert float(np.linalg.norm(gradients - expected)) <= tolerance * norm
        return gradients

    return check


@pytest.fixture
def images() -> Callable[..., Array]:
    """images(*shape, seed=0): Gaussian noise, float32."""
    return lambda *shape, seed=0: np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
