"""Quantised arithmetic with straight-through gradients, in floating-point tensors of whole numbers.

Integer tensors carry no gradient in torch, so a quantised tensor travels from node to node as floats that hold the
integers.  The value is the quantised one; the gradient passes over rounding as if it were the identity (Bengio,
Leonard and Courville 2013, arXiv:1308.3432) and is zero where a value was clipped to the representable range.
"""

from __future__ import annotations

from typing import Any

import torch
from onnx import TensorProto
from torch import Tensor

EXACT = 2**24
"""Whole numbers up to here are exact in float32."""
Range = tuple[int, int]

_OF_ZERO_POINT: dict[torch.dtype, Range] = {
    torch.uint8: (0, 2**8 - 1),
    torch.int8: (-(2**7), 2**7 - 1),
    torch.int16: (-(2**15), 2**15 - 1),
    torch.uint16: (0, 2**16 - 1),
    torch.int64: (0, 2**16 - 1),  # ONNX allows no 64-bit zero point; uint16 initializers are held so
}
_OF_TYPE: dict[int, Range] = {
    TensorProto.UINT8: (0, 2**8 - 1),
    TensorProto.INT8: (-(2**7), 2**7 - 1),
    TensorProto.UINT16: (0, 2**16 - 1),
    TensorProto.INT16: (-(2**15), 2**15 - 1),
    TensorProto.UINT4: (0, 2**4 - 1),
    TensorProto.INT4: (-(2**3), 2**3 - 1),
}


class _Saturate(torch.autograd.Function):
    """Clipping of whole numbers; half a step beyond the limits nothing lies, so the mask there is that of both."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, limits: Range) -> Tensor:
        return x.clamp(*limits)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, (least, most) = inputs
        ctx.bounds = (least - 0.5, most + 0.5)
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return torch.ops.aten.hardtanh_backward(gradients[0], ctx.saved_tensors[0], *ctx.bounds), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return torch.ops.aten.hardtanh_backward(tangents[0], ctx.saved_tensors[0], *ctx.bounds)  # type: ignore[no-any-return]


class _Round(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:
        return tangents[0].view_as(tangents[0])


def round_through(x: Tensor) -> Tensor:
    """`x` rounded half to even, with the gradient of the identity."""
    return _Round.apply(x)  # type: ignore[no-any-return]


def clip_through(x: Tensor, limits: Range) -> Tensor:
    """Whole numbers clipped, with gradient 0 beyond the limits and 1 up to and on them, where torch.clamp gives 0.

    Quantised numbers sit on a limit often: all that is near zero does after a ReLU.
    """
    return _Saturate.apply(x, limits)  # type: ignore[no-any-return]


def wide(tensor: Tensor) -> torch.dtype:
    """The type that onnxruntime computes quantisation in: float32, also for 16-bit floats (float64 for float64)."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def range_of(zero_point: Tensor | None, output_dtype: int = 0) -> Range:
    """Smallest and largest number of the quantised type.

    Args:
        zero_point: of that type, or None for uint8.
        output_dtype: the type as ONNX numbers it; 0 leaves it to the zero point.

    Raises:
        NotImplementedError: 8-bit and 4-bit floats, or a smaller integer type that only the zero point names.
    """
    if output_dtype:
        if output_dtype not in _OF_TYPE:
            raise NotImplementedError(f"quantisation to {TensorProto.DataType.Name(output_dtype)}")
        return _OF_TYPE[output_dtype]
    kind = torch.uint8 if zero_point is None else zero_point.dtype
    if kind not in _OF_ZERO_POINT:
        raise NotImplementedError("quantisation to a 4-bit or floating-point type")
    return _OF_ZERO_POINT[kind]


def saturate(x: Tensor, zero_point: Tensor | None, limits: Range) -> Tensor:
    """`x`, already divided by its scale, rounded, moved by the zero point and clipped to `limits`."""
    rounded = round_through(x)
    if zero_point is not None:
        rounded = rounded + zero_point.to(x.dtype)
    return clip_through(rounded, limits)


def quantise(x: Tensor, scale: Tensor, zero_point: Tensor | None, limits: Range | None = None) -> Tensor:
    """Whole numbers of the zero point's type (uint8 without one) as float32, or float64 from float64."""
    kind = torch.promote_types(wide(x), wide(scale))
    return saturate(x.to(kind) / scale.to(kind), zero_point, limits or range_of(zero_point))


def centred(x: Tensor, zero_point: Tensor | None, kind: torch.dtype) -> Tensor:
    """`x`, integers or floats holding them, less its zero point, in floating-point type `kind`."""
    return x.to(kind) if zero_point is None else x.to(kind) - zero_point.to(kind)


def dequantise(x: Tensor, scale: Tensor, zero_point: Tensor | None) -> Tensor:
    """The real numbers that quantised `x` stands for, as float32 (float64 from a float64 scale)."""
    kind = wide(scale)
    return centred(x, zero_point, kind) * scale.to(kind)


def accumulator(weight: Tensor, terms: tuple[int, ...], kind: torch.dtype) -> torch.dtype:
    """The floating-point type in which sums of products with 8-bit numbers stay exact.

    Args:
        weight: whole numbers, zero point taken off.
        terms: axes of `weight` that are summed over.
        kind: the type to use if it suffices.
    """
    above = weight.clamp(min=0).sum(terms, dtype=torch.float64)
    below = above - weight.sum(terms, dtype=torch.float64)
    largest = torch.maximum(above, below).amax() * 255  # whatever the zero point, a number has 256 values
    return kind if kind == torch.float64 or largest < EXACT else torch.float64


def along(parameter: Tensor, axis: int, rank: int) -> Tensor:
    """A scale or zero point of one number, or of one for each index along `axis`, to broadcast over `rank` axes."""
    if parameter.numel() == 1:
        return parameter.reshape(())
    shape = [1] * rank
    shape[axis] = -1
    return parameter.reshape(shape)


def blocked(parameter: Tensor, axis: int, block_size: int, size: int) -> Tensor:
    """A scale or zero point of one number for each `block_size` indices along `axis`, repeated to `size` of them."""
    return parameter.repeat_interleave(block_size, dim=axis).narrow(axis, 0, size)
