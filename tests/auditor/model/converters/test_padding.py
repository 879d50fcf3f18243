"""What lies beyond the edges of a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

RNG = np.random.default_rng(2)
X = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
Agrees = Callable[..., list[Any]]
Converted = Callable[..., Any]
SPATIAL = [0, 0, 1, 2, 0, 0, 3, 1]


def whole(*values: int) -> Any:
    return np.array(values, np.int64)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
@pytest.mark.parametrize("pads", [SPATIAL, [0, 0, -1, 0, 0, 0, -1, -2], [1, 0, 0, 0, 0, 2, 0, 0]])
def test_pad_by_attributes(agrees: Agrees, mode: str, pads: list[int]) -> None:
    pads = [1, 0, 0, 0, 0, 2, 0, 0] if mode == "constant" and pads[0] else pads
    agrees(helper.make_node("Pad", ["x"], ["y"], pads=pads, mode=mode, value=1.5), {"x": X}, opset=9, gradient=("x",))


@pytest.mark.parametrize("opset", [11, 13, 18, 19, 21])
@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_pad_by_inputs(agrees: Agrees, mode: str, opset: int) -> None:
    feeds = {"x": X, "p": whole(*SPATIAL), "v": np.array(-2.5, np.float32)}
    agrees(helper.make_node("Pad", ["x", "p", "v"], ["y"], mode=mode), feeds, opset=opset, gradient=("x",))


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize("pads", [[2, 1, 1, 2], [-1, 1, 1, -2], [0, -1, -2, 0]])
def test_pad_of_some_axes(agrees: Agrees, mode: str, pads: list[int]) -> None:
    feeds = {"x": X, "p": whole(*pads), "a": whole(-1, 2)}
    agrees(helper.make_node("Pad", ["x", "p", "", "a"], ["y"], mode=mode), feeds, opset=19, gradient=("x",))


def test_pad_of_other_types(agrees: Agrees) -> None:
    node = helper.make_node("Pad", ["x", "p", "v"], ["y"])
    for kind in (np.int64, np.bool_, np.float16, np.float64, np.uint8):
        agrees(node, {"x": (X > 0).astype(kind), "p": whole(*SPATIAL), "v": np.array(1, kind)}, opset=13)


def test_pad_with_infinity_keeps_gradients_finite(converted: Converted) -> None:
    x = torch.ones(1, 2, requires_grad=True)
    feeds = {"x": x, "p": whole(0, 1, 0, 0), "v": np.array(-np.inf, np.float32)}
    found = converted(helper.make_node("Pad", list(feeds), ["y"]), feeds)
    found.exp().sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_pad_passes_the_gradient_of_what_it_pads_with(agrees: Agrees) -> None:
    feeds = {"x": X[:1, :1], "p": whole(*SPATIAL), "v": np.array(0.5, np.float32)}
    agrees(helper.make_node("Pad", ["x", "p", "v"], ["y"]), feeds, opset=13, gradient=("x", "v"))


def test_an_unknown_mode_is_refused(converted: Converted) -> None:
    with pytest.raises(NotImplementedError, match="symmetric"):
        converted(helper.make_node("Pad", ["x", "p"], ["y"], mode="symmetric"), {"x": X, "p": whole(*SPATIAL)})
