"""Operators that pick elements by their values or by a mask, and dropout at inference.

Sources: the operators' definitions in the ONNX specification; onnxruntime where they leave a case open.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from geoaudit.model.converters.operator import ints, operator
from geoaudit.model.converters.scalars import number


@operator("TopK", since=1)
def top_k_1(x: Tensor, *, k: int, axis: int = -1) -> tuple[Tensor, Tensor]:
    """The `k` largest elements, sorted, and their indices."""
    return _top(x, k, axis, largest=True)


@operator("TopK", since=10)
def top_k(x: Tensor, k: Tensor, *, axis: int = -1, largest: int = 1, sorted: int = 1) -> tuple[Tensor, Tensor]:
    """The `k` largest or smallest elements and their indices; they are sorted also if they need not be."""
    return _top(x, ints(k)[0], axis, largest=bool(largest))


def _top(x: Tensor, k: int, axis: int, *, largest: bool) -> tuple[Tensor, Tensor]:
    # a stable sort, since of equal elements the first comes first, which torch.topk does not promise
    values, indices = torch.sort(x, dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, k), indices.narrow(axis, 0, k)


@operator("NonZero")
def non_zero(x: Tensor) -> Tensor:
    """The indices of the elements that are not 0: int64 of shape (rank, count)."""
    return (x if x.ndim else x.reshape(1)).nonzero().T


@operator("Compress")
def compress(x: Tensor, condition: Tensor, *, axis: int | None = None) -> Tensor:
    """The slices along `axis`, or the elements, where the condition holds; those beyond its end are left out."""
    chosen = condition.nonzero().reshape(-1)
    return x.reshape(-1).index_select(0, chosen) if axis is None else x.index_select(axis, chosen)


@operator("Unique")
def unique(x: Tensor, *, axis: int | None = None, sorted: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each value, or slice along `axis`, once; where it comes first, which one each is, and how often each comes."""
    if axis is None:
        x, axis = x.reshape(-1), 0
    found, inverse, counts = torch.unique(x, dim=axis, return_inverse=True, return_counts=True)
    positions = torch.arange(x.shape[axis], device=x.device)
    first = positions.new_full((found.shape[axis],), x.shape[axis]).scatter_reduce(0, inverse, positions, "amin")
    if not sorted:
        order = first.argsort()
        first, counts, inverse = first[order], counts[order], order.argsort()[inverse]
    return x.index_select(axis, first), first, inverse, counts


@operator("OneHot")
def one_hot(indices: Tensor, depth: Tensor, values: Tensor, *, axis: int = -1) -> Tensor:
    """values[1] at each index along a new axis of length `depth`, else values[0]; negative ones count from its end."""
    length = int(number(depth))
    places = torch.arange(length, device=indices.device)
    wanted = indices.to(torch.int64)
    wanted = torch.where(wanted < 0, wanted + length, wanted).unsqueeze(axis)
    behind = wanted.ndim - 1 - axis % wanted.ndim
    return torch.where(wanted == places.reshape(-1, *[1] * behind), values[1], values[0])


@operator("Dropout", since=1)
def dropout_1(
    x: Tensor, *, is_test: int = 0, ratio: float = 0.5, consumed_inputs: Sequence[int] | None = None
) -> tuple[Tensor, Tensor]:
    """x, and a mask of zeros as onnxruntime gives for all versions before 12.

    Raises:
        NotImplementedError: the node is in training mode.
    """
    if not is_test and ratio:
        raise NotImplementedError("Dropout in training mode (is_test=0)")
    return x, torch.zeros_like(x)


@operator("Dropout", since=7)
def dropout_7(x: Tensor, *, version: int, ratio: float = 0.5) -> tuple[Tensor, Tensor]:
    """x, and a mask of zeros, which are false from version 10 on."""
    return x, torch.zeros_like(x, dtype=x.dtype if version < 10 else torch.bool)


@operator("Dropout", since=12)
def dropout(
    x: Tensor, ratio: Tensor | None = None, training_mode: Tensor | None = None, *, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """x, and a mask of true.

    Raises:
        NotImplementedError: the node is in training mode, with a ratio that is not 0.
    """
    if training_mode is not None and number(training_mode) and (ratio is None or number(ratio)):
        raise NotImplementedError("Dropout in training mode (training_mode=true)")
    return x, torch.ones_like(x, dtype=torch.bool)
