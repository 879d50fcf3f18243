"""What a model's numbers themselves say: whether they are scores at all, and whether probabilities already."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats
from geoaudit.errors import ModelError
from geoaudit.model.head import Head

_BELOW_ZERO = 1e-6
_SUM = 1e-3
"""Rounding of float16 sums; logits do not add up to 1 by chance on several unlike images."""


def undecided(head: Head) -> bool:
    """Whether the graph leaves open what the numbers are: no tail, and no product with weights as the last step."""
    return (head.tail is None or head.assumed) and not head.linear


def strangers(points: Floats) -> Floats:
    """A blank and two noises in the range of `points`, same dtype, shape (3, *shape).

    On photographs alone a confident logit row might pass for probabilities.
    """
    low, high = points.min(), points.max()
    rng = np.random.default_rng(0)
    noise = rng.uniform(low, high, (2, *points.shape[1:]))
    return np.concatenate([np.full((1, *points.shape[1:]), low), noise]).astype(points.dtype)


def check(thing: str, raw: npt.NDArray[Any], tensor: str) -> None:
    """Refuse numbers that are no scores of the images.

    Args:
        thing: the file's name for the message.
        raw: rows of different images, noise among them, float, shape (m, numbers).
        tensor: where they were read.

    Raises:
        ModelError: every row holds NaN or infinity, or all rows are equal.
    """
    if not np.isfinite(raw).all(axis=1).any():
        raise ModelError(
            thing, f"gives NaN or infinite scores ('{tensor}') for every image that was tried",
            "Check how pixels become its input (--mean, --std, --range), its weights, and whether float16 overflows.",
        )  # fmt: skip
    if len(raw) > 1 and (raw == raw[:1]).all():
        raise ModelError(
            thing, f"gives the same scores ('{tensor}') for every image, noise included: there is nothing to explain",
            "Check that its weights are there, or name another output: --output NAME.",
        )  # fmt: skip


def are_probabilities(raw: npt.NDArray[Any]) -> bool:
    """Whether every row is one: numbers from -1e-6 on that sum to 1 within 1e-3, or one number in [0, 1].

    Args:
        raw: float, shape (m, numbers).
    """
    double = raw.astype(np.float64)
    if not np.isfinite(double).all() or double.min() < -_BELOW_ZERO:
        return False
    if double.shape[1] == 1:
        return bool(double.max() <= 1 + _BELOW_ZERO)
    return bool(np.abs(double.sum(axis=1) - 1).max() <= _SUM)
