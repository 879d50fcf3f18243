"""Where the adjoint begins: the derivative of the explained scalar with respect to the tensor that is read."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from geoaudit.model.adjoint.tape import Tape
from geoaudit.model.explain import LEAST, Space
from geoaudit.model.head import Head

CHOSEN = "adjoint/chosen"
"""The input that holds 1 for each image's target and 0 elsewhere, float64, shape (m, classes)."""


def seed(tape: Tape, output: str, head: Head, space: Space) -> str:
    """The cotangent of the model's output, formed in float64 as `explain.values_torch` is differentiated.

    Args:
        tape: where the nodes go.
        output: the model's output, m * `head.numbers` elements.
        head: how the numbers are read.
        space: the explained scalar.

    Returns:
        A tensor of the output's shape and type.
    """
    shape = tape.shape(output)
    wide = tape.op("Cast", tape.reshape(output, (shape[0], head.numbers)), to=TensorProto.DOUBLE)
    binary = head.kind == "binary"
    if binary:
        other = tape.op("Sub", _double(tape, 1.0), wide) if head.tail == "Probabilities" else tape.op("Neg", wide)
        wide = tape.op("Concat", other, wide, axis=1)
    slope = _slope(tape, wide, head.tail, space)
    if binary:
        ends = tape.constant(np.array([[-1.0], [1.0]]))
        slope = tape.op("MatMul", slope, ends)
    return tape.op("Cast", tape.reshape(slope, shape), to=tape.elem_type(output))


def _slope(tape: Tape, z: str, tail: str | None, space: Space) -> str:
    """The derivative with respect to rows of one score a class."""
    if tail == "Probabilities" and space != "probability":
        least = _double(tape, LEAST)
        kept = tape.op("Cast", tape.op("Not", tape.op("Less", z, least)), to=TensorProto.DOUBLE)
        inner = _of_scores(tape, z, tail, space)
        return tape.op("Div", tape.op("Mul", inner, kept), tape.op("Max", z, least))
    return _of_scores(tape, z, tail, space)


def _of_scores(tape: Tape, z: str, tail: str | None, space: Space) -> str:
    itself = {"Probabilities": ("logit", "probability", "log-probability"), "Sigmoid": ("logit", "margin")}
    if space in itself.get(tail or "", ("logit",)):
        return CHOSEN
    if space == "margin":
        return tape.op("Sub", CHOSEN, _strongest_other(tape, z))
    if tail == "Sigmoid":
        rest = tape.op("Sigmoid", tape.op("Neg", z))
        slope = tape.op("Mul", rest, tape.op("Sigmoid", z)) if space == "probability" else rest
        return tape.op("Mul", CHOSEN, slope)
    shares = tape.op("Softmax", z, axis=1)
    slope = tape.op("Sub", CHOSEN, shares)
    if space == "log-probability":
        return slope
    return tape.op("Mul", slope, tape.reduce("ReduceSum", tape.op("Mul", CHOSEN, shares), [1]))


def _strongest_other(tape: Tape, z: str) -> str:
    """1 for the largest other score, shared evenly among equal ones."""
    chosen = tape.op("Greater", CHOSEN, _double(tape, 0.5))
    others = tape.op("Where", chosen, _double(tape, -np.inf), z)
    largest = tape.op("Equal", others, tape.reduce("ReduceMax", others, [1]))
    ones = tape.op("Cast", largest, to=TensorProto.DOUBLE)
    return tape.op("Div", ones, tape.reduce("ReduceSum", ones, [1]))


def _double(tape: Tape, value: float) -> str:
    return tape.constant(np.array(value, dtype=np.float64))
