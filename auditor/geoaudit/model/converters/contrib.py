"""Operators of the com.microsoft domain that onnxruntime's optimisers write: fused products and activations.

Semantics: onnxruntime's ContribOperators.md and its kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters import activations
from geoaudit.model.converters.convolution import conv
from geoaudit.model.converters.indexing import trilu
from geoaudit.model.converters.operator import operator
from geoaudit.model.converters.padding import pad
from geoaudit.model.converters.pooling import max_pool
from geoaudit.model.converters.products import gemm

MICROSOFT = "com.microsoft"

_ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "Relu": torch.relu,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "Softplus": functional.softplus,
    "Softsign": functional.softsign,
    "LeakyRelu": lambda x, alpha=0.01: functional.leaky_relu(x, alpha),
    "Elu": lambda x, alpha=1.0: functional.elu(x, alpha),
    "Selu": lambda x, *settings: activations.selu(x, **dict(zip(("alpha", "gamma"), settings, strict=False))),
    "ThresholdedRelu": lambda x, alpha=1.0: activations.thresholded_relu(x, alpha=alpha),
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: (alpha * x + beta).clamp(0, 1),
    "HardSwish": functional.hardswish,
    "Silu": functional.silu,
    "Gelu": functional.gelu,
    "Clip": lambda x, low, high: x.clamp(low, high),
}


def activated(x: Tensor, activation: str, settings: Sequence[float] = ()) -> Tensor:
    """`x` after a fused activation; "" for none.

    Raises:
        NotImplementedError: an activation that is not known, or one given more settings than it has.
    """
    if not activation:
        return x
    if activation not in _ACTIVATIONS:
        raise NotImplementedError(f"activation {activation}")
    return _ACTIVATIONS[activation](x, *settings)


@operator("FusedConv", domain=MICROSOFT)
def fused_conv(
    x: Tensor, w: Tensor, b: Tensor | None = None, z: Tensor | None = None, *, activation: str = "",
    activation_params: Sequence[float] = (), **settings: Any,
) -> Tensor:  # fmt: skip
    """activation(convolution + Z)."""
    y = conv(x, w, b, **settings)
    return activated(y if z is None else y + z, activation, activation_params)


@operator("NhwcConv", domain=MICROSOFT)
@operator("NhwcFusedConv", domain=MICROSOFT)
def nhwc_fused_conv(x: Tensor, w: Tensor, b: Tensor | None = None, z: Tensor | None = None, **settings: Any) -> Tensor:
    """FusedConv of (N, ..., C) tensors; the weight stays (M, C / group, ...)."""
    return fused_conv(x.movedim(-1, 1), w, b, None if z is None else z.movedim(-1, 1), **settings).movedim(1, -1)


@operator("NhwcMaxPool", domain=MICROSOFT)
def nhwc_max_pool(x: Tensor, **settings: Any) -> Tensor:
    """MaxPool of an (N, ..., C) tensor, quantised or not."""
    picture = x.movedim(-1, 1)
    pooled = max_pool(picture if x.is_floating_point() else picture.float(), **settings)
    return (pooled[0] if isinstance(pooled, tuple) else pooled).movedim(1, -1)


@operator("FusedGemm", domain=MICROSOFT)
def fused_gemm(
    a: Tensor, b: Tensor, c: Tensor | None = None, *, activation: str = "", activation_alpha: float | None = None,
    activation_beta: float | None = None, activation_gamma: float | None = None, **settings: Any,
) -> Tensor:  # fmt: skip
    """activation(Gemm)."""
    given = [v for v in (activation_alpha, activation_beta, activation_gamma) if v is not None]
    return activated(gemm(a, b, c, **settings), activation, given)


def _factor(x: Tensor, transpose: int, transpose_batch: int) -> Tensor:
    if x.dim() < 2:
        return x
    x = x.movedim(0, -2) if transpose_batch else x
    return x.mT if transpose else x


@operator("TransposeMatMul", domain=MICROSOFT)
@operator("FusedMatMul", domain=MICROSOFT)
def fused_matmul(
    a: Tensor, b: Tensor, *, alpha: float = 1.0, transA: int = 0, transB: int = 0, transBatchA: int = 0,
    transBatchB: int = 0,
) -> Tensor:  # fmt: skip
    """alpha A B; `transBatchA` first moves A's first axis before its last, `transA` then swaps the last two."""
    product = torch.matmul(_factor(a, transA, transBatchA), _factor(b, transB, transBatchB))
    return product if alpha == 1 else product * alpha


@operator("BiasGelu", domain=MICROSOFT)
@operator("Gelu", domain=MICROSOFT)
def gelu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """Gaussian error linear unit by the error function."""
    return functional.gelu(x if bias is None else x + bias)


@operator("FastGelu", domain=MICROSOFT)
def fast_gelu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """Gaussian error linear unit by tanh."""
    return functional.gelu(x if bias is None else x + bias, approximate="tanh")


@operator("QuickGelu", domain=MICROSOFT)
def quick_gelu(x: Tensor, *, alpha: float = 1.702) -> Tensor:
    """x sigmoid(alpha x)."""
    return x * torch.sigmoid(alpha * x)


@operator("BiasSplitGelu", domain=MICROSOFT)
def bias_split_gelu(x: Tensor, bias: Tensor) -> Tensor:
    """First half of the last axis of x + bias, times the Gelu of the second half."""
    left, right = (x + bias).chunk(2, -1)
    return left * functional.gelu(right)


@operator("BiasAdd", domain=MICROSOFT)
def bias_add(x: Tensor, bias: Tensor, skip: Tensor) -> Tensor:
    """x + bias + skip."""
    return x + bias + skip


@operator("BiasSoftmax", domain=MICROSOFT)
def bias_softmax(data: Tensor, bias: Tensor, *, axis: int = 1, is_inner_broadcast: int = 0) -> Tensor:
    """Softmax of data + bias over all axes from `axis` on; both ways to spread the bias are numpy's broadcasting."""
    x = data + bias
    return x.flatten(axis % x.dim()).softmax(-1).view(x.shape)


@operator("BiasDropout", domain=MICROSOFT)
def bias_dropout(
    data: Tensor, bias: Tensor, residual: Tensor | None = None, ratio: Tensor | None = None,
    training_mode: Tensor | None = None, *, outputs: int, seed: int = 0,
) -> tuple[Tensor, ...]:  # fmt: skip
    """data + bias + residual, and a mask of ones: dropout lets everything through outside of training.

    Raises:
        NotImplementedError: training mode.
    """
    if training_mode is not None and bool(training_mode):
        raise NotImplementedError("training_mode")
    x = data + bias
    x = x if residual is None else x + residual
    return (x, torch.ones_like(x, dtype=torch.bool))[:outputs]


@operator("Inverse", domain=MICROSOFT)
def inverse(x: Tensor) -> Tensor:
    """Inverse of each matrix; half precision by way of float32."""
    inverted: Tensor = torch.linalg.inv(x.float() if x.dtype in (torch.float16, torch.bfloat16) else x)
    return inverted.to(x.dtype)


@operator("ExpandDims", domain=MICROSOFT)
def expand_dims(x: Tensor, axis: Tensor) -> Tensor:
    """One more axis of length 1."""
    return x.unsqueeze(int(axis))


@operator("Unique", domain=MICROSOFT)
def unique(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distinct values in order of first appearance, for each element its value's index, and counts; both int64."""
    values, index, counts = torch.unique(x, return_inverse=True, return_counts=True)
    first = torch.full_like(counts, len(x)).scatter_reduce(0, index, torch.arange(len(x), device=x.device), "amin")
    order = first.argsort()
    return values[order], order.argsort()[index], counts[order]


@operator("GridSample", domain=MICROSOFT)
def grid_sample(
    x: Tensor, grid: Tensor, *, align_corners: int = 0, mode: str = "bilinear", padding_mode: str = "zeros"
) -> Tensor:
    """(N, C, H, W) sampled where `grid`, (N, h, w, 2) in [-1, 1], says."""
    return functional.grid_sample(x, grid, mode, padding_mode, bool(align_corners))


operator("Trilu", domain=MICROSOFT)(trilu)


@operator("Pad", domain=MICROSOFT)
def contrib_pad(data: Tensor, pads: Tensor, value: Tensor | None = None, *, mode: str = "constant") -> Tensor:
    """Pad with `pads` as one row or plain."""
    return pad(data, pads.reshape(-1), value, mode=mode)
