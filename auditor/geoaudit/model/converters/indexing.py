"""Operators that pick elements by index, and those that put them.

Negative indices count from the end.  Gradients flow to the data and to the updates.  Sources: the operators'
definitions in the ONNX specification.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from geoaudit.model.converters.operator import ints, operator

_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _wrapped(indices: Tensor, size: int) -> Tensor:
    indices = indices.to(torch.int64)
    return torch.where(indices < 0, indices + size, indices)


@operator("Gather")
def gather(data: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    """Slices of `data` along `axis`; the shape of `indices` takes that axis's place."""
    axis %= data.dim()
    picked = data.index_select(axis, _wrapped(indices, data.shape[axis]).reshape(-1))
    return picked.reshape(data.shape[:axis] + indices.shape + data.shape[axis + 1 :])


@operator("GatherElements")
def gather_elements(data: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    """One element of `data` for each index, which replaces the coordinate along `axis`; shape of `indices`."""
    return data.gather(axis, _wrapped(indices, data.shape[axis]))


@operator("GatherND")
def gather_nd(data: Tensor, indices: Tensor, *, batch_dims: int = 0) -> Tensor:
    """The slice of `data` for each tuple in the last axis of `indices`, within each of the leading `batch_dims`."""
    rank = indices.dim() - 1
    batch = [
        torch.arange(indices.shape[i], device=data.device).reshape([-1 if i == j else 1 for j in range(rank)])
        for i in range(batch_dims)
    ]
    return data[(*batch, *indices.to(torch.int64).unbind(-1))]


@operator("Scatter")
@operator("ScatterElements")
def scatter_elements(
    data: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0, reduction: str = "none"
) -> Tensor:
    """`data` with `updates` put, or reduced into, where `indices` replaces the coordinate along `axis`.

    Raises:
        NotImplementedError: a reduction that the operator does not define.
    """
    index = _wrapped(indices, data.shape[axis])
    return data.scatter(axis, index, updates) if reduction == "none" else _reduce(data, axis, index, updates, reduction)


@operator("ScatterND")
def scatter_nd(data: Tensor, indices: Tensor, updates: Tensor, *, reduction: str = "none") -> Tensor:
    """`data` with slices put, or reduced into, at the tuples in the last axis of `indices`.

    Raises:
        NotImplementedError: a reduction that the operator does not define.
    """
    coordinates = indices.to(torch.int64).unbind(-1)
    if reduction == "none" or (reduction == "add" and data.dtype != torch.bool):
        return data.index_put(coordinates, updates, accumulate=reduction == "add")
    leading, rest = data.shape[: len(coordinates)], data.shape[len(coordinates) :]
    line = torch.zeros((), dtype=torch.int64, device=data.device)
    for coordinate, size in zip(coordinates, leading, strict=True):
        line = line * size + _wrapped(coordinate, size)
    flat = data.reshape(math.prod(leading), math.prod(rest))
    index = line.reshape(-1, 1).expand(-1, flat.shape[1])
    return _reduce(flat, 0, index, updates.reshape(index.shape), reduction).reshape(data.shape)


def _reduce(data: Tensor, axis: int, index: Tensor, updates: Tensor, reduction: str) -> Tensor:
    if reduction not in _REDUCTIONS:
        raise NotImplementedError(f"reduction {reduction}")
    if data.dtype == torch.bool:  # sums and products of truth values are "or" and "and"
        logical = {"add": "max", "mul": "min"}.get(reduction, reduction)
        return _reduce(data.to(torch.uint8), axis, index, updates.to(torch.uint8), logical).to(torch.bool)
    return data.scatter_reduce(axis, index, updates, _REDUCTIONS[reduction])


@operator("TensorScatter")
def tensor_scatter(
    cache: Tensor, update: Tensor, places: Tensor | None = None, *, axis: int = -2, mode: str = "linear"
) -> Tensor:
    """`cache` with `update` written along `axis` from `places` on, one int64 for each sample of the batch (or 0).

    Raises:
        NotImplementedError: a mode other than linear and circular.
    """
    if mode not in ("linear", "circular"):
        raise NotImplementedError(f"mode {mode}")
    steps = torch.arange(update.shape[axis], device=cache.device)
    index = steps.unsqueeze(0) if places is None else places.to(torch.int64).unsqueeze(1) + steps
    if mode == "circular":
        index = index % cache.shape[axis]
    sample = torch.arange(cache.shape[0], device=cache.device).unsqueeze(1)
    made = cache.movedim(axis, 1).index_put((sample, index), update.movedim(axis, 1))
    return made.movedim(1, axis)


@operator("Slice")
def slice_axes(
    data: Tensor,
    starts: Tensor | Sequence[int],
    ends: Tensor | Sequence[int],
    axes: Tensor | Sequence[int] | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    """Every `steps`-th slice from `starts` up to `ends`, exclusive, clamped to the axes' sizes."""
    first, last = ints(starts), ints(ends)
    along = ints(axes) if axes is not None else list(range(len(first)))
    strides = ints(steps) if steps is not None else [1] * len(first)
    index = [slice(None)] * data.dim()
    for axis, *bounds in zip(along, first, last, strides, strict=True):
        index[axis] = _forwards(data.shape[axis], *bounds)
    made = data[tuple(index)]
    backwards = [axis for axis, stride in zip(along, strides, strict=True) if stride < 0]
    return made.flip(backwards) if backwards else made


def _forwards(size: int, start: int, end: int, step: int) -> slice:
    """The elements that a slice of an axis takes, from low to high: torch has no negative steps."""
    start, end = (v + size if v < 0 else v for v in (start, end))
    if step > 0:
        start = min(max(start, 0), size)
        return slice(start, max(min(end, size), start), min(step, size + 1))
    taken = range(min(max(start, 0), size - 1), min(max(end, -1), size - 1), step)
    return slice(taken[-1], taken[0] + 1, min(-step, size + 1)) if taken else slice(0, 0)


@operator("Trilu")
def trilu(x: Tensor, k: Tensor | None = None, *, upper: int = 1) -> Tensor:
    """The upper or lower triangle of the last two axes, from the `k`-th diagonal on; zeros elsewhere."""
    diagonal = 0 if k is None else int(k)
    return x.triu(diagonal) if upper else x.tril(diagonal)
