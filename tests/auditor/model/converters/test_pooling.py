"""Pools against onnxruntime: padding, rounding up, places of the largest values, older versions, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

from geoaudit.model.converters import sliding
from geoaudit.model.converters.pooling import global_lp_pool, lp_pool
from geoaudit.model.converters.sliding import pad

Agrees = Callable[..., list[Any]]
_RANDOM = np.random.default_rng(0)


def _floats(*shape: int) -> Any:
    return _RANDOM.standard_normal(shape).astype(np.float32)


_WINDOWS = [
    {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    {"kernel_shape": [2, 3], "strides": [2, 3], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [2, 4], "auto_pad": "SAME_LOWER"},
    {"kernel_shape": [3, 2], "strides": [3, 2], "pads": [2, 1, 0, 0], "ceil_mode": 1},
    {"kernel_shape": [2, 2], "strides": [3, 3], "ceil_mode": 1, "pads": [0, 1, 1, 1]},
]
_DILATED = [
    {"kernel_shape": [3, 2], "dilations": [2, 3], "pads": [1, 1, 2, 0]},
    {"kernel_shape": [2, 3], "dilations": [2, 1], "auto_pad": "SAME_UPPER", "strides": [1, 2]},
    {"kernel_shape": [3, 3], "dilations": [2, 2], "strides": [2, 3], "ceil_mode": 1, "pads": [2, 1, 1, 2]},
]


@pytest.mark.parametrize("opset", [10, 22])
@pytest.mark.parametrize("storage_order", [0, 1])
@pytest.mark.parametrize("window", _WINDOWS + _DILATED)
def test_max_pool(agrees: Agrees, opset: int, storage_order: int, window: Any) -> None:
    node = helper.make_node("MaxPool", ["x"], ["y", "places"], storage_order=storage_order, **window)
    agrees(node, {"x": _floats(3, 1, 8, 7)}, opset=opset, gradient=("x",) if opset == 22 and not storage_order else ())


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.float16])
def test_max_pool_of_small_types(agrees: Agrees, kind: Any) -> None:
    x = _RANDOM.integers(-100 if kind != np.uint8 else 0, 100, (1, 2, 6, 6)).astype(kind)
    agrees(helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 0, 0]), {"x": x}, opset=12)


@pytest.mark.parametrize("opset", [10, 19, 22])
@pytest.mark.parametrize("count_include_pad", [0, 1])
@pytest.mark.parametrize("window", _WINDOWS)
def test_average_pool(agrees: Agrees, opset: int, count_include_pad: int, window: Any) -> None:
    node = helper.make_node("AveragePool", ["x"], ["y"], count_include_pad=count_include_pad, **window)
    agrees(node, {"x": _floats(3, 1, 8, 7)}, opset=opset, gradient=("x",) if opset == 22 else ())


@pytest.mark.parametrize("count_include_pad", [0, 1])
@pytest.mark.parametrize("window", _DILATED)
def test_dilated_average_pool(agrees: Agrees, count_include_pad: int, window: Any) -> None:
    node = helper.make_node("AveragePool", ["x"], ["y"], count_include_pad=count_include_pad, **window)
    agrees(node, {"x": _floats(3, 1, 8, 7)}, opset=19, gradient=("x",))


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize(("size", "kernel"), [((9,), [3]), ((5, 4, 6), [2, 3, 2])])
def test_pools_of_other_ranks(agrees: Agrees, operator: str, size: tuple[int, ...], kernel: list[int]) -> None:
    node = helper.make_node(
        operator, ["x"], ["y"], kernel_shape=kernel, strides=[2] * len(kernel), auto_pad="SAME_LOWER"
    )
    agrees(node, {"x": _floats(3, 1, *size)}, opset=11, gradient=("x",))


_HANGING = [
    {"kernel_shape": [3000, 3000], "strides": [3000, 3000], "ceil_mode": 1},
    {"kernel_shape": [5, 3000], "strides": [2, 3000], "pads": [1, 2, 2, 0], "ceil_mode": 1},
    {"kernel_shape": [3000, 2], "pads": [1500, 0, 1492, 1]},
]
"""Windows far larger than the picture: filled up with padding they would take gigabytes."""


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize("window", _HANGING)
def test_windows_that_hang_over_the_picture(
    agrees: Agrees, monkeypatch: pytest.MonkeyPatch, operator: str, window: Any
) -> None:
    def small(x: torch.Tensor, heads: Any, tails: Any, value: float = 0.0) -> torch.Tensor:
        padded = pad(x, heads, tails, value)
        assert padded.numel() < 10 * x.numel()
        return padded

    monkeypatch.setattr(sliding, "pad", small)
    agrees(helper.make_node(operator, ["x"], ["y"], **window), {"x": _floats(2, 3, 8, 7)}, opset=22, gradient=("x",))


@pytest.mark.parametrize("window", _HANGING)
def test_places_in_windows_that_hang_over_the_picture(agrees: Agrees, window: Any) -> None:
    agrees(helper.make_node("MaxPool", ["x"], ["y", "places"], **window), {"x": _floats(2, 3, 8, 7)}, opset=22)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("window", [_WINDOWS[0], _WINDOWS[4], _DILATED[0], _DILATED[2]])
def test_lp_pool(agrees: Agrees, p: int, window: Any) -> None:
    agrees(
        helper.make_node("LpPool", ["x"], ["y"], p=p, **window), {"x": _floats(3, 1, 8, 7)}, opset=18, gradient=("x",)
    )


def test_norms_of_nothing_have_a_gradient() -> None:
    x = torch.zeros(1, 1, 2, 2, requires_grad=True)
    (global_lp_pool(x) + lp_pool(x, kernel_shape=[2, 2])).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
@pytest.mark.parametrize("size", [(5,), (4, 5), (2, 3, 4)])
def test_global_pools(agrees: Agrees, operator: str, size: tuple[int, ...]) -> None:
    agrees(helper.make_node(operator, ["x"], ["y"]), {"x": _floats(3, 1, *size)}, gradient=("x",))


def test_max_unpool(agrees: Agrees) -> None:
    window = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        helper.make_node("MaxPool", ["x"], ["y", "places"], **window),
        helper.make_node("MaxUnpool", ["y", "places"], ["z"], **window),
    ]
    agrees(nodes, {"x": _floats(3, 1, 6, 4)}, gradient=("x",))
