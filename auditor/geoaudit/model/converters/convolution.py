"""Convolutions: plain, transposed and deformable."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters import sliding
from geoaudit.model.converters.operator import operator

_Ints = Sequence[int] | None


@operator("Conv")
def conv(
    x: Tensor, w: Tensor, b: Tensor | None = None, *, auto_pad: str = "NOTSET", dilations: _Ints = None, group: int = 1,
    kernel_shape: _Ints = None, pads: _Ints = None, strides: _Ints = None,
) -> Tensor:  # fmt: skip
    """Convolution over one to three spatial axes."""
    _same_kernel(w, kernel_shape)
    view = sliding.window(x.shape[2:], w.shape[2:], strides, dilations, pads, auto_pad)
    padding = view.heads
    if not view.symmetric:
        x, padding = sliding.pad(x, view.heads, view.tails), (0,) * len(view.kernel)
    return torch.convolution(
        x,
        w,
        b,
        view.strides,
        padding,
        view.dilations,
        transposed=False,
        output_padding=(0,) * len(padding),
        groups=group,
    )


@operator("ConvTranspose")
def conv_transpose(
    x: Tensor, w: Tensor, b: Tensor | None = None, *, auto_pad: str = "NOTSET", dilations: _Ints = None, group: int = 1,
    kernel_shape: _Ints = None, output_padding: _Ints = None, output_shape: _Ints = None, pads: _Ints = None,
    strides: _Ints = None,
) -> Tensor:  # fmt: skip
    """Transposed convolution; with `output_shape` or SAME padding, pads follow from the output's shape."""
    _same_kernel(w, kernel_shape)
    rank = x.dim() - 2
    strides, dilations = tuple(strides or (1,) * rank), tuple(dilations or (1,) * rank)
    spans = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilations, strict=True)]
    full = [(n - 1) * s + span for n, s, span in zip(x.shape[2:], strides, spans, strict=True)]
    extra = list(output_padding or [0] * rank)
    heads, outputs = _transposed_output(x, full, extra, strides, pads, output_shape, auto_pad)
    beyond = [out + 2 * head - size for out, head, size in zip(outputs, heads, full, strict=True)]
    native = all(h >= 0 and 0 <= e < max(s, d) for h, e, s, d in zip(heads, beyond, strides, dilations, strict=True))
    if native:
        return torch.convolution(
            x, w, b, strides, heads, dilations, transposed=True, output_padding=beyond, groups=group
        )
    none = (0,) * rank
    y = torch.convolution(x, w, None, strides, none, dilations, transposed=True, output_padding=none, groups=group)
    tails = [out + head - size for out, head, size in zip(outputs, heads, full, strict=True)]
    y = sliding.pad(y, [-head for head in heads], tails)
    return y if b is None else y + b.reshape(-1, *[1] * rank)


def _transposed_output(
    x: Tensor, full: Sequence[int], extra: Sequence[int], strides: Sequence[int], pads: _Ints, output_shape: _Ints,
    auto_pad: str,
) -> tuple[list[int], list[int]]:  # fmt: skip
    """What is cropped at each axis's start, and the output's spatial shape."""
    rank = len(full)
    if auto_pad not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise NotImplementedError(f"auto_pad {auto_pad}")
    if output_shape:
        outputs = list(output_shape)[-rank:]
    elif auto_pad.startswith("SAME"):
        outputs = [min(n * s, f + e) for n, s, f, e in zip(x.shape[2:], strides, full, extra, strict=True)]
    else:
        pads = [0] * 2 * rank if auto_pad == "VALID" else list(pads or [0] * 2 * rank)
        heads, tails = pads[:rank], pads[rank:]
        return heads, [f + e - h - t for f, e, h, t in zip(full, extra, heads, tails, strict=True)]
    total = [max(f + e - out, 0) for f, e, out in zip(full, extra, outputs, strict=True)]
    return [t // 2 if auto_pad == "SAME_UPPER" else t - t // 2 for t in total], outputs


def _same_kernel(w: Tensor, kernel_shape: _Ints) -> None:
    if kernel_shape and tuple(kernel_shape) != tuple(w.shape[2:]):
        raise ValueError(f"kernel_shape {list(kernel_shape)}, but weights of shape {list(w.shape)}")


@operator("DeformConv")
def deform_conv(
    x: Tensor, w: Tensor, offset: Tensor, b: Tensor | None = None, mask: Tensor | None = None, *,
    dilations: _Ints = None, group: int = 1, kernel_shape: _Ints = None, offset_group: int = 1, pads: _Ints = None,
    strides: _Ints = None,
) -> Tensor:  # fmt: skip
    """Deformable convolution of pictures: the kernel's taps are sampled bilinearly where `offset` moves them."""
    _same_kernel(w, kernel_shape)
    if x.dim() != 4:
        raise NotImplementedError(f"DeformConv over {x.dim() - 2} axes")
    view = sliding.window(x.shape[2:], w.shape[2:], strides, dilations, pads, "NOTSET")
    batch, channels, height, width = x.shape
    taps, (rows, columns) = w.shape[2] * w.shape[3], view.outputs
    moved = offset.reshape(batch * offset_group, taps, 2, rows, columns) + _taps(view, x)
    sizes = torch.tensor([height, width], dtype=x.dtype, device=x.device).reshape(2, 1, 1)
    grid = ((2 * moved + 1) / sizes - 1).flip(2).permute(0, 1, 3, 4, 2)
    folded = x.reshape(batch * offset_group, channels // offset_group, height, width)
    sampled = functional.grid_sample(
        folded, grid.reshape(len(folded), taps * rows, columns, 2), padding_mode="zeros", align_corners=False
    ).reshape(len(folded), channels // offset_group, taps, rows, columns)
    if mask is not None:
        sampled = sampled * mask.reshape(len(folded), 1, taps, rows, columns)
    patches = sampled.reshape(batch, group, channels // group * taps, rows * columns)
    weights = w.reshape(group, w.shape[0] // group, -1)
    y = (weights @ patches).reshape(batch, w.shape[0], rows, columns)
    return y if b is None else y + b.reshape(-1, 1, 1)


def _taps(view: sliding.Window, x: Tensor) -> Tensor:
    """Where each tap of the kernel falls, before it is moved: (taps, 2, rows, columns) in elements."""
    axes = [
        (torch.arange(k, device=x.device) * d).unsqueeze(1) + torch.arange(out, device=x.device) * s - head
        for k, d, s, head, out in zip(view.kernel, view.dilations, view.strides, view.heads, view.outputs, strict=True)
    ]
    (high, wide), (rows, columns) = view.kernel, view.outputs
    y = axes[0].reshape(high, 1, rows, 1).expand(high, wide, rows, columns)
    x_ = axes[1].reshape(1, wide, 1, columns).expand(high, wide, rows, columns)
    return torch.stack((y, x_), 2).reshape(high * wide, 2, rows, columns).to(x.dtype)
