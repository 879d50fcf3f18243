"""Masks of zeros and ones that let a derivative through."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from geoaudit.model.adjoint.tape import Tape

_FROM_ZERO = 2.0**126
_FLOAT = TensorProto.FLOAT


def gate(tape: Tape, g: str, y: str, low: float | None = None, high: float | None = None) -> str:
    """`g` where low < y < high, else 0.

    In float32 each side is a HardSigmoid so steep that no normal number lies on its slope: that is two passes over
    memory where a comparison, a cast and a product are three.

    Args:
        tape: where the nodes go.
        g: the tensor that is let through.
        y: a tensor of the model, of the same shape.
        low, high: the open interval; None for no bound.
    """
    for bound, above in ((low, True), (high, False)):
        if bound is not None:
            g = tape.op("Mul", g, _side(tape, y, bound, above))
    return g


def _side(tape: Tape, y: str, bound: float, above: bool) -> str:
    if tape.elem_type(y) == _FLOAT:
        steep = _FROM_ZERO if bound == 0 else float(1 / np.spacing(np.float32(abs(bound) / 2)))
        sign = 1 if above else -1
        if np.isfinite(np.float32(steep * bound)):
            return tape.op("HardSigmoid", y, alpha=sign * steep, beta=-sign * steep * bound)
    compared = tape.op("Greater" if above else "Less", y, tape.number(bound, y))
    return mask(tape, compared, y)


def mask(tape: Tape, condition: str, like: str) -> str:
    """A condition as zeros and ones of the element type of the model's tensor `like`."""
    return tape.op("Cast", condition, to=tape.elem_type(like))
