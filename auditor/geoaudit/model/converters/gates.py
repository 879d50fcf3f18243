"""The activation functions that recurrent layers name in their attributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

Activation = Callable[[Tensor], Tensor]

_FUNCTIONS: dict[str, tuple[Callable[..., Tensor], tuple[float, ...]]] = {
    "sigmoid": (torch.sigmoid, ()),
    "tanh": (torch.tanh, ()),
    "relu": (torch.relu, ()),
    "softsign": (functional.softsign, ()),
    "softplus": (functional.softplus, ()),
    "affine": (lambda x, alpha, beta: alpha * x + beta, (0.0, 0.0)),
    "leakyrelu": (functional.leaky_relu, (0.01,)),
    "thresholdedrelu": (lambda x, alpha: torch.where(x > alpha, x, 0.0), (0.0,)),
    "scaledtanh": (lambda x, alpha, beta: alpha * torch.tanh(beta * x), (0.0, 0.0)),
    "hardsigmoid": (lambda x, alpha, beta: torch.clamp(alpha * x + beta, 0.0, 1.0), (0.2, 0.5)),
    "elu": (functional.elu, (1.0,)),
}
"""By name in lower case: the function, and onnxruntime's defaults of its alpha and beta as far as it has them."""


def gate_functions(
    names: Sequence[str] | None, defaults: Sequence[str], count: int, alphas: Sequence[float], betas: Sequence[float],
    clip: float | None,
) -> list[Activation]:  # fmt: skip
    """The functions of all directions; each takes its alpha and beta from the lists if it has such."""
    left = [list(alphas), list(betas)]
    made: list[Activation] = []
    for name in names or list(defaults) * count:
        if name.lower() not in _FUNCTIONS:
            raise NotImplementedError(f"activation {name}")
        function, numbers = _FUNCTIONS[name.lower()]
        chosen = [values.pop(0) if values else number for values, number in zip(left, numbers, strict=False)]
        gate = len(made) % len(defaults) < 2  # the third of an LSTM reads the cell, which onnxruntime does not clip
        made.append(partial(_apply, function, chosen, clip if gate else None))
    return made


def _apply(function: Callable[..., Tensor], numbers: Sequence[float], clip: float | None, x: Tensor) -> Tensor:
    return function(x if clip is None else x.clamp(-clip, clip), *numbers)
