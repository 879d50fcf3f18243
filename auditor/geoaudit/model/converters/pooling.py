"""Pools over sliding windows and over whole pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters import sliding
from geoaudit.model.converters.operator import ints, operator

_Ints = Sequence[int] | None


@operator("MaxPool")
def max_pool(
    x: Tensor, *, kernel_shape: Sequence[int], auto_pad: str = "NOTSET", ceil_mode: int = 0, dilations: _Ints = None,
    pads: _Ints = None, storage_order: int = 0, strides: _Ints = None, outputs: int = 1,
) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
    """Largest value of each window, and on demand where in the whole input it stands (int64)."""
    view = sliding.window(
        x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, pool=True, ceil_mode=bool(ceil_mode)
    )
    given, x = x, x if x.is_floating_point() else x.to(torch.float32)  # 8-bit integers, which float32 holds
    x, view, starts = sliding.clip(x, view)
    heads, offsets = view.heads, [-start for start in starts]
    if not _native(view, ceil_mode):
        x = _padded(x, view, torch.finfo(x.dtype).min)
        heads, offsets = (0,) * len(heads), [o + head for o, head in zip(offsets, heads, strict=True)]
    pooled, places = _max_pool(x, view, heads, indices=outputs > 1)
    pooled = pooled.to(given.dtype)
    if places is None:
        return pooled
    return pooled, _numbered(_unpadded(places, x.shape[2:], offsets, given.shape[2:]), given.shape, storage_order)


def _native(view: sliding.Window, ceil_mode: int) -> bool:
    """Whether torch's own padding does: at most half a window, the same on both sides, no incomplete window."""
    return not ceil_mode and view.symmetric and all(h <= k // 2 for h, k in zip(view.heads, view.kernel, strict=True))


def _padded(x: Tensor, view: sliding.Window, value: float) -> Tensor:
    """`x` padded, or cropped at its end, so that exactly the windows of `view` fit."""
    ends = zip(view.outputs, view.strides, view.spans, view.heads, x.shape[2:], strict=True)
    return sliding.pad(x, view.heads, [(out - 1) * s + span - head - n for out, s, span, head, n in ends], value)


def _max_pool(x: Tensor, view: sliding.Window, heads: Sequence[int], *, indices: bool) -> tuple[Tensor, Tensor | None]:
    rank = len(view.kernel)
    function = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[rank - 1]
    found = function(x, view.kernel, view.strides, tuple(heads), view.dilations, return_indices=indices)  # type: ignore[call-overload]
    return found if indices else (found, None)


def _unpadded(places: Tensor, padded: Sequence[int], heads: Sequence[int], size: Sequence[int]) -> Tensor:
    """Flat places in a padded picture as flat places in the picture."""
    found, step = torch.zeros_like(places), 1
    for length, head, n in zip(reversed(padded), reversed(heads), reversed(size), strict=True):
        found = found + (places % length - head) * step
        places, step = places // length, step * n
    return found


def _numbered(places: Tensor, shape: Sequence[int], storage_order: int) -> Tensor:
    """Flat places in each picture as flat places in the whole tensor, its pictures stored row- or column-major."""
    size = list(shape[2:])
    if storage_order:
        found, step, rest = torch.zeros_like(places), math.prod(size), places
        for n in reversed(size):
            step //= n
            found, rest = found + rest % n * step, rest // n
        places = found
    pictures = torch.arange(shape[0] * shape[1], device=places.device).reshape(shape[0], shape[1], *[1] * len(size))
    return places + pictures * math.prod(size)


@operator("AveragePool")
def average_pool(
    x: Tensor, *, kernel_shape: Sequence[int], auto_pad: str = "NOTSET", ceil_mode: int = 0, count_include_pad: int = 0,
    dilations: _Ints = None, pads: _Ints = None, strides: _Ints = None,
) -> Tensor:  # fmt: skip
    """Mean of each window: of its elements inside the input, or with `count_include_pad` of padding too."""
    view = sliding.window(
        x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, pool=True, ceil_mode=bool(ceil_mode)
    )
    rank = len(view.kernel)
    if rank <= 3 and set(view.dilations) == {1} and _native(view, ceil_mode):
        function = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[rank - 1]
        return function(x, view.kernel, view.strides, view.heads, False, bool(count_include_pad))
    counted = torch.ones((), dtype=torch.int64)
    for axis, n in enumerate(x.shape[2:]):
        along = _counts(view, axis, n, include_pad=bool(count_include_pad))
        counted = counted * along.reshape(-1, *[1] * (rank - 1 - axis))
    return _window_sums(x, view) / counted.to(x.device, x.dtype)


def _window_sums(x: Tensor, view: sliding.Window) -> Tensor:
    """Sum of each window, zeros beyond the input."""
    x, view, _ = sliding.clip(x, view)
    rank, padded = len(view.kernel), _padded(x, view, 0.0)
    ones = torch.ones(1, 1, *view.kernel, dtype=x.dtype, device=x.device)
    alone = padded.reshape(-1, 1, *padded.shape[2:])
    none = (0,) * rank
    sums = torch.convolution(
        alone, ones, None, view.strides, none, view.dilations, transposed=False, output_padding=none, groups=1
    )
    return sums.reshape(*x.shape[:2], *sums.shape[2:])


def _counts(view: sliding.Window, axis: int, length: int, *, include_pad: bool) -> Tensor:
    """How many elements of each window count along one axis; what rounding up adds at the end never does."""
    starts = torch.arange(view.outputs[axis]) * view.strides[axis] - view.heads[axis]
    places = starts.unsqueeze(1) + torch.arange(view.kernel[axis]) * view.dilations[axis]
    low, high = (-view.heads[axis], length + view.tails[axis]) if include_pad else (0, length)
    return ((places >= low) & (places < high)).sum(1)


@operator("LpPool")
def lp_pool(
    x: Tensor, *, kernel_shape: Sequence[int], auto_pad: str = "NOTSET", ceil_mode: int = 0, dilations: _Ints = None,
    p: float = 2, pads: _Ints = None, strides: _Ints = None,
) -> Tensor:  # fmt: skip
    """p-norm of each window."""
    view = sliding.window(
        x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, pool=True, ceil_mode=bool(ceil_mode)
    )
    return _root(_window_sums(x.abs() ** p, view), p)


@operator("GlobalLpPool")
def global_lp_pool(x: Tensor, *, p: float = 2) -> Tensor:
    """p-norm of each channel."""
    return _root((x.abs() ** p).sum(tuple(range(2, x.dim())), keepdim=True), p)


def _root(total: Tensor, p: float) -> Tensor:
    """`total ** (1 / p)`, with gradient 0 instead of infinity at 0."""
    if p == 1:
        return total
    positive = total > 0
    return torch.where(positive, torch.where(positive, total, 1.0) ** (1 / p), 0.0)


@operator("GlobalAveragePool")
def global_average_pool(x: Tensor) -> Tensor:
    """Mean of each channel."""
    return x.mean(tuple(range(2, x.dim())), keepdim=True)


@operator("GlobalMaxPool")
def global_max_pool(x: Tensor) -> Tensor:
    """Largest value of each channel."""
    return x.amax(tuple(range(2, x.dim())), keepdim=True)


@operator("MaxUnpool")
def max_unpool(
    x: Tensor, indices: Tensor, output_shape: Tensor | None = None, *, kernel_shape: Sequence[int], pads: _Ints = None,
    strides: _Ints = None,
) -> Tensor:  # fmt: skip
    """Each value back where MaxPool found it, zeros elsewhere."""
    rank = len(kernel_shape)
    strides, pads = list(strides or [1] * rank), list(pads or [0] * 2 * rank)
    lengths = zip(x.shape[2:], strides, kernel_shape, pads[:rank], pads[rank:], strict=True)
    shape = [*x.shape[:2], *((n - 1) * s + k - head - tail for n, s, k, head, tail in lengths)]
    if output_shape is not None:
        shape = ints(output_shape)
    flat = torch.zeros(math.prod(shape), dtype=x.dtype, device=x.device)
    return flat.scatter(0, indices.reshape(-1), x.reshape(-1)).reshape(shape)
