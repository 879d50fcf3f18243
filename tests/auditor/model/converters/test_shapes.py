"""Operators that change a tensor's shape, or read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from geoaudit.model.converters import definitions

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 1, 6)).astype(np.float32)
Agrees = Callable[..., list[Any]]


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    "op", ["Shape", "Size", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile", "Concat",
           "Split", "Identity", "Slice", "Gather", "Pad", "Cast"],
)  # fmt: skip
def test_every_version_is_converted_here(op: str) -> None:
    from geoaudit.model.converters.operator import versions

    ours = {version for domain, name, version in definitions() if (domain, name) == ("", op)}
    assert ours >= set(versions("", op))


@pytest.mark.parametrize("start, end", [(None, None), (1, None), (-2, None), (0, -1), (-9, 9), (3, 1)])
def test_shape_reads_part_of_the_axes(agrees: Agrees, start: int | None, end: int | None) -> None:
    limits = {k: v for k, v in {"start": start, "end": end}.items() if v is not None}
    (found,) = agrees(helper.make_node("Shape", ["x"], ["y"], **limits), {"x": X}, opset=21)
    assert found.dtype == np.int64


def test_size_counts_elements(agrees: Agrees) -> None:
    agrees(helper.make_node("Size", ["x"], ["y"]), {"x": X}, opset=13)


@pytest.mark.parametrize("opset", [7, 13, 14, 21, 23])
@pytest.mark.parametrize("shape", [(0, -1), (3, 0, 6, 1), (2, -1, 0), (-1,)])
def test_reshape_copies_and_works_out(agrees: Agrees, opset: int, shape: tuple[int, ...]) -> None:
    x = X.reshape(3, 4, 6)
    if shape == (2, -1, 0):
        shape = (0, 2, -1)
    agrees(helper.make_node("Reshape", ["x", "s"], ["y"]), {"x": x, "s": ints(*shape)}, opset=opset, gradient=("x",))


def test_reshape_takes_zero_literally_if_told(agrees: Agrees) -> None:
    node = helper.make_node("Reshape", ["x", "s"], ["y"], allowzero=1)
    agrees(node, {"x": np.zeros((0, 3), np.float32), "s": ints(3, 0)}, opset=14)


@pytest.mark.parametrize("axis, opset", [(None, 9), (0, 9), (4, 9), (2, 9), (-1, 11), (-4, 13), (-3, 21)])
def test_flatten(agrees: Agrees, axis: int | None, opset: int) -> None:
    given = {} if axis is None else {"axis": axis}
    agrees(helper.make_node("Flatten", ["x"], ["y"], **given), {"x": X}, opset=opset, gradient=("x",))


def test_flatten_an_empty_batch(agrees: Agrees) -> None:
    agrees(helper.make_node("Flatten", ["x"], ["y"]), {"x": X[:0]}, opset=13)


@pytest.mark.parametrize("axes", [[2], [0, 2], None])
@pytest.mark.parametrize("opset", [7, 11, 13, 21])
def test_squeeze(agrees: Agrees, axes: list[int] | None, opset: int) -> None:
    x = X[:1]
    if opset < 13:
        node = helper.make_node("Squeeze", ["x"], ["y"], **({"axes": axes} if axes else {}))
        agrees(node, {"x": x}, opset=opset, gradient=("x",))
    elif axes:
        node = helper.make_node("Squeeze", ["x", "a"], ["y"])
        agrees(node, {"x": x, "a": ints(*(a - 4 for a in axes))}, opset=opset, gradient=("x",))
    else:
        agrees(helper.make_node("Squeeze", ["x"], ["y"]), {"x": x}, opset=opset)


def test_squeeze_refuses_an_axis_that_is_not_of_size_one(converted: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="not all of size 1"):
        converted(helper.make_node("Squeeze", ["x"], ["y"], axes=[0]), {"x": X}, opset=11)


@pytest.mark.parametrize("axes, opset", [([0, 3], 7), ([5, 0], 11), ([-1, 1], 13), ([-6, -2], 21)])
def test_unsqueeze(agrees: Agrees, axes: list[int], opset: int) -> None:
    if opset < 13:
        agrees(helper.make_node("Unsqueeze", ["x"], ["y"], axes=axes), {"x": X}, opset=opset, gradient=("x",))
    else:
        node = helper.make_node("Unsqueeze", ["x", "a"], ["y"])
        agrees(node, {"x": X, "a": ints(*axes)}, opset=opset, gradient=("x",))


@pytest.mark.parametrize("perm", [None, [0, 2, 3, 1], [3, 0, 1, 2]])
def test_transpose(agrees: Agrees, perm: list[int] | None) -> None:
    node = helper.make_node("Transpose", ["x"], ["y"], **({"perm": perm} if perm else {}))
    agrees(node, {"x": X}, opset=21, gradient=("x",))


@pytest.mark.parametrize("shape", [(3, 1, 5, 1), (5, 1), (1,), (2, 3, 4, 7, 6)])
def test_expand_broadcasts_both_ways(agrees: Agrees, shape: tuple[int, ...]) -> None:
    node = helper.make_node("Expand", ["x", "s"], ["y"])
    agrees(node, {"x": X, "s": ints(*shape)}, opset=8, gradient=("x",))


@pytest.mark.parametrize("repeats", [(1, 2, 3, 1), (0, 1, 1, 1)])
def test_tile(agrees: Agrees, repeats: tuple[int, ...]) -> None:
    feeds = {"x": X, "r": ints(*repeats)}
    agrees(helper.make_node("Tile", ["x", "r"], ["y"]), feeds, opset=13, gradient=("x",) if repeats[0] else ())


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int64, np.bool_])
def test_concat_keeps_the_type(agrees: Agrees, kind: Any) -> None:
    feeds = {"a": X.astype(kind), "b": X[:, :2].astype(kind)}
    agrees(helper.make_node("Concat", ["a", "b", "a"], ["y"], axis=-3), feeds, opset=11)


def test_concat_passes_gradients(agrees: Agrees) -> None:
    node = helper.make_node("Concat", ["a", "b"], ["y"], axis=2)
    agrees(node, {"a": X, "b": X + 1}, opset=7, gradient=("a", "b"))


@pytest.mark.parametrize("opset", [7, 11])
def test_split_by_attribute(agrees: Agrees, opset: int) -> None:
    node = helper.make_node("Split", ["x"], ["a", "b", "c"], axis=3, split=[1, 3, 2])
    agrees(node, {"x": X}, opset=opset, gradient=("x",))
    agrees(helper.make_node("Split", ["x"], ["a", "b"], axis=1), {"x": X}, opset=opset)


@pytest.mark.parametrize("opset", [13, 18])
def test_split_by_input(agrees: Agrees, opset: int) -> None:
    node = helper.make_node("Split", ["x", "s"], ["a", "b", "c"], axis=-1)
    agrees(node, {"x": X, "s": ints(2, 0, 4)}, opset=opset, gradient=("x",))


def test_split_into_a_number_of_parts(agrees: Agrees) -> None:
    node = helper.make_node("Split", ["x"], ["a", "b", "c", "d"], axis=0, num_outputs=4)
    agrees(node, {"x": RNG.normal(size=(10, 2)).astype(np.float32)}, opset=18, gradient=("x",))
    agrees(helper.make_node("Split", ["x"], ["a", "b"], num_outputs=2), {"x": X}, opset=18)


def test_split_into_one_part(agrees: Agrees) -> None:
    agrees(helper.make_node("Split", ["x"], ["a"], num_outputs=1), {"x": X}, opset=18, gradient=("x",))


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.INT64])
def test_identity(agrees: Agrees, kind: int) -> None:
    x = X.astype(helper.tensor_dtype_to_np_dtype(kind))
    agrees(helper.make_node("Identity", ["x"], ["y"]), {"x": x}, opset=19)
