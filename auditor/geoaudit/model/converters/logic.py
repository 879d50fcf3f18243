"""Comparisons, logic and choice element by element.

Sources: the operators' definitions in the ONNX specification; onnxruntime where they leave a case open.
"""

from __future__ import annotations

import torch
from torch import Tensor

from geoaudit.model.converters.elementwise import binary, unary
from geoaudit.model.converters.operator import operator

for _name, _function in {
    "And": torch.logical_and,
    "Or": torch.logical_or,
    "Xor": torch.logical_xor,
    "Equal": torch.eq,
    "Less": torch.lt,
    "Greater": torch.gt,
    "LessOrEqual": torch.le,
    "GreaterOrEqual": torch.ge,
}.items():
    binary(_name, _function)

unary("Not", torch.logical_not)
unary("IsNaN", torch.isnan)


@operator("IsInf")
def is_inf(x: Tensor, *, detect_negative: int = 1, detect_positive: int = 1) -> Tensor:
    """Where x is infinite, of the signs asked for."""
    if detect_negative and detect_positive:
        return torch.isinf(x)
    if detect_positive:
        return torch.isposinf(x)
    return torch.isneginf(x) if detect_negative else torch.zeros_like(x, dtype=torch.bool)


@operator("Where")
def where(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """x where the condition holds, else y."""
    return torch.where(condition, x, y)
