"""Quantisation against onnxruntime: every number, and straight-through gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from onnx import TensorProto, helper

from geoaudit.model.converters import quantised, rounding

Array = npt.NDArray[Any]
Agrees = Callable[..., list[Array]]
TYPES = [np.uint8, np.int8, np.uint16, np.int16]


def numbers(*shape: int, seed: int = 0, spread: float = 1.0) -> Array:
    return (spread * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def whole(*shape: int, kind: Any = np.uint8, seed: int = 0) -> Array:
    limits = np.iinfo(kind)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(kind)


def both(agrees: Agrees, kind: Any, feeds: dict[str, Array], opset: int, **attributes: Any) -> None:
    quantise = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], **attributes)
    agrees(quantise, feeds, opset=opset)
    x = whole(*feeds["x"].shape, kind=kind, seed=9)
    agrees(helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"], **attributes), {**feeds, "x": x}, opset=opset)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("opset", [10, 13, 19, 21, 23, 25])
def test_per_tensor(agrees: Agrees, kind: Any, opset: int) -> None:
    if opset < 21 and kind in (np.uint16, np.int16):
        pytest.skip("16 bits came with version 21")
    feeds = {"x": numbers(3, 4, 5, spread=400), "s": np.array(0.5, np.float32), "z": np.array(3, kind)}
    feeds["x"].reshape(-1)[:5] = [0.25, 0.75, -0.25, 1e9, -1e9]  # halves, and beyond every range
    both(agrees, kind, feeds, opset)


@pytest.mark.parametrize("kind", TYPES)
def test_per_channel_and_in_blocks(agrees: Agrees, kind: Any) -> None:
    x = numbers(2, 6, 5, spread=50)
    feeds = {"x": x, "s": np.abs(numbers(6, seed=1)) + 0.1, "z": whole(6, kind=kind, seed=2)}
    both(agrees, kind, feeds, 21, axis=1)
    both(agrees, kind, feeds, 21, axis=-2)
    feeds = {"x": x, "s": np.abs(numbers(2, 2, 5, seed=1)) + 0.1, "z": whole(2, 2, 5, kind=kind, seed=2)}
    both(agrees, kind, feeds, 21, axis=1, block_size=3)


def test_half_precision(agrees: Agrees) -> None:
    feeds = {
        "x": numbers(50, spread=30).astype(np.float16),
        "s": np.array(0.237, np.float16),
        "z": np.array(128, np.uint8),
    }
    both(agrees, np.uint8, feeds, 21)


def test_no_zero_point_and_named_types(agrees: Agrees) -> None:
    feeds = {"x": numbers(50, spread=30), "s": np.array(0.3, np.float32)}
    agrees(helper.make_node("QuantizeLinear", list(feeds), ["q"]), feeds, opset=13)
    agrees(helper.make_node("QuantizeLinear", list(feeds), ["q"], output_dtype=TensorProto.INT8), feeds, opset=21)
    bias = {"x": np.array([-(2**30), 5, 70000], np.int32), "s": np.array(0.3, np.float32)}
    agrees(helper.make_node("DequantizeLinear", list(bias), ["y"]), bias, opset=13)


@pytest.mark.parametrize("kind", [torch.int32, torch.float32])
def test_types_that_torch_lacks_are_refused(kind: torch.dtype) -> None:
    with pytest.raises(NotImplementedError, match="4-bit or floating-point"):
        quantised.quantize_linear(torch.ones(2), torch.tensor(1.0), torch.zeros((), dtype=kind))
    with pytest.raises(NotImplementedError, match="FLOAT8E4M3FN"):
        quantised.quantize_linear(torch.ones(2), torch.tensor(1.0), output_dtype=TensorProto.FLOAT8E4M3FN)


@pytest.mark.parametrize("shape", [(3, 4), (1,), (2, 3, 2, 2)])
@pytest.mark.parametrize("shift", [-5.0, 0.0, 5.0])
def test_dynamic(agrees: Agrees, shape: tuple[int, ...], shift: float) -> None:
    node = helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "scale", "point"])
    agrees(node, {"x": numbers(*shape) + np.float32(shift)}, opset=11)


def test_dynamic_of_nothing_but_zeros(agrees: Agrees) -> None:
    agrees(
        helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "scale", "point"]),
        {"x": np.zeros(3, np.float32)},
        opset=11,
    )


def test_gradient_of_rounding_is_the_identity_inside_the_range_and_zero_outside() -> None:
    x = torch.tensor([-200.0, -69.0, -3.3, 0.0, 0.26, 40.1, 58.7, 300.0], requires_grad=True)
    scale, point = torch.tensor(0.5), torch.tensor(10, dtype=torch.int8)
    q = quantised.quantize_linear(x, scale, point)
    assert q.tolist() == [-128, -128, 3, 10, 11, 90, 127, 127]
    quantised.dequantize_linear(q, scale, point).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 1, 1, 0]


def test_gradient_of_dynamic_quantisation_is_the_identity() -> None:
    x = torch.from_numpy(numbers(20)).requires_grad_()
    q, scale, point = quantised.dynamic_quantize_linear(x)
    ((q - point) * scale * torch.arange(20)).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.arange(20).float())


def test_rounding_batches_and_differentiates_forwards() -> None:
    x = torch.tensor([0.5, 1.5, -2.5, float("inf")])
    assert torch.func.vmap(rounding.round_through)(x).tolist() == [0, 2, -2, float("inf")]
    assert torch.func.jvp(rounding.round_through, (x,), (x,))[1].tolist() == x.tolist()
    clip = functools.partial(rounding.clip_through, limits=(-1, 2))
    assert torch.func.vmap(clip)(x).tolist() == [0.5, 1.5, -1, 2]
    assert torch.func.jvp(clip, (x[:3],), (torch.ones(3),))[1].tolist() == [1, 1, 0]


CONVOLUTIONS: list[dict[str, Any]] = [
    {"group": 2},
    {"pads": [1, 0, 2, 1]},
    {"strides": [2, 1], "dilations": [1, 2]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER"},
]


@pytest.mark.parametrize("settings", CONVOLUTIONS)
@pytest.mark.parametrize("channels", [False, True])
def test_convolution(agrees: Agrees, settings: dict[str, Any], channels: bool) -> None:
    groups = settings.get("group", 1)
    feeds: dict[str, Array] = {
        "x": whole(3, 4, 6, 7), "xs": np.array(0.02, np.float32), "xz": np.array(120, np.uint8),
        "w": whole(6, 4 // groups, 3, 3, kind=np.int8, seed=1) // 4,
        "ws": np.abs(numbers(6, seed=2)) / 50 + 0.01 if channels else np.array(0.02, np.float32),
        "wz": np.zeros(6, np.int8) if channels else np.array(3, np.int8), "ys": np.array(0.1, np.float32),
        "yz": np.array(100, np.uint8), "b": np.arange(-300, 300, 100, dtype=np.int32),
    }  # fmt: skip
    made = helper.make_node("QLinearConv", list(feeds), ["y"], **settings)
    (y,) = agrees(made, feeds, opset=13)
    assert len(np.unique(y)) > 20
    integer = {"x": feeds["x"], "w": feeds["w"], "xz": feeds["xz"]}
    agrees(helper.make_node("ConvInteger", list(integer), ["y"], **settings), integer, opset=13)


@pytest.mark.parametrize("shapes", [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5))])
@pytest.mark.parametrize("columns", [False, True])
def test_products(agrees: Agrees, shapes: Any, columns: bool) -> None:
    a, b = whole(*shapes[0]), whole(*shapes[1], kind=np.int8, seed=1)
    column = ((2, 1, 5) if b.ndim > 2 else (5,)) if columns else ()
    az, bz = np.array(13, np.uint8), np.full(column, -7, np.int8)
    agrees(helper.make_node("MatMulInteger", list("abcd"), ["y"]), {"a": a, "b": b, "c": az, "d": bz}, opset=10)
    if columns and b.ndim > 2:
        return
    feeds = {
        "a": a,
        "as": np.array(0.02, np.float32),
        "az": az,
        "b": b,
        "bs": np.full(column, 0.03, np.float32),
        "bz": bz,
        "ys": np.array(0.5, np.float32),
        "yz": np.array(110, np.uint8),
    }
    agrees(helper.make_node("QLinearMatMul", list(feeds), ["y"]), feeds, opset=21, rtol=0)


def test_sums_beyond_single_precision_stay_exact(agrees: Agrees) -> None:
    a, b = np.full((1, 3001), 255, np.uint8), np.full((3001, 1), 127, np.int8)
    a[0, 0] = 254
    (y,) = agrees(helper.make_node("MatMulInteger", ["a", "b"], ["y"]), {"a": a, "b": b}, opset=10, rtol=0, atol=0)
    assert int(np.float32(y[0, 0])) != int(y[0, 0]), "the case shows nothing: single precision holds the sum"


def test_gradient_of_an_integer_convolution_is_that_of_the_convolution() -> None:
    x = torch.from_numpy(whole(1, 2, 5, 5)).float().requires_grad_()
    w = torch.from_numpy(whole(3, 2, 3, 3, kind=np.int8))
    quantised.conv_integer(x, w, torch.tensor(7, dtype=torch.uint8)).sum().backward()
    found = x.grad
    x.grad = None
    torch.nn.functional.conv2d(x, w.float()).sum().backward()
    assert found is not None and x.grad is not None
    torch.testing.assert_close(found, x.grad)
