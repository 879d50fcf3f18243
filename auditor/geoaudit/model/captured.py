"""Work that is recorded once for a shape and replayed from then on, as CUDA graphs are; believed only once compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Work = Callable[[tuple[Array, ...]], tuple[Array, ...]]
"""From arrays of one shape to arrays of one shape."""

_REPEATS = 2
"""Runs of a shape before it is recorded, where the caller names no other number."""


class Captured:
    """Runs `plain`, and for shapes that repeat a recording of it that gives the same bits.

    Args:
        plain: the work; always right.
        record: makes the recording for one list of inputs; may raise anything, and `plain` stays in use then.
        name: what is recorded, for the note: "onnxruntime on CUDA".
        repeats: runs of a shape before recording it pays.
    """

    def __init__(
        self, plain: Work, record: Callable[[tuple[Array, ...]], Work], name: str, repeats: int = _REPEATS
    ) -> None:
        self._repeats = repeats
        self._plain = plain
        self._record = record
        self._name = name
        self._seen: dict[tuple[Any, ...], int] = {}
        self._recorded: dict[tuple[Any, ...], Work] = {}
        self._refused: str | None = None

    @property
    def note(self) -> str | None:
        """A sentence for the report where recording was given up; None where it was not."""
        return self._refused

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """What the work makes of the inputs."""
        key = tuple((one.shape, one.dtype.str) for one in inputs)
        if self._refused is None and key in self._recorded:
            return self._replayed(key, inputs)
        made = self._plain(inputs)
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._refused is None and self._seen[key] >= self._repeats:
            self._try(key, inputs, made)
        return made

    def _replayed(self, key: tuple[Any, ...], inputs: tuple[Array, ...]) -> tuple[Array, ...]:
        try:
            return self._recorded[key](inputs)
        except Exception as error:  # drivers and libraries raise what they like
            self._give_up(_brief(error))
            return self._plain(inputs)

    def _try(self, key: tuple[Any, ...], inputs: tuple[Array, ...], expected: tuple[Array, ...]) -> None:
        """Record, and compare: on these inputs twice, and on others, which a recording of constants would miss."""
        others = tuple(_other(one) for one in inputs)
        try:
            work = self._record(inputs)
            pairs = [(work(inputs), expected), (work(others), self._plain(others)), (work(inputs), expected)]
        except Exception as error:  # as above
            self._give_up(_brief(error))
            return
        if all(_same(found, right) for found, right in pairs):
            self._recorded[key] = work
        else:
            self._give_up("its numbers differ from those of a plain run")

    def _give_up(self, reason: str) -> None:
        self._refused = f"{self._name} runs without CUDA graphs: {reason}."
        self._recorded.clear()


def _other(array: Array) -> Array:
    """An array like this one with other numbers, where they are fractions; indices stay."""
    return np.ascontiguousarray(array[::-1] * array.dtype.type(0.5)) if array.dtype.kind == "f" else array


def _same(found: tuple[Array, ...], right: tuple[Array, ...]) -> bool:
    return len(found) == len(right) and all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(found, right, strict=True)
    )


def _brief(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:200]
