"""Many points through an engine, in batches whose sizes change no image's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Ints
from geoaudit.model.engines.base import GradientEngine
from geoaudit.model.explain import Space

TOGETHER = 64
"""Images handed at once to an engine that evaluates each by itself: all its threads are busy but at the end."""


def in_batches(
    engine: GradientEngine, points: Floats, targets: Ints, space: Space, size: int
) -> tuple[npt.NDArray[np.float64], Floats]:
    """Value and gradient at all points.

    Args:
        engine: evaluates one batch.
        points: model input, shape (m, *shape), any float dtype; not changed.
        targets: explained classes, int64, shape (m,).
        space: the explained scalar.
        size: images evaluated together.

    Returns:
        Values, float64 (m,), and gradients, dtype and shape of `points`.
    """
    values = np.empty(len(points), dtype=np.float64)
    gradients = np.empty_like(points)
    step = max(size, TOGETHER) if engine.apart else size
    for start in range(0, len(points), step):
        part = slice(start, min(start + step, len(points)))
        count = part.stop - part.start
        full = count if engine.apart else filled(count, size)
        value, gradient = engine.evaluate(fill(points[part], full), fill(targets[part], full), space)
        values[part] = value[:count]
        gradients[part] = gradient[:count]
    return values, gradients


def filled(count: int, size: int) -> int:
    """The batch that `count` images are filled up to: a power of two from 4 to `size`.

    Never one or two images beside larger batches: convolutions and products then take other routines, whose sums
    differ in the last bits.  From 4 on they are the same.
    """
    return min(size, max(4, 1 << (count - 1).bit_length()))


def fill(rows: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """`rows` followed by copies of the last one, `size` rows in all."""
    missing = size - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows
