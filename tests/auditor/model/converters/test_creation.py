"""Constants, fillings, diagonals and ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

Agrees = Callable[..., list[Any]]
Converted = Callable[..., Any]
Y = helper.make_tensor("v", TensorProto.FLOAT, [2, 2], [1, 2, 3, 4])


@pytest.mark.parametrize(
    "given",
    [{"value": Y}, {"value_float": 2.5}, {"value_floats": [1.5, -2.0]}, {"value_int": 7}, {"value_ints": [3, 1, 2]}],
)
def test_constant(agrees: Agrees, converted: Converted, given: dict[str, Any]) -> None:
    nodes = [
        helper.make_node("Constant", [], ["c"], **given),
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT if "int" not in next(iter(given)) else 7),
        helper.make_node("Add", ["f", "c"], ["y"]),
    ]
    agrees(nodes, {"x": np.zeros(1, np.int64)}, opset=13)


def test_constant_reads_a_sparse_tensor(converted: Converted) -> None:
    values = helper.make_tensor("v", TensorProto.FLOAT, [2], [5.0, 6.0])
    for indices in ([[0, 1], [1, 2]], [1, 5]):
        at = helper.make_tensor("i", TensorProto.INT64, np.shape(indices), np.ravel(indices).tolist())
        sparse = helper.make_sparse_tensor(values, at, [2, 3])
        found = converted(helper.make_node("Constant", [], ["c"], sparse_value=sparse), {}, opset=13)
        assert found.tolist() == [[0, 5, 0], [0, 0, 6]]


def test_constant_of_strings_is_refused(converted: Converted) -> None:
    with pytest.raises(NotImplementedError, match="strings"):
        converted(helper.make_node("Constant", [], ["c"], value_string="a"), {}, opset=13)


@pytest.mark.parametrize("value", [None, ("FLOAT16", 1.5), ("INT64", -3), ("BOOL", True)])
def test_constant_of_shape(agrees: Agrees, value: tuple[str, Any] | None) -> None:
    given = {} if value is None else {"value": helper.make_tensor("v", getattr(TensorProto, value[0]), [1], [value[1]])}
    node = helper.make_node("ConstantOfShape", ["s"], ["y"], **given)
    agrees(node, {"s": np.array([3, 0, 2][: 1 if value else 3], np.int64)}, opset=9)
    (scalar,) = agrees(node, {"s": np.array([], np.int64)}, opset=9)
    assert scalar.shape == ()


@pytest.mark.parametrize("k", [0, 2, -1])
def test_eye_like(agrees: Agrees, k: int) -> None:
    node = helper.make_node("EyeLike", ["x"], ["y"], k=k, dtype=TensorProto.INT64)
    agrees(node, {"x": np.zeros((3, 4), np.float32)}, opset=9)


def scalar(value: float, kind: Any) -> Any:
    return np.array(value, kind)


@pytest.mark.parametrize(
    "bounds, kind",
    [
        ((0, 7, 2), np.int64), ((7, 0, -2), np.int32), ((3, 3, 1), np.int64), ((5, 1, 1), np.int64),
        ((0.0, 1.0, 0.1), np.float32), ((1.0, -1.0, -0.3), np.float64), ((2.0, 1.0, 0.5), np.float32),
    ],
)  # fmt: skip
def test_range(agrees: Agrees, bounds: tuple[float, float, float], kind: Any) -> None:
    feeds = {name: scalar(value, kind) for name, value in zip("abc", bounds, strict=True)}
    agrees(helper.make_node("Range", ["a", "b", "c"], ["y"]), feeds, opset=11)


def test_range_of_half_precision_counts_in_single(converted: Converted) -> None:
    feeds = {name: scalar(value, np.float16) for name, value in zip("abc", (2040, 2060, 1), strict=True)}
    found = converted(helper.make_node("Range", ["a", "b", "c"], ["y"]), feeds, opset=27)
    assert found.dtype == torch.float16
    assert found.tolist() == np.arange(2040, 2060).astype(np.float16).tolist()
    with pytest.raises(NotImplementedError, match="stash_type"):
        converted(helper.make_node("Range", ["a", "b", "c"], ["y"], stash_type=10), feeds, opset=27)


@pytest.mark.parametrize("kind", ["BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2", "INT4", "UINT4", "UINT16", "UINT64"])
def test_constant_holds_the_values_of_every_number_type(converted: Converted, kind: str) -> None:
    value = helper.make_tensor("v", getattr(TensorProto, kind), [3], [0, 1, 4])
    assert converted(helper.make_node("Constant", [], ["c"], value=value), {}, opset=21).tolist() == [0, 1, 4]
