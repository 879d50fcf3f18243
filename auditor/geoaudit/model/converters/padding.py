"""Pad: what lies beyond the edges of a tensor.

Source: the operator's definitions in the ONNX specification.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters.operator import ints, operator
from geoaudit.model.converters.scalars import number

_MODES = ("reflect", "edge", "wrap")
_FUSED = {"reflect": "reflect", "edge": "replicate"}
"""Modes that torch has a faster function for, where only height and width are padded."""


@operator("Pad", since=1)
def pad_paddings(data: Tensor, *, paddings: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """`pad`, in its first version."""
    return pad(data, paddings, mode=mode, value=value)


@operator("Pad", since=2)
def pad(
    data: Tensor, pads: Tensor | Sequence[int], constant_value: Tensor | None = None, axes: Tensor | None = None, *,
    mode: str = "constant", value: float = 0.0,
) -> Tensor:  # fmt: skip
    """`data` with elements added at both ends of its axes, or taken away where a number is negative.

    Args:
        data: any shape and element type.
        pads: 2n integers, before each axis and then after each axis.
        constant_value: None, or one element that takes the place of `value`.
        axes: the n axes; None: all.
        mode: constant; reflect, edge or wrap, which read what negative numbers leave.
        value: what to add in mode constant.

    Raises:
        NotImplementedError: another mode.
    """
    counts = ints(pads)
    along = ints(axes) if axes is not None else list(range(data.dim()))
    pairs = [(0, 0)] * data.dim()
    for axis, before, after in zip(along, counts[: len(along)], counts[len(along) :], strict=True):
        pairs[axis] = (before, after)
    if mode == "constant":
        return _with_constant(data, pairs, value if constant_value is None else constant_value)
    if mode not in _MODES:
        raise NotImplementedError(f"Pad of mode {mode}")
    if min(counts, default=0) < 0:
        data = functional.pad(data, _flat([(min(b, 0), min(a, 0)) for b, a in pairs]))
    pairs = [(max(before, 0), max(after, 0)) for before, after in pairs]
    if mode in _FUSED and _spatial(data, pairs, mode):
        return functional.pad(data, _flat(pairs[2:]), mode=_FUSED[mode])
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            data = data.index_select(axis, _source(data, axis, before, after, mode))
    return data


def _spatial(data: Tensor, pairs: Sequence[tuple[int, int]], mode: str) -> bool:
    if data.dim() != 4 or not data.is_floating_point() or data.numel() == 0 or any(map(any, pairs[:2])):
        return False
    return mode != "reflect" or all(max(pair) < data.shape[axis] for axis, pair in enumerate(pairs))


def _with_constant(data: Tensor, pairs: Sequence[tuple[int, int]], value: Tensor | float) -> Tensor:
    if not isinstance(value, Tensor):
        return functional.pad(data, _flat(pairs), value=value)
    if not value.requires_grad:
        return functional.pad(data, _flat(pairs), value=number(value))
    inside = functional.pad(torch.ones_like(data, dtype=torch.bool), _flat(pairs))
    return torch.where(inside, functional.pad(data, _flat(pairs)), value.reshape(()))


def _flat(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Torch's order: the last axis first."""
    return [count for pair in reversed(pairs) for count in pair]


def _source(data: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    """Where each element of the padded axis is read from."""
    last = data.shape[axis] - 1
    place = torch.arange(-before, last + 1 + after, device=data.device)
    if mode == "edge" or last == 0:
        return place.clamp(0, last)
    if mode == "wrap":
        return place % (last + 1)
    return last - (place % (2 * last) - last).abs()
