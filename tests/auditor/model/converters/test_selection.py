"""Operators that pick elements: ties, old versions, out-of-range indices; dropout at inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import helper

Checked = Callable[..., Any]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 2)).astype(np.float32)


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("largest", [0, 1])
def test_top_k(agrees: Checked, axis: int, largest: int) -> None:
    node = helper.make_node("TopK", ["x", "k"], ["v", "i"], axis=axis, largest=largest)
    agrees(node, {"x": X, "k": np.int64([2])}, opset=11, gradient=("x",))


def test_top_k_of_first_versions(agrees: Checked) -> None:
    agrees(helper.make_node("TopK", ["x"], ["v", "i"], k=3, axis=1), {"x": X}, opset=7, gradient=("x",))
    agrees(helper.make_node("TopK", ["x", "k"], ["v", "i"], axis=0), {"x": X, "k": np.int64([2])}, opset=10)


@pytest.mark.parametrize("largest", [0, 1])
def test_first_of_equal_elements_comes_first(agrees: Checked, largest: int) -> None:
    x = RNG.integers(0, 3, size=(4, 40)).astype(np.float32)
    node = helper.make_node("TopK", ["x", "k"], ["v", "i"], largest=largest)
    agrees(node, {"x": x, "k": np.int64([30])}, opset=11)


def test_unsorted_top_k_holds_the_same_elements(converted: Checked) -> None:
    node = helper.make_node("TopK", ["x", "k"], ["v", "i"], sorted=0, axis=1)
    values, _ = converted(node, {"x": X, "k": np.int64([2])}, opset=11)
    np.testing.assert_array_equal(np.sort(values.numpy(), 1), np.sort(X, 1)[:, -2:])


@pytest.mark.parametrize("x", [np.float32([[0, 2], [3, 0]]), np.float32(3), np.float32(0), np.zeros((2, 2), np.int64)])
def test_indices_of_what_is_not_zero(agrees: Checked, x: Any) -> None:
    agrees(helper.make_node("NonZero", ["x"], ["y"]), {"x": np.asarray(x)}, opset=13)


@pytest.mark.parametrize(("axis", "count"), [(None, 4), (1, 4), (-2, 5), (0, 2)])
def test_compress(agrees: Checked, axis: int | None, count: int) -> None:
    given = {} if axis is None else {"axis": axis}
    feeds = {"x": X, "c": np.arange(count) % 2 == 1}
    agrees(helper.make_node("Compress", ["x", "c"], ["y"], **given), feeds, opset=11, gradient=("x",))


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("in_order", [0, 1])
def test_unique(agrees: Checked, axis: int | None, in_order: int) -> None:
    x = RNG.integers(0, 2, size=(6, 2)).astype(np.float32)
    given = {} if axis is None else {"axis": axis}
    node = helper.make_node("Unique", ["x"], ["y", "i", "v", "c"], sorted=in_order, **given)
    agrees(node, {"x": x}, opset=11)


@pytest.mark.parametrize("axis", [-1, 0, 1, -2])
@pytest.mark.parametrize("opset", [9, 11])
def test_one_hot(agrees: Checked, axis: int, opset: int) -> None:
    feeds = {"i": np.int64([[-1, 0, 5], [2, -4, 3]]), "d": np.array(4, np.int64), "v": np.float32([-1, 2])}
    agrees(helper.make_node("OneHot", ["i", "d", "v"], ["y"], axis=axis), feeds, opset=opset, gradient=("v",))


@pytest.mark.parametrize("opset", [7, 9, 10, 12, 13, 22])
def test_dropout_does_nothing(agrees: Checked, opset: int) -> None:
    agrees(helper.make_node("Dropout", ["x"], ["y", "m"]), {"x": X}, opset=opset, gradient=("x",))
    agrees(helper.make_node("Dropout", ["x"], ["y"]), {"x": X}, opset=opset)


def test_dropout_of_first_versions(converted: Checked) -> None:
    found = converted(helper.make_node("Dropout", ["x"], ["y"], is_test=1), {"x": X}, opset=6)
    np.testing.assert_array_equal(found.numpy(), X)
    with pytest.raises(NotImplementedError, match="is_test"):
        converted(helper.make_node("Dropout", ["x"], ["y"]), {"x": X}, opset=6)


def test_dropout_in_training_is_refused(converted: Checked) -> None:
    node = helper.make_node("Dropout", ["x", "r", "t"], ["y"])
    feeds = {"x": X, "r": np.array(0.5, np.float32), "t": np.array(True)}
    with pytest.raises(NotImplementedError, match="training_mode"):
        converted(node, feeds, opset=13)
    np.testing.assert_array_equal(converted(node, feeds | {"t": np.array(False)}, opset=13).numpy(), X)
    np.testing.assert_array_equal(converted(node, feeds | {"r": np.array(0, np.float32)}, opset=13).numpy(), X)
