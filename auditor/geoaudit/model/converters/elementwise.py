"""How element by element operators are declared, with the attributes that their first versions had.

Before operator set 7 a binary operator broadcast its second input only, from `axis` on; before operator set 6 many
operators listed `consumed_inputs`, which says nothing of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from geoaudit.model.converters.operator import operator


def unary(name: str, function: Callable[[Tensor], Tensor]) -> None:
    """Declare an operator of one input and no attributes."""

    def apply(x: Tensor, *, consumed_inputs: Sequence[int] | None = None) -> Tensor:
        return function(x)

    operator(name)(apply)


def binary(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Declare an operator of two inputs that broadcast."""

    def apply(
        a: Tensor,
        b: Tensor,
        *,
        axis: int | None = None,
        broadcast: int = 0,
        consumed_inputs: Sequence[int] | None = None,
    ) -> Tensor:
        return function(a, b if axis is None else aligned(a, b, axis))

    operator(name)(apply)


def aligned(a: Tensor, b: Tensor, axis: int) -> Tensor:
    """`b` with its first axis at axis `axis` of `a`, and axes of length 1 behind it: it broadcasts against `a`."""
    first = axis % a.ndim
    return b.reshape(*b.shape, *[1] * (a.ndim - first - b.ndim))
