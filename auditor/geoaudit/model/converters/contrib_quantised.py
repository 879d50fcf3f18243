"""Operators of the com.microsoft domain on quantised tensors, as onnxruntime's quantiser writes them.

Each computes with the real numbers that its inputs stand for and quantises the result anew; straight-through, see
`rounding`.  Semantics: onnxruntime's ContribOperators.md and its kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters.contrib import MICROSOFT
from geoaudit.model.converters.contrib_attention import attention_of
from geoaudit.model.converters.operator import STRAIGHT_THROUGH, operator
from geoaudit.model.converters.pooling import average_pool
from geoaudit.model.converters.quantised import (
    dequantize_linear,
    dynamic_quantize_linear,
    matmul_integer,
    qlinear_conv,
    quantize_linear,
)
from geoaudit.model.converters.rounding import dequantise, quantise, range_of, saturate, wide

operator("QuantizeLinear", domain=MICROSOFT, note=STRAIGHT_THROUGH)(quantize_linear)
operator("DequantizeLinear", domain=MICROSOFT)(dequantize_linear)


def _quantised(name: str) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    return operator(name, domain=MICROSOFT, note=STRAIGHT_THROUGH)


@_quantised("QLinearConv")
def contrib_qlinear_conv(x: Tensor, *rest: Tensor, channels_last: int = 0, **settings: Any) -> Tensor:
    """QLinearConv, on (N, ..., C) tensors with `channels_last`; the weight stays (M, C / group, ...)."""
    if not channels_last:
        return qlinear_conv(x, *rest, **settings)
    return qlinear_conv(x.movedim(-1, 1), *rest, **settings).movedim(1, -1)


@_quantised("QLinearAdd")
def qlinear_add(
    a: Tensor, a_scale: Tensor, a_zero_point: Tensor | None, b: Tensor, b_scale: Tensor, b_zero_point: Tensor | None,
    c_scale: Tensor, c_zero_point: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """a + b."""
    total = dequantise(a, a_scale, a_zero_point) + dequantise(b, b_scale, b_zero_point)
    return quantise(total, c_scale, c_zero_point)


@_quantised("QLinearMul")
def qlinear_mul(
    a: Tensor, a_scale: Tensor, a_zero_point: Tensor | None, b: Tensor, b_scale: Tensor, b_zero_point: Tensor | None,
    c_scale: Tensor, c_zero_point: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """a b."""
    return quantise(dequantise(a, a_scale, a_zero_point) * dequantise(b, b_scale, b_zero_point), c_scale, c_zero_point)


@_quantised("QLinearWhere")
def qlinear_where(
    condition: Tensor, x: Tensor, x_scale: Tensor, x_zero_point: Tensor, y: Tensor, y_scale: Tensor,
    y_zero_point: Tensor, z_scale: Tensor, z_zero_point: Tensor,
) -> Tensor:  # fmt: skip
    """x where the condition holds, else y."""
    chosen = torch.where(condition, dequantise(x, x_scale, x_zero_point), dequantise(y, y_scale, y_zero_point))
    return quantise(chosen, z_scale, z_zero_point)


@_quantised("QLinearSigmoid")
def qlinear_sigmoid(
    x: Tensor, x_scale: Tensor, x_zero_point: Tensor | None, y_scale: Tensor, y_zero_point: Tensor | None = None
) -> Tensor:
    """Sigmoid."""
    return quantise(dequantise(x, x_scale, x_zero_point).sigmoid(), y_scale, y_zero_point)


@_quantised("QLinearLeakyRelu")
def qlinear_leaky_relu(
    x: Tensor, x_scale: Tensor, x_zero_point: Tensor | None, y_scale: Tensor, y_zero_point: Tensor | None = None, *,
    alpha: float = 0.01,
) -> Tensor:  # fmt: skip
    """x, or alpha x where negative."""
    return quantise(functional.leaky_relu(dequantise(x, x_scale, x_zero_point), alpha), y_scale, y_zero_point)


@_quantised("QLinearSoftmax")
def qlinear_softmax(
    x: Tensor, x_scale: Tensor, x_zero_point: Tensor | None, y_scale: Tensor, y_zero_point: Tensor | None = None, *,
    opset: int, axis: int = -1,
) -> Tensor:  # fmt: skip
    """Softmax along one axis, before operator set 13 over all axes from it on; onnxruntime may be one step off."""
    real = dequantise(x, x_scale, x_zero_point)
    soft = real.softmax(axis) if opset >= 13 else real.flatten(axis % x.dim()).softmax(-1).view(x.shape)
    return quantise(soft, y_scale, y_zero_point)


@_quantised("QLinearConcat")
def qlinear_concat(y_scale: Tensor, y_zero_point: Tensor, *inputs: Tensor, axis: int) -> Tensor:
    """Inputs, each given as numbers, scale and zero point, one after another along an axis."""
    real = [dequantise(*inputs[i : i + 3]) for i in range(0, len(inputs), 3)]
    return quantise(torch.cat(real, axis), y_scale, y_zero_point)


@_quantised("QLinearReduceMean")
def qlinear_reduce_mean(
    data: Tensor, data_scale: Tensor, data_zero_point: Tensor | None, reduced_scale: Tensor,
    reduced_zero_point: Tensor | None = None, *, axes: Sequence[int] = (), keepdims: int = 1,
) -> Tensor:  # fmt: skip
    """Mean over `axes`, all of them when left out."""
    over = tuple(axes) or tuple(range(data.dim()))
    mean = dequantise(data, data_scale, data_zero_point).mean(over, keepdim=bool(keepdims))
    return quantise(mean, reduced_scale, reduced_zero_point)


@_quantised("QLinearAveragePool")
def qlinear_average_pool(
    x: Tensor, x_scale: Tensor, x_zero_point: Tensor | None, y_scale: Tensor, y_zero_point: Tensor | None = None, *,
    channels_last: int = 0, **settings: Any,
) -> Tensor:  # fmt: skip
    """AveragePool, of (N, ..., C) tensors with `channels_last`."""
    real = dequantise(x, x_scale, x_zero_point)
    pooled = average_pool(real.movedim(-1, 1) if channels_last else real, **settings)
    return quantise(pooled.movedim(1, -1) if channels_last else pooled, y_scale, y_zero_point)


@_quantised("QLinearGlobalAveragePool")
def qlinear_global_average_pool(
    x: Tensor, x_scale: Tensor, x_zero_point: Tensor, y_scale: Tensor, y_zero_point: Tensor, *, channels_last: int = 0
) -> Tensor:
    """Mean of each channel, of (N, ..., C) tensors with `channels_last`."""
    places = tuple(range(1, x.dim() - 1)) if channels_last else tuple(range(2, x.dim()))
    return quantise(dequantise(x, x_scale, x_zero_point).mean(places, keepdim=True), y_scale, y_zero_point)


@_quantised("QGemm")
def qgemm(
    a: Tensor, a_scale: Tensor, a_zero_point: Tensor, b: Tensor, b_scale: Tensor, b_zero_point: Tensor | None = None,
    c: Tensor | None = None, y_scale: Tensor | None = None, y_zero_point: Tensor | None = None, *, alpha: float = 1.0,
    transA: int = 0, transB: int = 0,
) -> Tensor:  # fmt: skip
    """alpha A B + C, with C in steps of the product's scale; float without an output scale."""
    kind = wide(a_scale)
    total = matmul_integer(a.mT if transA else a, b.mT if transB else b, a_zero_point, b_zero_point)
    total = (total if c is None else total + c.to(total.dtype)).to(kind)
    step = alpha * a_scale.to(kind) * b_scale.to(kind)
    if y_scale is None:
        return total * step
    return saturate(total * (step / y_scale.to(kind)), y_zero_point, range_of(y_zero_point))


@operator("MatMulIntegerToFloat", domain=MICROSOFT)
def matmul_integer_to_float(
    a: Tensor, b: Tensor, a_scale: Tensor, b_scale: Tensor, a_zero_point: Tensor | None = None,
    b_zero_point: Tensor | None = None, bias: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Product of quantised matrices as real numbers, plus the bias."""
    step = a_scale.reshape(()) * (b_scale.reshape(()) if b_scale.numel() == 1 else b_scale)
    y = matmul_integer(a, b, a_zero_point, b_zero_point).to(wide(a_scale)) * step
    return (y if bias is None else y + bias).to(a_scale.dtype)


@_quantised("DynamicQuantizeMatMul")
def dynamic_quantize_matmul(
    a: Tensor, b: Tensor, b_scale: Tensor, b_zero_point: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """Product of real `a`, quantised by its range (the batch included), and quantised `b`, plus the bias."""
    numbers, scale, zero_point = dynamic_quantize_linear(a)
    return matmul_integer_to_float(numbers, b, scale, b_scale, zero_point, b_zero_point, bias)


@operator("QAttention", domain=MICROSOFT)
def qattention(
    x: Tensor, weight: Tensor, bias: Tensor, input_scale: Tensor, weight_scale: Tensor,
    mask_index: Tensor | None = None, input_zero_point: Tensor | None = None, weight_zero_point: Tensor | None = None,
    past: Tensor | None = None, *, outputs: int, **settings: Any,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Attention of a quantised input by a quantised weight; all after the projection in real numbers."""
    packed = matmul_integer_to_float(x, weight, input_scale, weight_scale, input_zero_point, weight_zero_point, bias)
    return attention_of(packed, mask_index, past, outputs=outputs, **settings)


def _unpacked(packed: Tensor, bits: int, count: int) -> Tensor:
    """The first `count` numbers of `bits` bits along the last axis of bytes, lowest bits first."""
    shifts = torch.arange(0, 8, bits, device=packed.device, dtype=torch.uint8)
    numbers: Tensor = ((packed.unsqueeze(-1) >> shifts) & (2**bits - 1)).flatten(-2)
    return numbers[..., :count]


def _eight_bit(a: Tensor, block_size: int) -> Tensor:
    blocks = functional.pad(a, (0, -a.shape[-1] % block_size)).reshape(*a.shape[:-1], -1, block_size)
    scale = blocks.detach().abs().amax(-1, keepdim=True) / 127
    scale = torch.where(scale == 0, 1, scale)
    return (saturate(blocks / scale, None, (-127, 127)) * scale).flatten(-2)[..., : a.shape[-1]]


@_quantised("MatMulNBits")
def matmul_n_bits(
    a: Tensor, b: Tensor, scales: Tensor, zero_points: Tensor | None = None, g_idx: Tensor | None = None,
    bias: Tensor | None = None, *, K: int, N: int, bits: int = 4, block_size: int, accuracy_level: int = 0,
    weight_prepacked: int = 0,
) -> Tensor:  # fmt: skip
    """Product with a weight of `bits` bits, one scale (and zero point) for each block along K.

    With `accuracy_level` 4 `a` is rounded too, to 8 bits block by block (not for 2 bits in blocks of 16), as
    onnxruntime's CPU kernels do with a constant weight; its gradient is straight-through.

    Raises:
        NotImplementedError: bits other than 2, 4 and 8, group indices, or a prepacked weight.
    """
    if bits not in (2, 4, 8) or g_idx is not None or weight_prepacked:
        raise NotImplementedError(f"bits {bits}, weight_prepacked {weight_prepacked}, g_idx {g_idx is not None}")
    blocks = -(-K // block_size)
    numbers = _unpacked(b.reshape(N, blocks, -1), bits, block_size).to(a.dtype)
    zero: Tensor | int = 2 ** (bits - 1)
    if zero_points is not None:
        packed = zero_points.dtype == torch.uint8
        zero = _unpacked(zero_points.reshape(N, -1), bits, blocks) if packed else zero_points
        zero = zero.reshape(N, blocks, 1).to(a.dtype)
    weight = ((numbers - zero) * scales.reshape(N, blocks, 1)).flatten(1)[:, :K]
    rounds = accuracy_level == 4 and (bits, block_size) != (2, 16)
    return functional.linear(_eight_bit(a, block_size) if rounds else a, weight, bias)
