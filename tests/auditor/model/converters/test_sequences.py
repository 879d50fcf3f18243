"""Sequences and optional values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, helper

RNG = np.random.default_rng(4)
X = RNG.normal(size=(3, 7, 2)).astype(np.float32)
Agrees = Callable[..., list[Any]]
Converted = Callable[..., Any]


def node(op: str, inputs: str, output: str, **given: Any) -> NodeProto:
    return helper.make_node(op, inputs.split(), [output], **given)


def at(place: int) -> Any:
    return np.array(place, np.int64)


@pytest.mark.parametrize("new_axis, axis", [(0, 1), (1, -1), (1, 0)])
def test_a_sequence_is_put_together_again(agrees: Agrees, new_axis: int, axis: int) -> None:
    nodes = [
        node("SequenceConstruct", "x x", "s"),
        node("SequenceInsert", "s z i", "t"),
        node("ConcatFromSequence", "t", "y", axis=axis, new_axis=new_axis),
    ]
    agrees(nodes, {"x": X, "z": X * 2, "i": at(-1)}, opset=11, gradient=("x", "z"))


def test_an_empty_sequence_is_filled(agrees: Agrees) -> None:
    nodes = [node("SequenceEmpty", "", "s"), node("SequenceInsert", "s x", "t"), node("SequenceAt", "t i", "y")]
    agrees(nodes, {"x": X, "i": at(0)}, opset=11, gradient=("x",))


@pytest.mark.parametrize("place", [None, 0, -2])
def test_a_tensor_is_taken_out(agrees: Agrees, place: int | None) -> None:
    nodes = [node("SequenceConstruct", "x z x", "s"), node("SequenceErase", "s" if place is None else "s i", "t")]
    feeds = {"x": X, "z": X * 2, "j": at(1)} | ({} if place is None else {"i": at(place)})
    agrees([*nodes, node("SequenceAt", "t j", "y")], feeds, opset=11)
    agrees([*nodes, node("SequenceLength", "t", "y")], {k: v for k, v in feeds.items() if k != "j"}, opset=11)


@pytest.mark.parametrize("split", [None, at(1), np.array([2, 1, 4], np.int64)])
@pytest.mark.parametrize("place", [0, 2])
def test_a_tensor_is_split(agrees: Agrees, split: Any, place: int) -> None:
    feeds = {"x": X, "i": at(place)} | ({} if split is None else {"n": split})
    inputs = "x" if split is None else "x n"
    for keepdims in (0, 1):
        nodes = [node("SplitToSequence", inputs, "s", axis=1, keepdims=keepdims), node("SequenceAt", "s i", "y")]
        agrees(nodes, feeds, opset=11, gradient=("x",))


def test_the_last_part_may_be_smaller(agrees: Agrees) -> None:
    nodes = [node("SplitToSequence", "x n", "s", axis=1), node("SequenceAt", "s i", "y")]
    (found,) = agrees(nodes, {"x": X, "i": at(-1), "n": at(3)}, opset=24, gradient=("x",))
    assert found.shape == (3, 1, 2)


def test_optional_values(agrees: Agrees) -> None:
    agrees([node("Optional", "x", "o"), node("OptionalGetElement", "o", "y")], {"x": X}, opset=18, gradient=("x",))
    agrees([node("Optional", "x", "o"), node("OptionalHasElement", "o", "y")], {"x": X}, opset=18)


def test_an_optional_without_value(converted: Converted) -> None:
    assert converted(node("OptionalHasElement", "", "y"), {}, opset=18).item() is False
