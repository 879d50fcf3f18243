"""Operators that make tensors out of nothing but attributes, shapes and bounds.

Sources: the operators' definitions in the ONNX specification.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from onnx import SparseTensorProto, TensorProto
from torch import Tensor

from geoaudit.model.converters.casting import torch_type
from geoaudit.model.converters.operator import ints, operator, to_tensor


@operator("Constant")
def constant(
    *, value: Tensor | None = None, sparse_value: SparseTensorProto | None = None,
    value_float: float | None = None, value_floats: Sequence[float] | None = None,
    value_int: int | None = None, value_ints: Sequence[int] | None = None,
    value_string: str | None = None, value_strings: Sequence[str] | None = None,
) -> Tensor:  # fmt: skip
    """The tensor in the one attribute that is given; all but `value` are made on torch's default device.

    Raises:
        NotImplementedError: it is a string.
    """
    if value is not None:
        return value
    if sparse_value is not None:
        return _dense(sparse_value)
    floats = value_floats if value_float is None else value_float
    if floats is not None:
        return torch.tensor(floats, dtype=torch.float32)
    integers = value_ints if value_int is None else value_int
    if integers is not None:
        return torch.tensor(integers, dtype=torch.int64)
    raise NotImplementedError("a Constant of strings")


def _dense(sparse: SparseTensorProto) -> Tensor:
    values, indices = to_tensor(sparse.values), to_tensor(sparse.indices)
    shape = tuple(sparse.dims)
    if indices.dim() == 1:  # positions in the flattened tensor
        return values.new_zeros(math.prod(shape)).index_put((indices,), values).reshape(shape)
    return values.new_zeros(shape).index_put(indices.unbind(1), values)


@operator("ConstantOfShape")
def constant_of_shape(shape: Tensor, *, value: Tensor | None = None) -> Tensor:
    """A tensor of that shape filled with `value`, of one element; float32 zeros without it."""
    if value is None:
        return torch.zeros(ints(shape), dtype=torch.float32, device=shape.device)
    return value.reshape(()).expand(ints(shape))


@operator("EyeLike")
def eye_like(x: Tensor, *, dtype: int | None = None, k: int = 0) -> Tensor:
    """Ones on the `k`-th diagonal of a matrix like `x`, zeros elsewhere; of the type of `x` unless `dtype` is given."""
    rows, columns = x.shape
    row = torch.arange(rows, device=x.device).unsqueeze(1)
    column = torch.arange(columns, device=x.device)
    return (column - row == k).to(x.dtype if dtype is None else torch_type(dtype))


@operator("Range")
def range_between(start: Tensor, limit: Tensor, delta: Tensor, *, stash_type: int = TensorProto.FLOAT) -> Tensor:
    """`start`, `start + delta`, ... up to `limit`, exclusive; the 16-bit types count in float32.

    onnxruntime adds `delta` up instead of multiplying: in float32 it drifts by 3e-5 over 3000 steps of 0.1.

    Raises:
        NotImplementedError: 16-bit numbers are to be counted in another type.
    """
    kind = start.dtype
    if kind in (torch.float16, torch.bfloat16):
        if stash_type != TensorProto.FLOAT:
            raise NotImplementedError(f"Range with stash_type {stash_type}")
        start, limit, delta = start.float(), limit.float(), delta.float()
    if kind.is_floating_point:
        count = math.ceil((limit - start).item() / delta.item())
    else:
        count = -(int(limit - start) // -int(delta))
    steps = torch.arange(max(0, count), device=start.device, dtype=start.dtype)
    return (start.reshape(()) + steps * delta.reshape(())).to(kind)
