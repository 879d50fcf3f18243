"""Operators that move elements about in space: blocks into depth and back, sequences, centred windows.

Sources: the operators' definitions in the ONNX specification.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters.operator import ints, operator

_MODES = ("DCR", "CRD")


def _check(mode: str) -> None:
    if mode not in _MODES:
        raise NotImplementedError(f"mode {mode}")


@operator("DepthToSpace")
def depth_to_space(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """(N, C, H, W) to (N, C / b², H b, W b); the channels hold blocks before depth (DCR) or depth before blocks (CRD).

    Raises:
        NotImplementedError: another mode.
    """
    _check(mode)
    if mode == "CRD":
        return functional.pixel_shuffle(x, blocksize)
    n, c, h, w = x.shape
    depth = c // blocksize**2
    blocks = x.reshape(n, blocksize, blocksize, depth, h, w).permute(0, 3, 4, 1, 5, 2)
    return blocks.reshape(n, depth, h * blocksize, w * blocksize)


@operator("SpaceToDepth")
def space_to_depth(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """(N, C, H, W) to (N, C b², H / b, W / b), the inverse of DepthToSpace in the same mode.

    Raises:
        NotImplementedError: another mode.
    """
    _check(mode)
    if mode == "CRD":
        return functional.pixel_unshuffle(x, blocksize)
    n, c, h, w = x.shape
    high, wide = h // blocksize, w // blocksize
    blocks = x.reshape(n, c, high, blocksize, wide, blocksize).permute(0, 3, 5, 1, 2, 4)
    return blocks.reshape(n, c * blocksize**2, high, wide)


@operator("ReverseSequence")
def reverse_sequence(x: Tensor, lengths: Tensor, *, batch_axis: int = 1, time_axis: int = 0) -> Tensor:
    """`x` with the first `lengths[i]` steps of the i-th sequence reversed."""
    batch, steps = x.shape[batch_axis], x.shape[time_axis]
    time = torch.arange(steps, device=x.device)
    ends = lengths.to(torch.int64).unsqueeze(1)
    source = torch.where(time < ends, ends - 1 - time, time)
    sample = torch.arange(batch, device=x.device).unsqueeze(1)
    made = x.movedim((batch_axis, time_axis), (0, 1))[sample, source]
    return made.movedim((0, 1), (batch_axis, time_axis))


@operator("CenterCropPad")
def center_crop_pad(x: Tensor, shape: Tensor, *, axes: Sequence[int] | None = None) -> Tensor:
    """The centre of `x` in these sizes of `axes` (None: all), with zeros around it where `x` is the smaller one."""
    pads = [0] * (2 * x.dim())
    for axis, wanted in zip(range(x.dim()) if axes is None else axes, ints(shape), strict=True):
        missing = wanted - x.shape[axis]
        before = missing // 2 if missing > 0 else -(-missing // 2)
        place = 2 * (x.dim() - 1 - axis % x.dim())  # torch's order: the last axis first
        pads[place : place + 2] = before, missing - before
    return functional.pad(x, pads)


@operator("Col2Im")
def col2im(
    columns: Tensor, image_shape: Tensor, block_shape: Tensor, *,
    dilations: Sequence[int] | None = None, pads: Sequence[int] | None = None, strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """(N, C · block elements, places) to (N, C, *image_shape); blocks that overlap are added up."""
    image, block = ints(image_shape), ints(block_shape)
    rank = len(image)
    dilations, strides = dilations or [1] * rank, strides or [1] * rank
    pads = pads or [0] * 2 * rank
    padded = [size + pads[i] + pads[rank + i] for i, size in enumerate(image)]
    line = torch.zeros((1, 1), dtype=torch.int64, device=columns.device)  # (block elements, places)
    for size, width, dilation, stride in zip(padded, block, dilations, strides, strict=True):
        within = torch.arange(width, device=columns.device) * dilation
        place = torch.arange(0, size - dilation * (width - 1), stride, device=columns.device)
        grid = within.unsqueeze(1) + place
        line = (line[:, None, :, None] * size + grid[None, :, None, :]).reshape(
            line.shape[0] * grid.shape[0], line.shape[1] * grid.shape[1]
        )
    values = columns.reshape(columns.shape[0], -1, line.numel())
    flat = values.new_zeros(*values.shape[:2], math.prod(padded)).index_add(2, line.reshape(-1), values)
    crops = [-pads[k * rank + i] for i in reversed(range(rank)) for k in (0, 1)]
    return functional.pad(flat.reshape(*values.shape[:2], *padded), crops)
