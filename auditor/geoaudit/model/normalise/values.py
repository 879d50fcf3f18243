"""Whole-number tensors, such as shapes, as far as they are known without an image.

A value is a numpy array of dtype object: an int where the number is known, None where it is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from geoaudit.model import graph

Value = npt.NDArray[np.object_]
Dims = Sequence[int | None]
_INTEGERS = (TensorProto.INT64, TensorProto.INT32)
_LARGEST = 1024


def initial(proto: ModelProto) -> dict[str, Value]:
    """The small whole-number initializers of the main graph."""
    return {
        tensor.name: numpy_helper.to_array(tensor).astype(object)
        for tensor in proto.graph.initializer
        if tensor.data_type in _INTEGERS and math.prod(tensor.dims) <= _LARGEST
    }


def evaluate(node: NodeProto, values: dict[str, Value], dims: Dims | None) -> Value | None:
    """The value of the node's first output; None if the operator is no arithmetic of shapes or an input is unknown.

    Args:
        node: a node of the default domain, any operator set version.
        values: what is known of its inputs.
        dims: sizes of its first input, None for unknown ones; None if even the rank is unknown.
    """
    function = _FUNCTIONS.get(node.op_type)
    if function is None or node.domain:
        return None
    if node.op_type in ("Shape", "Size"):
        return None if dims is None else function(node, np.array(list(dims), dtype=object))
    inputs = [values.get(name) if name else None for name in node.input]
    if inputs[0] is None or any(v is None for v, name in zip(inputs, node.input, strict=True) if name):
        return None
    try:
        result = np.asarray(function(node, *inputs), dtype=object)
    except (TypeError, ValueError, IndexError):  # a position or an axis is unknown, or the graph is wrong
        return None
    return result if result.size <= _LARGEST else None


def known(value: Value) -> bool:
    """Whether every number is known."""
    return all(v is not None for v in value.flat)


def _shape(node: NodeProto, dims: Value) -> Value:
    return dims[graph.attribute(node, "start", 0) : graph.attribute(node, "end", len(dims))]


def _size(_: NodeProto, dims: Value) -> Value:
    return np.array(math.prod(dims) if known(dims) else None, dtype=object)


def _gather(node: NodeProto, data: Value, indices: Value) -> Value:
    return np.take(data, indices.astype(np.int64), axis=graph.attribute(node, "axis", 0))


def _concat(node: NodeProto, *parts: Value) -> Value:
    return np.concatenate(parts, axis=graph.attribute(node, "axis", 0))


def _slice(node: NodeProto, data: Value, *rest: Value) -> Value:
    attributes = [graph.attribute(node, name) for name in ("starts", "ends", "axes")]
    starts, ends, axes, steps = (*(rest or attributes), None, None)[:4]
    index = [slice(None)] * data.ndim
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = i if axes is None else int(axes[i])
        index[axis] = slice(int(start), int(end), 1 if steps is None else int(steps[i]))
    return data[tuple(index)]


def _axes(node: NodeProto, given: Value | None) -> list[int]:
    return [int(a) for a in (given if given is not None else graph.attribute(node, "axes", ()))]


def _unsqueeze(node: NodeProto, data: Value, axes: Value | None = None) -> Value:
    return np.expand_dims(data, tuple(_axes(node, axes)))


def _squeeze(node: NodeProto, data: Value, axes: Value | None = None) -> Value:
    return np.squeeze(data, tuple(_axes(node, axes)) or None)


def _reshape(_: NodeProto, data: Value, shape: Value) -> Value:
    return data.reshape([int(s) for s in shape])


def _cast(node: NodeProto, data: Value) -> Value:
    if graph.attribute(node, "to") not in _INTEGERS:
        raise ValueError
    return data


def _elementwise(function: Callable[[int, int], int]) -> Callable[..., Any]:
    def apply(a: int | None, b: int | None) -> int | None:
        return None if a is None or b is None else function(a, b)

    return lambda _, a, b: np.frompyfunc(apply, 2, 1)(a, b)


def _divide(a: int, b: int) -> int:
    if b == 0:
        raise ValueError
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _modulo(a: int, b: int) -> int:
    return a - b * (a // b) if b else _divide(a, b)


def _truncated(a: int, b: int) -> int:
    return a - b * _divide(a, b)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Shape": _shape,
    "Size": _size,
    "Gather": _gather,
    "Concat": _concat,
    "Slice": _slice,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Cast": _cast,
    "Identity": lambda _, data: data,
    "Add": _elementwise(lambda a, b: a + b),
    "Sub": _elementwise(lambda a, b: a - b),
    "Mul": _elementwise(lambda a, b: a * b),
    "Div": _elementwise(_divide),
    "Mod": lambda node, a, b: _elementwise(_truncated if graph.attribute(node, "fmod", 0) else _modulo)(node, a, b),
    "Max": _elementwise(max),
    "Min": _elementwise(min),
}
