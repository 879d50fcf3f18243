"""Element types: Cast and its like.

torch computes with few unsigned types, so uint16, uint32 and uint64 are held as int64; float8 and the types below
8 bits are held in wider ones, which is enough to read them but not to round to them.  Between floating-point types the
gradient passes; a cast to integers or booleans is a step function and stops it.

Sources: the operators' definitions in the ONNX specification.
"""

from __future__ import annotations

import torch
from onnx import TensorProto
from torch import Tensor

from geoaudit.model.converters.operator import operator

_TYPES: dict[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.INT8: torch.int8,
    TensorProto.INT16: torch.int16,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.UINT8: torch.uint8,
    TensorProto.UINT16: torch.int64,
    TensorProto.UINT32: torch.int64,
    TensorProto.UINT64: torch.int64,
    TensorProto.BOOL: torch.bool,
    TensorProto.COMPLEX64: torch.complex64,
    TensorProto.COMPLEX128: torch.complex128,
}
_MASKS: dict[int, int] = {TensorProto.UINT16: 0xFFFF, TensorProto.UINT32: 0xFFFFFFFF}
_SIGNED = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_WIDTHS: dict[int, int] = {TensorProto.UINT16: 2, TensorProto.UINT32: 4, TensorProto.UINT64: 8}


def torch_type(to: int) -> torch.dtype:
    """The torch type that holds an ONNX element type, given by its number in `TensorProto.DataType`.

    Raises:
        NotImplementedError: strings, float8 and types below 8 bits.
    """
    if to not in _TYPES:
        known = to in TensorProto.DataType.values()
        raise NotImplementedError(f"element type {TensorProto.DataType.Name(to) if known else to}")
    return _TYPES[to]


@operator("Cast")
def cast(x: Tensor, *, to: int | str, saturate: int = 1, round_mode: str = "up") -> Tensor:
    """`x` in the element type `to`, a number or, in version 1, a name.

    Floats lose their fraction on the way to integers, integers their high bits; `saturate` and `round_mode` concern
    float8 alone.

    Raises:
        NotImplementedError: to strings, float8 and types below 8 bits.
    """
    kind = TensorProto.DataType.Value(to) if isinstance(to, str) else to
    made = x.to(torch_type(kind))
    return made & _MASKS[kind] if kind in _MASKS else made


@operator("CastLike")
def cast_like(x: Tensor, target: Tensor, *, saturate: int = 1, round_mode: str = "up") -> Tensor:
    """`x` in the element type that holds `target`."""
    return x.to(target.dtype)


@operator("BitCast")
def bit_cast(x: Tensor, *, to: int) -> Tensor:
    """The bits of `x` read as numbers of another type of the same width.

    Raises:
        NotImplementedError: to strings, float8 and types below 8 bits.
    """
    kind = torch_type(to)
    width = _WIDTHS.get(to, kind.itemsize)
    if x.dtype == torch.int64:  # perhaps a narrower unsigned type that is held as int64
        x = x.to(_SIGNED[width])
    if to in _WIDTHS:
        made = x.view(_SIGNED[width]).to(torch.int64)
        return made & _MASKS[to] if to in _MASKS else made
    return x.view(kind)
