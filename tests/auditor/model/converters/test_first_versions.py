"""Versions of operators that are older than what onnxruntime runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from onnx import helper

X = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
Converted = Callable[..., Any]


def test_reshape_by_attribute(converted: Converted) -> None:
    node = helper.make_node("Reshape", ["x"], ["y"], shape=[0, 2, -1], consumed_inputs=[0])
    np.testing.assert_array_equal(converted(node, {"x": X}, opset=1).numpy(), X.reshape(1, 2, 6))


def test_concat_joins_the_second_axis_unless_told(converted: Converted) -> None:
    found = converted(helper.make_node("Concat", ["x", "x"], ["y"]), {"x": X}, opset=1)
    np.testing.assert_array_equal(found.numpy(), np.concatenate([X, X], 1))


def test_tile_along_one_axis(converted: Converted) -> None:
    feeds = {"x": X, "n": np.float32([3]), "a": np.float32([2])}
    found = converted(helper.make_node("Tile", list(feeds), ["y"]), feeds, opset=1)
    np.testing.assert_array_equal(found.numpy(), np.tile(X, (1, 1, 3)))


def test_split_by_attribute_or_input(converted: Converted) -> None:
    made = converted(helper.make_node("Split", ["x"], ["a", "b"], axis=2, split=[1, 3]), {"x": X}, opset=1)
    assert [tuple(part.shape) for part in made] == [(1, 3, 1), (1, 3, 3)]
    feeds = {"x": X, "s": np.float32([3, 1])}
    made = converted(helper.make_node("Split", ["x", "s"], ["a", "b"], axis=2), feeds, opset=1)
    assert [tuple(part.shape) for part in made] == [(1, 3, 3), (1, 3, 1)]


def test_pad_by_paddings(converted: Converted) -> None:
    node = helper.make_node("Pad", ["x"], ["y"], paddings=[0, 1, 0, 0, 0, 2], value=7.0)
    expected = np.pad(X, ((0, 0), (1, 0), (0, 2)), constant_values=7.0)
    np.testing.assert_array_equal(converted(node, {"x": X}, opset=1).numpy(), expected)


def test_cast_by_name(converted: Converted) -> None:
    assert converted(helper.make_node("Cast", ["x"], ["y"], to="INT32"), {"x": X}, opset=1).dtype == torch.int32
