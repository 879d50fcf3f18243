"""Activation functions: every version and attribute, half precision, and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

Checked = Callable[..., Any]
X = np.random.default_rng(0).normal(size=(3, 4, 2, 2)).astype(np.float32) * 3


@pytest.mark.parametrize(
    ("name", "opset", "attributes"),
    [
        ("Relu", 7, {}),
        ("Sigmoid", 13, {}),
        ("Tanh", 7, {}),
        ("Erf", 13, {}),
        ("Softplus", 7, {}),
        ("Softsign", 22, {}),
        ("Mish", 18, {}),
        ("HardSwish", 14, {}),
        ("LeakyRelu", 16, {"alpha": 0.3}),
        ("Elu", 7, {"alpha": 1.5}),
        ("Selu", 7, {}),
        ("Selu", 22, {"alpha": 1.2, "gamma": 0.7}),
        ("Celu", 12, {"alpha": 2.0}),
        ("Gelu", 20, {}),
        ("Gelu", 20, {"approximate": "tanh"}),
        ("HardSigmoid", 7, {}),
        ("HardSigmoid", 22, {"alpha": 1 / 6, "beta": 0.5}),
        ("HardSigmoid", 14, {"alpha": 0.5, "beta": 0.6}),
        ("ThresholdedRelu", 10, {"alpha": -1.0}),
        ("Shrink", 9, {"bias": 0.4, "lambd": 0.7}),
        ("Softmax", 13, {}),
        ("Softmax", 13, {"axis": 1}),
        ("Softmax", 12, {}),
        ("Softmax", 11, {"axis": -2}),
        ("Softmax", 7, {"axis": 0}),
        ("Softmax", 7, {"axis": 3}),
        ("LogSoftmax", 7, {}),
        ("LogSoftmax", 13, {"axis": -3}),
    ],
)
def test_values_and_gradient(agrees: Checked, name: str, opset: int, attributes: dict[str, Any]) -> None:
    agrees(helper.make_node(name, ["x"], ["y"], **attributes), {"x": X}, opset=opset, gradient=("x",))


@pytest.mark.parametrize("alpha", [1.0, 1.7])
def test_swish(converted: Checked, alpha: float) -> None:
    found = converted(helper.make_node("Swish", ["x"], ["y"], alpha=alpha), {"x": X}, opset=24)
    np.testing.assert_allclose(found.numpy(), X / (1 + np.exp(-alpha * X)), rtol=1e-5)


@pytest.mark.parametrize(("opset", "axis"), [(7, 1), (11, -1), (13, 2)])
def test_hardmax_marks_the_first_largest(agrees: Checked, opset: int, axis: int) -> None:
    x = np.random.default_rng(1).integers(0, 3, size=(3, 4, 5)).astype(np.float32)
    agrees(helper.make_node("Hardmax", ["x"], ["y"], axis=axis), {"x": x}, opset=opset)


@pytest.mark.parametrize("shape", [(4, 1, 1), (1, 4, 1, 1), (1,), (2,), (3, 4, 2, 2), (4, 1, 2)])
def test_prelu_slopes(agrees: Checked, shape: tuple[int, ...]) -> None:
    slope = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    agrees(helper.make_node("PRelu", ["x", "s"], ["y"]), {"x": X, "s": slope}, opset=16, gradient=("x", "s"))


def test_prelu_of_integers(agrees: Checked) -> None:
    feeds = {"x": np.int32([[-2, 3]]), "s": np.int32([4])}
    agrees(helper.make_node("PRelu", ["x", "s"], ["y"]), feeds, opset=16)


def test_prelu_before_version_7_has_a_slope_a_channel(converted: Checked) -> None:
    slope = np.float32([0.1, 0.2, 0.3, 0.4])
    found = converted(helper.make_node("PRelu", ["x", "s"], ["y"]), {"x": X, "s": slope}, opset=6)
    np.testing.assert_allclose(found.numpy(), np.where(X > 0, X, X * slope.reshape(4, 1, 1)), rtol=1e-6)


def test_selu_of_version_1_has_rounded_defaults(converted: Checked) -> None:
    found = converted(helper.make_node("Selu", ["x"], ["y"], consumed_inputs=[0]), {"x": np.float32([2])}, opset=1)
    assert found.item() == pytest.approx(2 * 1.0507, rel=1e-6)


def test_integers(agrees: Checked) -> None:
    feeds = {"x": np.int32([-3, -1, 0, 2, 5])}
    agrees(helper.make_node("Relu", ["x"], ["y"]), feeds, opset=14)
    agrees(helper.make_node("Shrink", ["x"], ["y"], bias=1.5, lambd=1.5), feeds, opset=9)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "name", ["Relu", "Gelu", "Mish", "HardSwish", "HardSigmoid", "Elu", "Selu", "Shrink", "Softmax"]
)
def test_small_floats_keep_their_type(name: str, kind: torch.dtype) -> None:
    node = helper.make_node(name, ["x"], ["y"])
    full, small = torch.linspace(-4, 4, 9), torch.linspace(-4, 4, 9).to(kind)
    found = _build(node, small)
    assert found.dtype == kind
    torch.testing.assert_close(found.float(), _build(node, full), rtol=2e-2, atol=2e-2)


def test_relu_passes_no_gradient_at_zero(converted: Checked) -> None:
    x = torch.zeros(2, requires_grad=True)
    converted(helper.make_node("Relu", ["x"], ["y"]), {"x": x}).sum().backward()
    assert x.grad is not None and not x.grad.any()


def _build(node: Any, x: torch.Tensor) -> torch.Tensor:
    from geoaudit.model.converters import Operator, definitions

    version = max(v for _, name, v in definitions() if name == node.op_type)
    return Operator(node, definitions()["", node.op_type, version], version)(x)
