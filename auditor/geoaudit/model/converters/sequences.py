"""Sequences, held as Python lists of tensors, and optional values, held as the value or None.

A list is returned in a tuple of one: it is one output.  Sources: the operators' definitions in the ONNX specification.
"""

from __future__ import annotations

from typing import Any

import torch
from onnx import TypeProto
from torch import Tensor

from geoaudit.model.converters.operator import ints, operator

Tensors = list[Tensor]


@operator("SequenceEmpty")
def sequence_empty(*, dtype: int = 1) -> tuple[Tensors]:
    """A sequence of nothing, whatever the element type."""
    return ([],)


@operator("SequenceConstruct")
def sequence_construct(*inputs: Tensor) -> tuple[Tensors]:
    """The tensors as a sequence."""
    return (list(inputs),)


@operator("SequenceAt")
def sequence_at(sequence: Tensors, position: Tensor) -> Tensor:
    """One tensor of the sequence; negative positions count from the end."""
    return sequence[int(position)]


@operator("SequenceInsert")
def sequence_insert(sequence: Tensors, tensor: Tensor, position: Tensor | None = None) -> tuple[Tensors]:
    """The sequence with a tensor before `position`, or at the end."""
    made = list(sequence)
    made.insert(len(made) if position is None else int(position), tensor)
    return (made,)


@operator("SequenceErase")
def sequence_erase(sequence: Tensors, position: Tensor | None = None) -> tuple[Tensors]:
    """The sequence without one tensor, the last if `position` is None."""
    made = list(sequence)
    del made[-1 if position is None else int(position)]
    return (made,)


@operator("SequenceLength")
def sequence_length(sequence: Tensors) -> Tensor:
    """The number of tensors, an int64 scalar."""
    return torch.tensor(len(sequence), device=sequence[0].device if sequence else None)


@operator("ConcatFromSequence")
def concat_from_sequence(sequence: Tensors, *, axis: int, new_axis: int = 0) -> Tensor:
    """The sequence's tensors one after the other along `axis`, which is a new one if `new_axis`."""
    return torch.stack(sequence, axis) if new_axis else torch.cat(sequence, axis)


@operator("SplitToSequence")
def split_to_sequence(x: Tensor, split: Tensor | None = None, *, axis: int = 0, keepdims: int = 1) -> tuple[Tensors]:
    """Parts of `x` along `axis`: of the sizes given, of one size (the last may be smaller), or of size 1.

    `keepdims` 0 takes `axis` away unless sizes are listed or the one size is not 1: so does onnxruntime, while the
    specification keeps it where any size is given.
    """
    sizes = 1 if split is None else ints(split) if split.dim() else int(split)
    if sizes == 1 and not keepdims:
        return (list(torch.unbind(x, axis)),)
    return (list(torch.split(x, sizes, axis)),)


@operator("Optional")
def optional(value: Any = None, *, type: TypeProto | None = None) -> tuple[Any]:
    """The value, or None for the empty optional of a type."""
    return (value,)


@operator("OptionalHasElement")
def optional_has_element(value: Any = None) -> Tensor:
    """Whether there is a value, a bool scalar."""
    return torch.tensor(value is not None, device=value.device if isinstance(value, Tensor) else None)


@operator("OptionalGetElement")
def optional_get_element(value: Any) -> tuple[Any]:
    """The value of an optional that has one."""
    return (value,)
