"""Element types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

Agrees = Callable[..., list[Any]]
Converted = Callable[..., Any]
VALUES = np.array([[-2.7, -1.0, -0.4, 0.0], [0.6, 1.0, 2.5, 100.9]])
KINDS = ["FLOAT", "DOUBLE", "FLOAT16", "INT8", "INT16", "INT32", "INT64", "BOOL"]


@pytest.mark.parametrize("opset", [7, 13, 21])
@pytest.mark.parametrize("source", [np.float16, np.float32, np.float64, np.int64, np.bool_])
def test_cast_between_types(agrees: Agrees, source: Any, opset: int) -> None:
    x = VALUES.astype(source)
    nodes = [helper.make_node("Cast", ["x"], [kind], to=getattr(TensorProto, kind)) for kind in KINDS]
    nodes.append(helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT32))
    for node in nodes:
        agrees(node, {"x": x}, opset=opset)


@pytest.mark.parametrize("kind", ["UINT8", "UINT16", "UINT32", "INT8", "INT16", "INT32"])
def test_cast_of_integers_drops_the_high_bits(agrees: Agrees, kind: str) -> None:
    x = np.array([-1, 0, 200, 70000, 2**40 + 3], np.int64)
    agrees(helper.make_node("Cast", ["x"], ["y"], to=getattr(TensorProto, kind)), {"x": x}, opset=13)


def test_cast_out_of_range_is_infinite(agrees: Agrees) -> None:
    x = np.array([1e6, -1e6, 65503.0, np.nan, np.inf], np.float32)
    agrees(helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT16), {"x": x}, opset=13)


@pytest.mark.parametrize("kind", KINDS)
def test_cast_gives_the_type(converted: Converted, kind: str) -> None:
    found = converted(
        helper.make_node("Cast", ["x"], ["y"], to=getattr(TensorProto, kind)), {"x": VALUES[1].astype(np.float32)}
    )
    assert found.numpy().dtype == helper.tensor_dtype_to_np_dtype(getattr(TensorProto, kind))


def test_cast_to_bfloat16(converted: Converted) -> None:
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)
    assert converted(node, {"x": np.float32([1.00390625])}).dtype == torch.bfloat16


@pytest.mark.parametrize("kind", ["FLOAT8E4M3FN", "FLOAT8E5M2", "INT4", "UINT4", "STRING"])
def test_cast_that_rounds_to_what_torch_lacks_is_refused(converted: Converted, kind: str) -> None:
    with pytest.raises(NotImplementedError, match=kind):
        converted(
            helper.make_node("Cast", ["x"], ["y"], to=getattr(TensorProto, kind)), {"x": np.float32([1])}, opset=21
        )


def test_cast_between_floats_passes_the_gradient(converted: Converted) -> None:
    for kind, passes in ((TensorProto.DOUBLE, True), (TensorProto.FLOAT16, True), (TensorProto.INT32, False)):
        x = torch.ones(3, requires_grad=True)
        found = converted(helper.make_node("Cast", ["x"], ["y"], to=kind), {"x": x})
        assert found.requires_grad is passes
        if passes:
            found.sum().backward()
            assert x.grad is not None
            assert x.grad.tolist() == [1, 1, 1]


@pytest.mark.parametrize("opset", [15, 19, 21])
def test_cast_like(agrees: Agrees, opset: int) -> None:
    node = helper.make_node("CastLike", ["x", "t"], ["y"])
    for kind in (np.float64, np.int32, np.bool_, np.float16):
        agrees(node, {"x": VALUES.astype(np.float32), "t": np.zeros(1, kind)}, opset=opset)


@pytest.mark.parametrize(
    "source, kind", [(np.float32, "UINT32"), (np.float64, "INT64"), (np.float16, "UINT16"), (np.int64, "DOUBLE")]
)
def test_bits_are_read_as_another_type(converted: Converted, source: Any, kind: str) -> None:
    x = VALUES.astype(source)
    found = converted(helper.make_node("BitCast", ["x"], ["y"], to=getattr(TensorProto, kind)), {"x": x}, opset=26)
    expected = x.view(helper.tensor_dtype_to_np_dtype(getattr(TensorProto, kind)))
    np.testing.assert_array_equal(found.numpy(), expected)
