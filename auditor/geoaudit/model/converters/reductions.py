"""Reductions over axes, and what normalises by one.

Sources: the operators' definitions in the ONNX specification; onnxruntime where they leave a case open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from geoaudit.model.converters.arithmetic import square_root
from geoaudit.model.converters.operator import ints, operator

Reduction = Callable[[Tensor, list[int], bool], Tensor]
"""Tensor, axes and whether to keep them (of length 1), to the reduced tensor, of any type."""


def _declare(name: str, reduction: Reduction) -> None:
    """Declare a reduction; its axes are an attribute in old versions and an input in new ones."""

    def reduce(
        x: Tensor, axes: Tensor | Sequence[int] | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Tensor:
        dims = ints(axes) if axes is not None else []
        if not dims and (noop_with_empty_axes or x.ndim == 0):
            return reduction(x.unsqueeze(-1), [-1], False).to(x.dtype)
        return reduction(x, dims or list(range(x.ndim)), bool(keepdims)).to(x.dtype)

    operator(name)(reduce)


def _sum(x: Tensor, dims: list[int], keep: bool) -> Tensor:
    return x.sum(dims, keep, dtype=x.dtype)


def _mean(x: Tensor, dims: list[int], keep: bool) -> Tensor:
    if x.is_floating_point() and x.numel():
        return x.mean(dims, keep)
    total = x.sum(dims, keep)
    count = max(1, x.numel() // max(1, total.numel()))
    return torch.div(total, count, rounding_mode="trunc")


def _product(x: Tensor, dims: list[int], keep: bool) -> Tensor:
    for dim in sorted((d % x.ndim for d in dims), reverse=True):
        x = x.prod(dim, keep, dtype=x.dtype)
    return x


def _largest(x: Tensor, dims: list[int], keep: bool) -> Tensor:
    return x.amax(dims, keep) if _has_values(x, dims) else _of_nothing(x, dims, keep, smallest=True)


def _smallest(x: Tensor, dims: list[int], keep: bool) -> Tensor:
    return x.amin(dims, keep) if _has_values(x, dims) else _of_nothing(x, dims, keep, smallest=False)


def _has_values(x: Tensor, dims: list[int]) -> bool:
    return all(x.shape[dim] for dim in dims)


def _of_nothing(x: Tensor, dims: list[int], keep: bool, *, smallest: bool) -> Tensor:
    """The reduction over no values: the end of the type's range that any value would replace."""
    shape = x.sum(dims, keep).shape
    if x.dtype == torch.bool:
        return x.new_full(shape, not smallest)
    if x.is_floating_point():
        return x.new_full(shape, -torch.inf if smallest else torch.inf)
    limits = torch.iinfo(x.dtype)
    return x.new_full(shape, limits.min if smallest else limits.max)


def _floating(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.double()


for _name, _reduction in {
    "ReduceSum": _sum,
    "ReduceMean": _mean,
    "ReduceProd": _product,
    "ReduceMax": _largest,
    "ReduceMin": _smallest,
    "ReduceL1": lambda x, dims, keep: x.abs().sum(dims, keep),
    "ReduceL2": lambda x, dims, keep: torch.linalg.vector_norm(_floating(x), 2, dims, keep),
    "ReduceSumSquare": lambda x, dims, keep: x.square().sum(dims, keep),
    "ReduceLogSum": lambda x, dims, keep: _floating(x).sum(dims, keep).log(),
    "ReduceLogSumExp": lambda x, dims, keep: torch.logsumexp(_floating(x), dims, keep),
}.items():
    _declare(_name, _reduction)


def _declare_index(name: str, choose: Callable[[Tensor, int, bool], Tensor]) -> None:
    """Declare the index of an extremum: the first one, or the last."""

    def index(x: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
        if select_last_index:
            return x.shape[axis] - 1 - choose(x.flip(axis), axis, bool(keepdims))
        return choose(x, axis, bool(keepdims))

    operator(name)(index)


_declare_index("ArgMax", torch.argmax)
_declare_index("ArgMin", torch.argmin)


@operator("LpNormalization")
def lp_normalization(x: Tensor, *, axis: int = -1, p: int = 2) -> Tensor:
    """x over its norm along `axis`; 0 where that is 0."""
    norm: Tensor = torch.linalg.vector_norm(x, p, axis, keepdim=True)
    return x / norm.masked_fill(norm == 0, 1)


@operator("MeanVarianceNormalization")
def mean_variance_normalization(x: Tensor, *, axes: Sequence[int] = (0, 2, 3)) -> Tensor:
    """x shifted to mean 0 and scaled to deviation 1 over `axes`."""
    centred = x - x.mean(tuple(axes), keepdim=True)
    deviation = square_root(centred.square().mean(tuple(axes), keepdim=True))
    return centred / (deviation + 1e-9)
