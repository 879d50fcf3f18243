"""Activation functions.

Sources: the operators' definitions in the ONNX specification; onnxruntime where they leave a case open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters.elementwise import unary
from geoaudit.model.converters.operator import operator

_PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "Relu": functional.relu,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "Softplus": functional.softplus,
    "Softsign": functional.softsign,
    "Mish": functional.mish,
    "HardSwish": functional.hardswish,
    "Erf": torch.erf,
}
for _name, _function in _PLAIN.items():
    unary(_name, _function)


@operator("LeakyRelu")
def leaky_relu(x: Tensor, *, alpha: float = 0.01, consumed_inputs: Sequence[int] | None = None) -> Tensor:
    """x, times `alpha` below 0."""
    return functional.leaky_relu(x, alpha)


@operator("PRelu")
def prelu(x: Tensor, slope: Tensor, *, version: int, consumed_inputs: Sequence[int] | None = None) -> Tensor:
    """x, times `slope` below 0; before version 7 a slope of several values has one a channel."""
    if version < 7 and slope.numel() > 1:
        slope = slope.reshape(-1, *[1] * (x.ndim - 2))
    if x.is_floating_point() and x.ndim > 1 and slope.numel() in (1, _channels(x, slope)):
        return functional.prelu(x, slope.reshape(-1))
    return torch.where(x > 0, x, x * slope)


def _channels(x: Tensor, slope: Tensor) -> int:
    """The length of `slope` if it runs along the axis of channels alone, else 0."""
    shape = (1,) * (x.ndim - slope.ndim) + tuple(slope.shape)
    return shape[1] if shape == (1, x.shape[1], *(1,) * (x.ndim - 2)) else 0


@operator("Elu")
def elu(x: Tensor, *, alpha: float = 1.0, consumed_inputs: Sequence[int] | None = None) -> Tensor:
    """x, and alpha * (exp(x) - 1) below 0."""
    return functional.elu(x, alpha)


@operator("Selu", since=1)
def selu_1(
    x: Tensor, *, alpha: float = 1.6732, gamma: float = 1.0507, consumed_inputs: Sequence[int] | None = None
) -> Tensor:
    """Version 6 with rounded defaults."""
    return selu(x, alpha=alpha, gamma=gamma)


@operator("Selu", since=6)
def selu(x: Tensor, *, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875) -> Tensor:
    """gamma times the exponential linear unit."""
    return functional.elu(x, alpha) * gamma


@operator("Celu")
def celu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """x, and alpha * (exp(x / alpha) - 1) below 0."""
    return functional.celu(x, alpha)


@operator("Gelu", since=20)
def gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    """Gaussian error linear unit, exact or by tanh."""
    return functional.gelu(x, approximate=approximate)


@operator("Swish")
def swish(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """x * sigmoid(alpha * x)."""
    return functional.silu(x) if alpha == 1 else x * torch.sigmoid(alpha * x)


@operator("HardSigmoid")
def hard_sigmoid(
    x: Tensor, *, alpha: float = 0.2, beta: float = 0.5, consumed_inputs: Sequence[int] | None = None
) -> Tensor:
    """alpha * x + beta, within 0 and 1."""
    if beta == 0.5 and math.isclose(alpha, 1 / 6, rel_tol=1e-7):
        return functional.hardsigmoid(x)
    return functional.hardtanh(alpha * x + beta, 0.0, 1.0)


@operator("ThresholdedRelu")
def thresholded_relu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """x above `alpha`, else 0."""
    return functional.threshold(x, alpha, 0.0)


@operator("Shrink")
def shrink(x: Tensor, *, bias: float = 0.0, lambd: float = 0.5) -> Tensor:
    """x drawn by `bias` towards 0, and 0 within -lambd and lambd."""
    drawn = torch.where(x > lambd, x - bias, torch.where(x < -lambd, x + bias, 0))
    return drawn.to(x.dtype)


def _over_axis(name: str, function: Callable[[Tensor, int], Tensor]) -> None:
    """Declare a function over one axis, which before version 13 was over `axis` and all that follow."""

    def over_all(x: Tensor, *, axis: int = 1) -> Tensor:
        if x.ndim == 0 or axis % x.ndim == x.ndim - 1:
            return function(x, -1)
        return function(x.flatten(axis), -1).reshape(x.shape)

    def over_one(x: Tensor, *, axis: int = -1) -> Tensor:
        return function(x, axis)

    operator(name, since=1)(over_all)
    operator(name, since=13)(over_one)


def _hardmax(x: Tensor, axis: int) -> Tensor:
    largest = x.argmax(axis, keepdim=True)
    return torch.zeros_like(x).scatter(axis, largest, 1)


_over_axis("Softmax", torch.softmax)
_over_axis("LogSoftmax", torch.log_softmax)
_over_axis("Hardmax", _hardmax)
