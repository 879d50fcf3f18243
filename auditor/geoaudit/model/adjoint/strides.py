"""Elements moved apart by a stride: with zeros in between, or one phase of a picture between the others."""

from __future__ import annotations

from collections.abc import Sequence

from geoaudit.model.adjoint.tape import Move, Shape, Tape


def spread(tape: Tape, x: str, shape: Shape, strides: Sequence[int]) -> str:
    """A tensor of shape (n, channels, *sides) with zeros behind each element, shape (n, channels, *sides * strides)."""
    sides = shape[2:]
    first = tape.reshape(x, (*shape[:2], *(size for side in sides for size in (side, 1))))
    tails = [extra for stride in strides for extra in (0, stride - 1)]
    padded = tape.op("Pad", first, tape.ints([0] * (2 + len(tails)) + [0, 0, *tails]))
    last = tape.reshape(padded, (*shape[:2], *_long(sides, strides)))
    tape.moves.append(Move("spread", first, last, shape, tuple(strides)))
    return last


def interleaved(tape: Tape, x: str, shape: Shape, strides: Sequence[int]) -> str:
    """A picture of shape (n, channels, *sides * strides) from its phases.

    Args:
        tape: where the nodes go.
        x: shape (n, phases * channels, *sides), phase before channel, the last axis' phase running fastest.
        shape: (n, channels, *sides).
        strides: phases along each axis.
    """
    rank, sides = len(strides), list(shape[2:])
    first = x = tape.reshape(x, (shape[0], *strides, shape[1], *sides))
    for axis in reversed(range(rank)):  # one at a time: onnxruntime moves a single axis fast
        order = list(range(3 + axis + rank))
        order.remove(1 + axis)
        order.insert(3 + 2 * axis, 1 + axis)
        x = tape.op("Transpose", x, perm=order)
        sides[axis] *= strides[axis]
        x = tape.reshape(x, (shape[0], *strides[:axis], shape[1], *sides))
    tape.moves.append(Move("interleaved", first, x, shape, tuple(strides)))
    return x


def _long(sides: Sequence[int], strides: Sequence[int]) -> list[int]:
    return [side * stride for side, stride in zip(sides, strides, strict=True)]
