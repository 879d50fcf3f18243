"""Convolutions against onnxruntime: padding from the actual size, older versions, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import helper

Agrees = Callable[..., list[Any]]
_RANDOM = np.random.default_rng(0)


def _floats(*shape: int) -> Any:
    return _RANDOM.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("opset", [7, 22])
@pytest.mark.parametrize(
    ("size", "kernel", "attributes"),
    [
        ((7,), (3,), {"strides": [2], "auto_pad": "SAME_LOWER"}),
        ((7, 6), (3, 2), {"strides": [2, 3], "auto_pad": "SAME_UPPER"}),
        ((7, 6), (3, 3), {"pads": [1, 0, 2, 1], "dilations": [2, 1], "group": 2}),
        ((6, 5), (1, 1), {"strides": [3, 2], "auto_pad": "SAME_UPPER"}),
        ((6, 5), (2, 3), {"auto_pad": "VALID", "kernel_shape": [2, 3]}),
        ((4, 5, 4), (3, 3, 2), {"pads": [1, 1, 1, 1, 1, 1], "strides": [2, 1, 1]}),
    ],
)
def test_conv(agrees: Agrees, opset: int, size: tuple[int, ...], kernel: tuple[int, ...], attributes: Any) -> None:
    w = _floats(4, 4 // attributes.get("group", 1), *kernel)
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], **attributes)
    feeds = {"x": _floats(2, 4, *size), "w": w, "b": _floats(4)}
    agrees(node, feeds, opset=opset, gradient=("x",) if opset == 22 else ())


def test_conv_in_half_precision(agrees: Agrees) -> None:
    half = {"x": _floats(1, 2, 5, 5).astype(np.float16), "w": _floats(3, 2, 3, 3).astype(np.float16)}
    agrees(helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 0, 0]), half, rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("opset", [7, 22])
@pytest.mark.parametrize(
    "attributes",
    [
        {"strides": [2, 3], "output_padding": [1, 2]},
        {"strides": [2, 2], "pads": [1, 0, 0, 2], "group": 2},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"strides": [3, 2], "auto_pad": "SAME_LOWER", "dilations": [1, 2]},
        {"strides": [2, 2], "output_shape": [9, 7]},
        {"strides": [1, 2], "pads": [1, 1, 1, 1]},
    ],
)
def test_conv_transpose(agrees: Agrees, opset: int, attributes: Any) -> None:
    node = helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], **attributes)
    feeds = {"x": _floats(3, 2, 5, 4), "w": _floats(2, 2, 3, 3), "b": _floats(2 * attributes.get("group", 1))}
    agrees(node, feeds, opset=opset, gradient=("x",) if opset == 22 else ())


def test_deform_conv(agrees: Agrees) -> None:
    node = helper.make_node(
        "DeformConv", ["x", "w", "o", "b", "m"], ["y"], offset_group=2, group=2, pads=[1, 0, 0, 1], strides=[1, 2]
    )
    feeds = {"x": _floats(2, 4, 5, 5), "w": _floats(6, 2, 3, 3), "o": _floats(2, 36, 4, 2)}
    feeds |= {"b": _floats(6), "m": _floats(2, 18, 4, 2)}
    agrees(node, feeds, opset=22, gradient=("x", "m"))
