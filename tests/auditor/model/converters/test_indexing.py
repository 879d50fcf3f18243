"""Picking and putting elements by index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import helper

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
HUGE = np.iinfo(np.int64).max
Agrees = Callable[..., list[Any]]
Converted = Callable[..., Any]


def whole(*values: Any) -> Any:
    return np.array(values, np.int64)


@pytest.mark.parametrize("axis, indices", [(0, 2), (1, [3, -1, 0]), (-1, [[0, -5], [4, 4]]), (2, [])])
@pytest.mark.parametrize("opset", [7, 13])
def test_gather(agrees: Agrees, axis: int, indices: Any, opset: int) -> None:
    if opset == 7:
        indices = np.array(indices) % X.shape[axis]  # negative ones came with version 11
    feeds = {"x": X, "i": np.array(indices, np.int64)}
    node = helper.make_node("Gather", ["x", "i"], ["y"], axis=axis)
    agrees(node, feeds, opset=opset, gradient=("x",) if np.size(indices) else ())


def test_gather_of_other_types(agrees: Agrees) -> None:
    for kind in (np.int64, np.bool_, np.float16, np.uint8):
        agrees(
            helper.make_node("Gather", ["x", "i"], ["y"]),
            {"x": (X * 3 > 0).astype(kind), "i": np.array([1, 0], np.int32)},
            opset=13,
        )


@pytest.mark.parametrize("opset", [11, 13])
def test_gather_elements(agrees: Agrees, opset: int) -> None:
    for axis, size in ((0, 3), (-2, 4), (2, 5)):
        i = RNG.integers(-size, size, size=(2, 4, 3) if axis == 2 else (2, 2, 5))
        node = helper.make_node("GatherElements", ["x", "i"], ["y"], axis=axis)
        agrees(node, {"x": X, "i": i}, opset=opset, gradient=("x",))


@pytest.mark.parametrize(
    "batch_dims, indices",
    [(0, [[0, -1], [2, 3]]), (0, [[[1, 2, 3]], [[-1, 0, 0]]]), (1, [[3], [-1], [0]]), (2, None)],
)
def test_gather_nd(agrees: Agrees, batch_dims: int, indices: Any) -> None:
    i = RNG.integers(0, 5, size=(3, 4, 2, 1)) if indices is None else whole(*indices)
    node = helper.make_node("GatherND", ["x", "i"], ["y"], batch_dims=batch_dims)
    agrees(node, {"x": X, "i": i}, opset=13, gradient=("x",))


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
@pytest.mark.parametrize("axis", [0, -1])
def test_scatter_elements(agrees: Agrees, reduction: str, axis: int) -> None:
    i = whole([[0, 2, -1], [1, 0, 1]]) if reduction == "none" or axis == 0 else whole([[0, 0, 0], [1, -1, 1]])
    i = i.reshape(2, 3, 1) % (3 if axis == 0 else 5)
    i[0] -= 3 if axis == 0 else 5
    u = RNG.normal(size=i.shape).astype(np.float32)
    node = helper.make_node("ScatterElements", ["x", "i", "u"], ["y"], axis=axis, reduction=reduction)
    if reduction == "none":
        i = np.sort(i, axis=0)
    agrees(node, {"x": X, "i": i, "u": u}, opset=18, gradient=("x", "u"))


def test_scatter_by_its_older_names(agrees: Agrees) -> None:
    i, u = whole([[1], [0], [2]]), RNG.normal(size=(1, 3, 1)).astype(np.float32)
    for name, opset in (("Scatter", 9), ("ScatterElements", 11), ("ScatterElements", 16)):
        agrees(helper.make_node(name, ["x", "i", "u"], ["y"], axis=1), {"x": X, "i": i, "u": u}, opset=opset)


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_scatter_nd(agrees: Agrees, reduction: str) -> None:
    repeated = reduction != "none"
    i = whole([[0, 1], [2, -1]], [[0, 1 if repeated else 2], [-1, 0]])
    u = RNG.normal(size=(2, 2, 5)).astype(np.float32)
    node = helper.make_node("ScatterND", ["x", "i", "u"], ["y"], reduction=reduction)
    agrees(node, {"x": X, "i": i, "u": u}, opset=18, gradient=("x", "u"))


@pytest.mark.parametrize("opset", [11, 13])
def test_scatter_nd_of_single_elements(agrees: Agrees, opset: int) -> None:
    feeds = {"x": X, "i": whole([0, 1, 2], [-1, -1, -1]), "u": np.float32([1, 2])}
    agrees(helper.make_node("ScatterND", ["x", "i", "u"], ["y"]), feeds, opset=opset, gradient=("x", "u"))


def test_scatter_of_truth_values_reduces_by_logic(converted: Converted) -> None:
    x, u = np.array([True, False, False]), np.array([False, True])
    for name, i in (("ScatterElements", whole(0, 2)), ("ScatterND", whole([0], [2]))):
        for reduction, expected in (("add", [True, False, True]), ("mul", [False, False, False])):
            node = helper.make_node(name, ["x", "i", "u"], ["y"], reduction=reduction)
            assert converted(node, {"x": x, "i": i, "u": u}, opset=18).tolist() == expected


def test_an_unknown_reduction_is_refused(converted: Converted) -> None:
    node = helper.make_node("ScatterElements", ["x", "i", "u"], ["y"], reduction="mean")
    with pytest.raises(NotImplementedError, match="mean"):
        converted(node, {"x": np.float32([1]), "i": whole(0), "u": np.float32([1])}, opset=18)


@pytest.mark.parametrize("given", [True, False])
def test_tensor_scatter_writes_from_a_place_on(converted: Converted, given: bool) -> None:
    cache, update = np.zeros((2, 4, 3), np.float32), RNG.normal(size=(2, 2, 3)).astype(np.float32)
    feeds = {"x": cache, "u": update} | ({"i": whole(1, 3)} if given else {})
    node = helper.make_node("TensorScatter", list(feeds), ["y"], mode="circular")
    expected = cache.copy()
    for sample, start in enumerate((1, 3) if given else (0, 0)):
        for step in range(2):
            expected[sample, (start + step) % 4] = update[sample, step]
    np.testing.assert_array_equal(converted(node, feeds, opset=24).numpy(), expected)


@pytest.mark.parametrize(
    "starts, ends, axes", [([1], [3], None), ([0, -3], [HUGE, -1], [1, 2]), ([2, 9], [1, 12], [0, 1])]
)
def test_slice_by_attributes(agrees: Agrees, starts: Any, ends: Any, axes: Any) -> None:
    node = helper.make_node("Slice", ["x"], ["y"], starts=starts, ends=ends, **({"axes": axes} if axes else {}))
    agrees(node, {"x": X}, opset=9)


CASES = [
    ([1], [3], None, None),
    ([0, 1], [HUGE, -1], [0, 2], [2, 1]),
    ([-1, 3], [-HUGE - 1, 0], [-1, 1], [-1, -2]),
    ([9], [-9], [2], [-2]),
    ([3], [0], [2], [1]),
    ([0], [3], [2], [-1]),
    ([-9], [-HUGE], [2], [-1]),
    ([0], [5], [2], [HUGE]),
    ([4], [-HUGE], [2], [-HUGE]),
]


@pytest.mark.parametrize("starts, ends, axes, steps", CASES)
@pytest.mark.parametrize("opset", [10, 13])
def test_slice_by_inputs(agrees: Agrees, starts: Any, ends: Any, axes: Any, steps: Any, opset: int) -> None:
    feeds = {"x": X, "s": whole(*starts), "e": whole(*ends)}
    names = ["x", "s", "e"]
    if axes:
        feeds |= {"a": whole(*axes), "t": whole(*steps)}
        names += ["a", "t"]
    agrees(helper.make_node("Slice", names, ["y"]), feeds, opset=opset, gradient=("x",) if opset == 13 else ())


def test_slice_with_steps_and_no_axes(agrees: Agrees) -> None:
    feeds = {"x": X, "s": whole(2, 0), "e": whole(-9, 4), "t": whole(-1, 3)}
    agrees(helper.make_node("Slice", ["x", "s", "e", "", "t"], ["y"]), feeds, opset=13, gradient=("x",))


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [None, -2, 3])
def test_triangles(agrees: Agrees, upper: int, k: int | None) -> None:
    feeds = {"x": X} if k is None else {"x": X, "k": np.array(k, np.int64)}
    agrees(helper.make_node("Trilu", list(feeds), ["y"], upper=upper), feeds, opset=14, gradient=("x",))
