"""Linear maps along one axis, backwards: what copied, dropped or mixed elements of an axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geoaudit.model.adjoint.tape import Array, Shape, Tape

_MOST_COPIES = 8


def copied_back(tape: Tape, g: str, shape: Shape, axis: int, places: Sequence[int], length: int, like: str) -> str:
    """The adjoint of reading an axis at `places`.

    Args:
        tape: where the nodes go.
        g: the cotangent of what was read, of shape `shape`.
        shape: its shape.
        axis: which axis, not negative.
        places: where each of its elements was read, in [0, length); -1 for one that was not read but made up.
        length: elements along the axis before.
        like: a tensor of the model that has the element type.
    """
    at = np.asarray(places, dtype=np.int64)
    if np.array_equal(at, np.arange(length)):
        return g
    if len(at) and at[0] >= 0 and np.array_equal(at, np.arange(at[0], at[0] + len(at))):
        pads = np.zeros((2, len(shape)), dtype=np.int64)
        pads[:, axis] = at[0], length - at[0] - len(at)
        return tape.op("Pad", g, tape.constant(pads.reshape(-1)))
    copies = [np.flatnonzero(at == place) for place in range(length)]
    most = max((len(found) for found in copies), default=0)
    if most > _MOST_COPIES:
        matrix = (at[:, None] == np.arange(length)).astype(np.float64)
        return mixed_back(tape, g, shape, axis, matrix, like)
    beyond = np.zeros((2, len(shape)), dtype=np.int64)
    beyond[1, axis] = 1
    padded = tape.op("Pad", g, tape.constant(beyond.reshape(-1)))
    total = ""
    for turn in range(most):
        chosen = [int(found[turn]) if turn < len(found) else len(at) for found in copies]
        part = tape.op("Gather", padded, tape.ints(chosen), axis=axis)
        total = tape.op("Add", total, part) if total else part
    return total


def mixed_back(tape: Tape, g: str, shape: Shape, axis: int, matrix: Array, like: str) -> str:
    """The adjoint of multiplying an axis by a matrix.

    Args:
        tape: where the nodes go.
        g: the cotangent of the product, of shape `shape`.
        shape: its shape.
        axis: which axis, not negative.
        matrix: shape (elements after, elements before).
        like: a tensor of the model that has the element type.
    """
    before = int(np.prod(shape[:axis]))
    flat = tape.reshape(g, (before, shape[axis], int(np.prod(shape[axis + 1 :]))))
    made = tape.op("MatMul", tape.constant(matrix.T.astype(tape.dtype(like))), flat)
    return tape.reshape(made, (*shape[:axis], matrix.shape[1], *shape[axis + 1 :]))
