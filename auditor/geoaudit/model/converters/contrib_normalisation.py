"""Normalisations as onnxruntime fuses them: layer, root mean square and group, with sums that come before.

The default domain holds LayerNormalization below version 17 and SimplifiedLayerNormalization too: onnxruntime's
optimiser writes them there, although ONNX never defined them.  Half precision is computed in float32 (`stash_type`
1), as onnxruntime does.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters.contrib import MICROSOFT
from geoaudit.model.converters.normalisation import layer_normalization
from geoaudit.model.converters.operator import MAX_OPSET, operator

_LAYER_NORMALIZATION = 17


def _layer_norm(x: Tensor, axis: int, scale: Tensor, bias: Tensor | None, epsilon: float) -> tuple[Tensor, ...]:
    shape = x.shape[axis:]
    scale = scale.to(x.dtype).expand(shape)
    return torch.native_layer_norm(x, shape, scale, None if bias is None else bias.to(x.dtype).expand(shape), epsilon)


def _rms_norm(x: Tensor, axis: int, scale: Tensor, epsilon: float, outputs: int) -> tuple[Tensor, ...]:
    shape = x.shape[axis:]
    y = functional.rms_norm(x, shape, scale.to(x.dtype).expand(shape), epsilon)
    if outputs == 1:
        return (y,)
    kind = torch.promote_types(x.dtype, torch.float32)
    return y, (x.to(kind).square().mean(tuple(range(axis % x.dim(), x.dim())), keepdim=True) + epsilon).rsqrt()


operator("LayerNormalization", domain=MICROSOFT)(layer_normalization)


@operator("SimplifiedLayerNormalization", domain=MICROSOFT)
def simplified_layer_normalization(
    x: Tensor, scale: Tensor, *, outputs: int, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> tuple[Tensor, ...]:
    """Root mean square normalisation over the axes from `axis` on, and the inverse root.

    Raises:
        NotImplementedError: a `stash_type` other than float32.
    """
    if stash_type != 1:
        raise NotImplementedError(f"stash_type {stash_type}")
    return _rms_norm(x, axis, scale, epsilon, outputs)


for _version in range(1, MAX_OPSET + 1):
    operator("SimplifiedLayerNormalization", since=_version)(simplified_layer_normalization)
    if _version < _LAYER_NORMALIZATION:
        operator("LayerNormalization", since=_version)(layer_normalization)


@operator("SkipLayerNormalization", domain=MICROSOFT)
def skip_layer_normalization(
    x: Tensor, skip: Tensor, gamma: Tensor, beta: Tensor | None = None, bias: Tensor | None = None, *, outputs: int,
    epsilon: float = 1e-12,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Layer normalisation of input + skip + bias over the last axis; mean, inverse deviation and that sum."""
    total = x + skip if bias is None else x + skip + bias
    return (*_layer_norm(total, -1, gamma, beta, epsilon), total)[:outputs]


@operator("SkipSimplifiedLayerNormalization", domain=MICROSOFT)
def skip_simplified_layer_normalization(
    x: Tensor, skip: Tensor, gamma: Tensor, bias: Tensor | None = None, *, outputs: int, epsilon: float = 1e-12
) -> tuple[Tensor | None, ...]:
    """Root mean square normalisation of input + skip + bias over the last axis; no mean, inverse root and that sum."""
    total = x + skip if bias is None else x + skip + bias
    y, *inverse = _rms_norm(total, -1, gamma, epsilon, outputs)
    return (y, None, *inverse, total)[:outputs]


@operator("GroupNorm", domain=MICROSOFT)
def group_norm(
    x: Tensor, gamma: Tensor, beta: Tensor, *, groups: int, activation: int = 0, channels_last: int = 1,
    epsilon: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Group normalisation of (N, ..., C), or (N, C, ...) without `channels_last`; `activation` 1 is SiLU."""
    picture = x.movedim(-1, 1) if channels_last else x
    y = functional.group_norm(picture.to(gamma.dtype), groups, gamma, beta, epsilon).to(x.dtype)
    y = functional.silu(y) if activation else y
    return y.movedim(1, -1) if channels_last else y


@operator("SkipGroupNorm", domain=MICROSOFT)
def skip_group_norm(
    x: Tensor, gamma: Tensor, beta: Tensor, skip: Tensor, bias: Tensor | None = None, *, outputs: int, groups: int,
    activation: int = 0, channels_last: int = 1, epsilon: float = 1e-5,
) -> tuple[Tensor, ...]:  # fmt: skip
    """GroupNorm of x + skip + bias, and that sum; skip of x's shape, (N, 1, 1, C) or (N, C)."""
    places = (x.dim() - 2) * (1,)
    shape = (*places, -1) if channels_last else (-1, *places)
    if skip.dim() == 2:
        skip = skip.reshape(skip.shape[0], *((*places, skip.shape[1]) if channels_last else (skip.shape[1], *places)))
    total = x + skip if bias is None else x + skip + bias.reshape(shape)
    y = group_norm(
        total, gamma, beta, groups=groups, activation=activation, channels_last=channels_last, epsilon=epsilon
    )
    return (y, total)[:outputs]
