"""Normalisation layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.errors import ModelError
from geoaudit.model.converters.operator import operator

_EVALUATE = "Export it in evaluation mode (torch: model.eval())."


@operator("BatchNormalization", since=14)
def batch_normalization(
    x: Tensor, scale: Tensor, b: Tensor, mean: Tensor, var: Tensor, *, epsilon: float = 1e-5, momentum: float = 0.9,
    outputs: int = 1, training_mode: int = 0,
) -> Tensor | tuple[Tensor, ...]:  # fmt: skip
    """Normalisation by the given statistics; in training mode by the input's own, and the statistics so updated.

    Raises:
        ModelError: training mode over several pictures, whose outputs would depend on each other.
    """
    if not training_mode:
        y = _batch_norm(x, scale, b, mean, var, epsilon)
        return (y, mean, var)[:outputs] if outputs > 1 else y
    return _trained(x, scale, b, mean, var, epsilon, momentum)[:outputs]


@operator("BatchNormalization", since=9)
def batch_normalization_9(
    x: Tensor, scale: Tensor, b: Tensor, mean: Tensor, var: Tensor, *, epsilon: float = 1e-5, momentum: float = 0.9,
    outputs: int = 1,
) -> Tensor | tuple[Tensor, ...]:  # fmt: skip
    """As version 14; a node that declares more than the first output is in training mode.

    Raises:
        ModelError: as version 14.
    """
    if outputs == 1:
        return _batch_norm(x, scale, b, mean, var, epsilon)
    return _trained(x, scale, b, mean, var, epsilon, momentum)[:outputs]


@operator("BatchNormalization")
def batch_normalization_1(
    x: Tensor, scale: Tensor, b: Tensor, mean: Tensor, var: Tensor, *, consumed_inputs: Sequence[int] = (),
    epsilon: float = 1e-5, is_test: int = 1, momentum: float = 0.9, outputs: int = 1, spatial: int = 1,
) -> Tensor | tuple[Tensor, ...]:  # fmt: skip
    """As version 9; with `spatial` 0 every element of a picture has statistics of its own.

    Raises:
        ModelError: as version 14.
    """
    if spatial:
        return batch_normalization_9(x, scale, b, mean, var, epsilon=epsilon, momentum=momentum, outputs=outputs)
    if outputs > 1:
        raise ModelError("BatchNormalization", "is in training mode with spatial 0", _EVALUATE)
    return (x - mean) * (scale * torch.rsqrt(var + epsilon)) + b


def _batch_norm(x: Tensor, scale: Tensor, b: Tensor, mean: Tensor, var: Tensor, epsilon: float) -> Tensor:
    if {scale.dtype, b.dtype, mean.dtype, var.dtype} == {x.dtype}:
        return functional.batch_norm(x, mean, var, scale, b, eps=epsilon)
    wide = torch.promote_types(torch.promote_types(x.dtype, scale.dtype), mean.dtype)
    mean, var, scale, b = (t.to(wide) for t in (mean, var, scale, b))
    return functional.batch_norm(x.to(wide), mean, var, scale, b, eps=epsilon).to(x.dtype)


def _trained(
    x: Tensor, scale: Tensor, b: Tensor, mean: Tensor, var: Tensor, epsilon: float, momentum: float
) -> tuple[Tensor, ...]:
    """Y, the running mean and variance, and what versions before 14 save: mean and inverse deviation."""
    if len(x) > 1:
        raise ModelError("BatchNormalization", "is in training mode: a picture's scores depend on its batch", _EVALUATE)
    found_var, found_mean = torch.var_mean(x.to(mean.dtype), [a for a in range(x.dim()) if a != 1], correction=0)
    shape = (-1, *[1] * (x.dim() - 2))
    factor = (scale * torch.rsqrt(found_var + epsilon)).reshape(shape)
    y = ((x - found_mean.reshape(shape)) * factor + b.reshape(shape)).to(x.dtype)
    running = (old * momentum + new * (1 - momentum) for old, new in ((mean, found_mean), (var, found_var)))
    return (y, *running, found_mean, torch.rsqrt(found_var + epsilon))


@operator("InstanceNormalization")
def instance_normalization(
    x: Tensor, scale: Tensor, b: Tensor, *, consumed_inputs: Sequence[int] = (), epsilon: float = 1e-5
) -> Tensor:
    """Each channel of each picture by its own mean and variance."""
    return torch.group_norm(x, x.shape[1], scale, b, epsilon)


@operator("LayerNormalization", since=17)
def layer_normalization(
    x: Tensor, scale: Tensor, b: Tensor | None = None, *, axis: int = -1, epsilon: float = 1e-5, outputs: int = 1,
    stash_type: int = 1,
) -> Tensor | tuple[Tensor, ...]:  # fmt: skip
    """Normalisation over the axes from `axis` on; also the mean and the inverse deviation on demand.

    torch computes half precision in float32, which is what `stash_type` 1 asks for.
    """
    _stash(stash_type)
    shape = x.shape[axis:]
    if outputs > 1:
        y, mean, deviation = torch.native_layer_norm(_wide(x), shape, None, None, epsilon)
        y = y * scale if b is None else y * scale + b
        return y.to(x.dtype), *(mean, deviation)[: outputs - 1]
    if scale.shape == shape and (b is None or b.shape == shape):
        return functional.layer_norm(x, shape, scale, b, epsilon)
    y = functional.layer_norm(x, shape, eps=epsilon) * scale
    return y if b is None else y + b


def _stash(stash_type: int) -> None:
    if stash_type not in (1, 11):
        raise NotImplementedError(f"stash_type {stash_type}")


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


@operator("GroupNormalization", since=21)
def group_normalization(
    x: Tensor, scale: Tensor, b: Tensor, *, epsilon: float = 1e-5, num_groups: int, stash_type: int = 1
) -> Tensor:
    """Groups of channels by their mean and variance; scale and bias a channel."""
    _stash(stash_type)
    return torch.group_norm(x, num_groups, scale, b, epsilon)


@operator("GroupNormalization", since=18)
def group_normalization_18(x: Tensor, scale: Tensor, b: Tensor, *, epsilon: float = 1e-5, num_groups: int) -> Tensor:
    """As version 21, with scale and bias a group."""
    each = x.shape[1] // num_groups
    return torch.group_norm(x, num_groups, scale.repeat_interleave(each), b.repeat_interleave(each), epsilon)


@operator("RMSNormalization", since=23)
def rms_normalization(
    x: Tensor, scale: Tensor, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:
    """Division by the root mean square over the axes from `axis` on."""
    _stash(stash_type)
    wide = _wide(x)
    axes = tuple(range(axis if axis < 0 else axis - x.dim(), 0))
    y = wide * torch.rsqrt(wide.square().mean(axes, keepdim=True) + epsilon)
    return (y * scale).to(x.dtype)


@operator("LRN")
def local_response_normalization(
    x: Tensor, *, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0, size: int
) -> Tensor:
    """Division by a power of the mean square over `size` neighbouring channels, the longer side after."""
    squares = functional.pad(x.square().flatten(2).unsqueeze(1), (0, 0, (size - 1) // 2, size // 2))
    means = functional.avg_pool2d(squares, (size, 1), 1).squeeze(1).reshape(x.shape)
    return x / (means * alpha + bias) ** beta
