"""Operators that change a tensor's shape, or read it.

Shapes, axes and repeats come as int64 tensors or, in older versions of the same operator, as attributes; one function
takes both.  Sources: the operators' definitions in the ONNX specification.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from geoaudit.model.converters.operator import ints, operator

Ints = Tensor | Sequence[int]


@operator("Identity")
def identity(x: Any) -> tuple[Any]:
    """The very value given: a tensor, a sequence, or None for an empty optional."""
    return (x,)


@operator("Shape")
def shape_of(data: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    """The sizes of axes `start` up to `end`, both clamped to the rank, as int64 of shape (axes,)."""
    return torch.tensor(data.shape[start:end], dtype=torch.int64, device=data.device)


@operator("Size")
def size_of(data: Tensor) -> Tensor:
    """The number of elements, an int64 scalar."""
    return torch.tensor(data.numel(), dtype=torch.int64, device=data.device)


@operator("Reshape")
def reshape(data: Tensor, shape: Ints, *, allowzero: int = 0, consumed_inputs: Sequence[int] = ()) -> Tensor:
    """`data` in the shape given; one -1 is worked out, and 0 copies the size of that axis unless `allowzero`."""
    wanted = ints(shape)
    if not allowzero:
        wanted = [size or data.shape[axis] for axis, size in enumerate(wanted)]
    return data.reshape(wanted)


@operator("Flatten")
def flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    """A matrix: the axes before `axis`, and the others."""
    lead = x.shape[:axis]
    return x.reshape(math.prod(lead), math.prod(x.shape[len(lead) :]))


@operator("Squeeze")
def squeeze(data: Tensor, axes: Ints | None = None) -> Tensor:
    """`data` without the axes given, or without every axis of size 1.

    Raises:
        ValueError: an axis to be removed is not of size 1.
    """
    gone = ints(axes) if axes is not None else []
    if not gone:
        return data.squeeze()
    if any(data.shape[axis] != 1 for axis in gone):
        raise ValueError(f"axes {gone} of a tensor of shape {tuple(data.shape)} are not all of size 1")
    return data.squeeze(gone)


@operator("Unsqueeze")
def unsqueeze(data: Tensor, axes: Ints) -> Tensor:
    """`data` with axes of size 1 at these places of the result."""
    wanted = ints(axes)
    rank = data.dim() + len(wanted)
    for axis in sorted(a % rank for a in wanted):
        data = data.unsqueeze(axis)
    return data


@operator("Transpose")
def transpose(data: Tensor, *, perm: Sequence[int] | None = None) -> Tensor:
    """The axes in the order `perm`, or reversed."""
    return data.permute(tuple(range(data.dim()))[::-1] if perm is None else tuple(perm))


@operator("Expand")
def expand(x: Tensor, shape: Tensor) -> Tensor:
    """`x` broadcast together with a tensor of that shape: an axis of `x` may well be the longer one."""
    wanted = ints(shape)
    own = [1] * (len(wanted) - x.dim()) + list(x.shape)
    wanted = [1] * (len(own) - len(wanted)) + wanted
    return x.expand([a if b == 1 else b for a, b in zip(own, wanted, strict=True)])


@operator("Tile", since=1)
def tile_axis(x: Tensor, tiles: Tensor, axis: Tensor) -> Tensor:
    """`x` repeated `tiles` times along one axis."""
    repeats = [1] * x.dim()
    repeats[int(axis)] = int(tiles)
    return x.repeat(repeats)


@operator("Tile", since=6)
def tile(x: Tensor, repeats: Tensor) -> Tensor:
    """`x` repeated along every axis."""
    return x.repeat(ints(repeats))


@operator("Concat")
def concat(*inputs: Tensor, axis: int = 1) -> Tensor:
    """The tensors one after the other; they agree in all axes but `axis`."""
    return torch.cat(inputs, axis)


@operator("Split")
def split(
    x: Tensor, split: Ints | None = None, *, axis: int = 0, num_outputs: int | None = None, outputs: int
) -> tuple[Tensor, ...]:
    """Views of `x`, of the sizes given or equal ones; what does not divide evenly makes the last one smaller."""
    if split is not None:
        return torch.split(x, ints(split), axis)
    size = x.shape[axis]
    parts = num_outputs or outputs
    step = -(-size // parts)
    return torch.split(x, [max(0, min(step, size - i * step)) for i in range(parts)], axis)
