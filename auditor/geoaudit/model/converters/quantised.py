"""Quantisation in the default domain: QuantizeLinear and its inverse, and operators on quantised tensors.

Quantised outputs are floats that hold whole numbers, and gradients are straight-through; see `rounding`.
Half-precision inputs are computed in float32, as onnxruntime does.
"""

from __future__ import annotations

from typing import Any

import torch
from onnx import TensorProto
from torch import Tensor

from geoaudit.model.converters.convolution import conv
from geoaudit.model.converters.operator import STRAIGHT_THROUGH, operator
from geoaudit.model.converters.rounding import (
    accumulator,
    along,
    blocked,
    centred,
    dequantise,
    quantise,
    range_of,
    saturate,
    wide,
)

_FLOATS: dict[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.DOUBLE: torch.float64,
}


def _spread(parameter: Tensor | None, x: Tensor, axis: int, block_size: int) -> Tensor | None:
    if parameter is None:
        return None
    if block_size:
        return blocked(parameter, axis, block_size, x.shape[axis])
    return along(parameter, axis, x.dim())


@operator("QuantizeLinear", note=STRAIGHT_THROUGH)
def quantize_linear(
    x: Tensor, y_scale: Tensor, y_zero_point: Tensor | None = None, *, axis: int = 1, block_size: int = 0,
    output_dtype: int = 0, precision: int = 0, saturate: int = 1,
) -> Tensor:  # fmt: skip
    """round(x / scale) + zero point, clipped to the quantised type.

    `saturate` concerns 8-bit floats, which are refused; whatever the `precision`, onnxruntime divides in float32.
    """
    limits = range_of(y_zero_point, output_dtype)
    scale = _spread(y_scale, x, axis, block_size)
    assert scale is not None
    return quantise(x, scale, _spread(y_zero_point, x, axis, block_size), limits)


@operator("DequantizeLinear")
def dequantize_linear(
    x: Tensor, x_scale: Tensor, x_zero_point: Tensor | None = None, *, axis: int = 1, block_size: int = 0,
    output_dtype: int = 0,
) -> Tensor:  # fmt: skip
    """(x - zero point) * scale, in the scale's type unless `output_dtype` names another."""
    scale = _spread(x_scale, x, axis, block_size)
    assert scale is not None
    kind = _FLOATS[output_dtype] if output_dtype and x_scale.dtype != torch.float64 else x_scale.dtype
    return dequantise(x, scale, _spread(x_zero_point, x, axis, block_size)).to(kind)


@operator("DynamicQuantizeLinear", note=STRAIGHT_THROUGH)
def dynamic_quantize_linear(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """uint8 numbers, scale and zero point by the range of the whole tensor, the batch included.

    The scale is a constant to the gradient: then that of the dequantised result is the identity.
    """
    with torch.no_grad():
        least, most = (bound.to(wide(x)) for bound in x.aminmax())
        least, most = least.clamp(max=0), most.clamp(min=0)
        scale = (most - least) / 255
        scale = torch.where(scale == 0, 1, scale)
        zero_point = (-least / scale).round().clamp(0, 255).to(torch.uint8)
    return quantise(x, scale, zero_point), scale, zero_point


@operator("ConvInteger")
def conv_integer(
    x: Tensor, w: Tensor, x_zero_point: Tensor | None = None, w_zero_point: Tensor | None = None, **settings: Any
) -> Tensor:
    """Convolution of whole numbers, exact; zero points for the input, and for the weight or each of its outputs."""
    kind = wide(x)
    if w_zero_point is not None:
        w_zero_point = along(w_zero_point, 0, w.dim())
    weight = centred(w, w_zero_point, kind)
    kind = accumulator(weight, tuple(range(1, w.dim())), kind)
    point = None if x_zero_point is None else x_zero_point.reshape(())
    return conv(centred(x, point, kind), weight.to(kind), **settings)


@operator("QLinearConv", note=STRAIGHT_THROUGH)
def qlinear_conv(
    x: Tensor, x_scale: Tensor, x_zero_point: Tensor, w: Tensor, w_scale: Tensor, w_zero_point: Tensor,
    y_scale: Tensor, y_zero_point: Tensor, b: Tensor | None = None, **settings: Any,
) -> Tensor:  # fmt: skip
    """Convolution of quantised numbers, quantised anew; the bias counts in steps of x_scale * w_scale."""
    kind = wide(x_scale)
    total = conv_integer(x, w, x_zero_point, w_zero_point, **settings)
    if b is not None:
        total = total + along(b, 1, x.dim()).to(total.dtype)
    step = along(x_scale.to(kind) * w_scale.to(kind) / y_scale.to(kind), 1, x.dim())
    return saturate(total.to(kind) * step, y_zero_point.reshape(()), range_of(y_zero_point))


def of_rows(parameter: Tensor | None) -> Tensor | None:
    """A scale or zero point of the left factor or of the product: one number, one for each row, or spread already."""
    if parameter is None or parameter.numel() == 1:
        return None if parameter is None else parameter.reshape(())
    return parameter.unsqueeze(-1) if parameter.dim() == 1 else parameter


def of_columns(parameter: Tensor | None) -> Tensor | None:
    """A scale or zero point of the right factor: one number, one for each column, or spread already."""
    return parameter.reshape(()) if parameter is not None and parameter.numel() == 1 else parameter


@operator("MatMulInteger")
def matmul_integer(
    a: Tensor, b: Tensor, a_zero_point: Tensor | None = None, b_zero_point: Tensor | None = None
) -> Tensor:
    """Matrix product of whole numbers, exact; zero points for all, each row of `a`, each column of `b`."""
    kind = torch.promote_types(wide(a), wide(b))
    right = centred(b, of_columns(b_zero_point), kind)
    kind = accumulator(right, (-2 if right.dim() > 1 else 0,), kind)
    return centred(a, of_rows(a_zero_point), kind) @ right.to(kind)


@operator("QLinearMatMul", note=STRAIGHT_THROUGH)
def qlinear_matmul(
    a: Tensor, a_scale: Tensor, a_zero_point: Tensor, b: Tensor, b_scale: Tensor, b_zero_point: Tensor,
    y_scale: Tensor, y_zero_point: Tensor,
) -> Tensor:  # fmt: skip
    """Matrix product of quantised numbers, quantised anew."""
    kind = wide(a_scale)
    left, right, step = of_rows(a_scale), of_columns(b_scale), of_rows(y_scale)
    assert left is not None and right is not None and step is not None
    total = matmul_integer(a, b, a_zero_point, b_zero_point).to(kind)
    return saturate(
        total * (left.to(kind) * right.to(kind) / step.to(kind)), of_rows(y_zero_point), range_of(y_zero_point)
    )
