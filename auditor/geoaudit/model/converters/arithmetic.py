"""Arithmetic element by element, cumulative sums and products, and the determinant.

Sources: the operators' definitions in the ONNX specification; onnxruntime where they leave a case open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters.elementwise import aligned, binary, unary
from geoaudit.model.converters.operator import ints, operator
from geoaudit.model.converters.scalars import number

_FLOAT32 = torch.finfo(torch.float32).max


def square_root(x: Tensor) -> Tensor:
    """The square root; its derivative at 0, which is infinite, is taken as 0."""
    zero = x == 0
    return x.masked_fill(zero, 1).sqrt().masked_fill(zero, 0)


def divide(a: Tensor, b: Tensor) -> Tensor:
    """a / b; integers are rounded towards 0."""
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


_OF_ONE: dict[str, Callable[[Tensor], Tensor]] = {
    "Neg": torch.neg,
    "Abs": torch.abs,
    "Sqrt": square_root,
    "Reciprocal": torch.reciprocal,
    "Exp": torch.exp,
    "Log": torch.log,
    "Floor": torch.floor,
    "Ceil": torch.ceil,
    "Round": torch.round,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Tan": torch.tan,
    "Asin": torch.asin,
    "Acos": torch.acos,
    "Atan": torch.atan,
    "Sinh": torch.sinh,
    "Cosh": torch.cosh,
    "Asinh": torch.asinh,
    "Acosh": torch.acosh,
    "Atanh": torch.atanh,
    "BitwiseNot": torch.bitwise_not,
}
_OF_TWO: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": divide,
    "BitwiseAnd": torch.bitwise_and,
    "BitwiseOr": torch.bitwise_or,
    "BitwiseXor": torch.bitwise_xor,
}
for _name, _unary in _OF_ONE.items():
    unary(_name, _unary)
for _name, _binary in _OF_TWO.items():
    binary(_name, _binary)


def _variadic(name: str, function: Callable[..., Tensor]) -> None:
    def apply(*tensors: Tensor, consumed_inputs: Sequence[int] | None = None) -> Tensor:
        return function(*tensors)

    operator(name)(apply)


_variadic("Min", lambda *tensors: reduce(torch.minimum, tensors))
_variadic("Max", lambda *tensors: reduce(torch.maximum, tensors))
_variadic("Sum", lambda *tensors: reduce(torch.add, tensors))
_variadic("Mean", lambda *tensors: reduce(torch.add, tensors) / len(tensors))


@operator("Pow")
def power(x: Tensor, y: Tensor, *, axis: int | None = None, broadcast: int = 0) -> Tensor:
    """x to the power of y, in the type of x; at x = 0 an infinite derivative of a root is taken as 0."""
    if axis is not None:
        y = aligned(x, y, axis)
    if not x.is_floating_point():
        return torch.pow(x.double(), y.double()).to(x.dtype) if y.is_floating_point() else torch.pow(x, y)
    if y.numel() == 1 and y.ndim <= x.ndim and not y.requires_grad:
        return _power_of_number(x, number(y))
    steep = (x == 0) & (y > 0) & (y < 1)
    return torch.where(steep, 0, torch.pow(torch.where(steep, 1, x), y)).to(x.dtype)


def _power_of_number(x: Tensor, y: float) -> Tensor:
    if not 0 < y < 1:
        return torch.pow(x, y)
    zero = x == 0
    return torch.pow(x.masked_fill(zero, 1), y).masked_fill(zero, 0)


@operator("Mod")
def modulo(a: Tensor, b: Tensor, *, fmod: int = 0) -> Tensor:
    """The remainder of a / b, with the sign of b, or with `fmod` that of a."""
    return torch.fmod(a, b) if fmod else torch.remainder(a, b)


@operator("BitShift")
def bit_shift(x: Tensor, y: Tensor, *, direction: str) -> Tensor:
    """The bits of x moved by y places."""
    return torch.bitwise_left_shift(x, y) if direction == "LEFT" else torch.bitwise_right_shift(x, y)


@operator("Clip", since=1)
def clip_by_attributes(
    x: Tensor, *, min: float | None = None, max: float | None = None, consumed_inputs: Sequence[int] | None = None
) -> Tensor:
    """x within two numbers."""
    top = torch.finfo(x.dtype).max  # bounds beyond a small format's range are no bounds
    return _within(x, None if min is None or min < -top else min, None if max is None or max > top else max)


@operator("Clip", since=6)
def clip_by_float32(x: Tensor, *, min: float = -_FLOAT32, max: float = _FLOAT32) -> Tensor:
    """x within two numbers, which by default leave out infinities."""
    return clip_by_attributes(x, min=min, max=max)


@operator("Clip", since=11)
def clip(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """x within bounds that may be computed; where they cross, the upper one."""
    if any(bound is not None and bound.requires_grad for bound in (low, high)):
        return torch.clamp(x, *(None if bound is None else bound.reshape(()) for bound in (low, high)))
    return _within(x, None if low is None else number(low), None if high is None else number(high))


def _within(x: Tensor, low: float | None, high: float | None) -> Tensor:
    """x within bounds; at a bound the derivative is that of torch's ReLU and ReLU6, 0."""
    if low is None and high is None:
        return x
    if not x.is_floating_point():
        return torch.clamp(x, low, high)
    if low is not None and high is not None and low < high:
        return functional.hardtanh(x, low, high)
    if low is not None and high is None:
        return functional.threshold(x, low, low)
    return torch.clamp(x, low, high)


@operator("CumSum")
def cumulative_sum(x: Tensor, axis: Tensor, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
    """Sums of the elements up to each along `axis`, with or without it, from the start or the end."""
    (along,) = ints(axis)
    return _running(x, along, exclusive, reverse, 0, torch.cumsum)


@operator("CumProd")
def cumulative_product(x: Tensor, axis: Tensor, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
    """Products of the elements up to each along `axis`, with or without it, from the start or the end."""
    (along,) = ints(axis)
    return _running(x, along, exclusive, reverse, 1, torch.cumprod)


def _running(
    x: Tensor, axis: int, exclusive: int, reverse: int, neutral: int, function: Callable[..., Tensor]
) -> Tensor:
    if reverse:
        x = x.flip(axis)
    if exclusive and x.shape[axis]:
        x = torch.cat([torch.full_like(x.narrow(axis, 0, 1), neutral), x.narrow(axis, 0, x.shape[axis] - 1)], axis)
    x = function(x, axis, dtype=x.dtype)
    return x.flip(axis) if reverse else x


@operator("Det")
def determinant(x: Tensor) -> Tensor:
    """The determinant of the matrices in the last two axes."""
    small = x.dtype in (torch.float16, torch.bfloat16)
    found: Tensor = torch.linalg.det(x.float() if small else x)
    return found.to(x.dtype)
