"""Blocks into depth and back, reversed sequences, centred windows, columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

RNG = np.random.default_rng(3)
X = RNG.normal(size=(3, 8, 4, 6)).astype(np.float32)
Agrees = Callable[..., list[Any]]
Converted = Callable[..., Any]


@pytest.mark.parametrize("given, opset", [({}, 7), ({"mode": "DCR"}, 11), ({"mode": "CRD"}, 13)])
def test_depth_to_space(agrees: Agrees, given: dict[str, Any], opset: int) -> None:
    agrees(helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=2, **given), {"x": X}, opset=opset, gradient=("x",))


def test_space_to_depth(agrees: Agrees) -> None:
    for opset in (7, 13):
        agrees(helper.make_node("SpaceToDepth", ["x"], ["y"], blocksize=2), {"x": X}, opset=opset, gradient=("x",))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_space_to_depth_is_the_inverse(converted: Converted, mode: str) -> None:
    deep = converted(helper.make_node("SpaceToDepth", ["x"], ["y"], blocksize=2, mode=mode), {"x": X}, opset=28)
    back = converted(helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=2, mode=mode), {"x": deep}, opset=28)
    np.testing.assert_array_equal(back.numpy(), X)


@pytest.mark.parametrize("op", ["SpaceToDepth", "DepthToSpace"])
def test_an_unknown_mode_is_refused(converted: Converted, op: str) -> None:
    with pytest.raises(NotImplementedError, match="RCD"):
        converted(helper.make_node(op, ["x"], ["y"], blocksize=2, mode="RCD"), {"x": X}, opset=28)


@pytest.mark.parametrize("batch_axis, time_axis", [(1, 0), (0, 1)])
def test_reverse_sequence(agrees: Agrees, batch_axis: int, time_axis: int) -> None:
    x = RNG.normal(size=(4, 4, 2)).astype(np.float32)
    node = helper.make_node("ReverseSequence", ["x", "n"], ["y"], batch_axis=batch_axis, time_axis=time_axis)
    agrees(node, {"x": x, "n": np.array([4, 1, 2, 3], np.int64)}, opset=10, gradient=("x",))


@pytest.mark.parametrize("axes, shape", [(None, (2, 9, 4, 3)), ([2, 3], (7, 3)), ([-1, 1], (1, 11)), ([3], (9,))])
def test_center_crop_pad(agrees: Agrees, axes: list[int] | None, shape: tuple[int, ...]) -> None:
    node = helper.make_node("CenterCropPad", ["x", "s"], ["y"], **({"axes": axes} if axes else {}))
    agrees(node, {"x": X, "s": np.array(shape, np.int64)}, opset=18, gradient=("x",))


def columns(block: tuple[int, ...], places: int) -> Any:
    return RNG.normal(size=(2, 3 * int(np.prod(block)), places)).astype(np.float32)


@pytest.mark.parametrize(
    "given, places",
    [({}, 20), ({"pads": [1, 0, 1, 2]}, 6 * 7), ({"strides": [2, 3]}, 4), ({"dilations": [2, 1]}, 15)],
)
def test_col2im(agrees: Agrees, given: dict[str, Any], places: int) -> None:
    feeds = {"x": columns((2, 2), places), "i": np.array([5, 6], np.int64), "b": np.array([2, 2], np.int64)}
    if not given:
        feeds["x"] = columns((2, 2), 4 * 5)
    agrees(helper.make_node("Col2Im", ["x", "i", "b"], ["y"], **given), feeds, opset=18, gradient=("x",))


def test_col2im_agrees_with_fold(converted: Converted) -> None:
    x = columns((3, 2), 12)
    feeds = {"x": x, "i": np.array([6, 8], np.int64), "b": np.array([3, 2], np.int64)}
    node = helper.make_node("Col2Im", list(feeds), ["y"], pads=[1, 1, 1, 1], strides=[2, 2], dilations=[1, 3])
    expected = torch.nn.functional.fold(torch.from_numpy(x), (6, 8), (3, 2), (1, 3), (1, 1), (2, 2))
    torch.testing.assert_close(converted(node, feeds, opset=18), expected)
