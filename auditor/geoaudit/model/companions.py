"""Other images to put beside one in a batch, to see whether they change its scores."""

from __future__ import annotations

import numpy as np

from geoaudit.api import Floats

SAME = {"float16": 1e-2, "float32": 1e-3}
"""Allowed difference between an image's scores alone and in a batch, as a share of the scores' range.  Batches of
other sizes take other routines, whose float32 sums differ by 1e-6 to 1e-4."""


def companions(point: Floats, count: int) -> Floats:
    """`count` images of the shape, dtype and range of `point`: itself, dark, bright, noise, its negative, and again.

    They are as different as the range allows, so that what mixes rows shows: a batch baked into a Reshape,
    statistics over the batch, or a decision over it (of the dark and the bright one, one must decide otherwise alone).
    """
    low, high = point.min(), point.max()
    noise = np.random.default_rng(0).uniform(low, high, point.shape)
    kinds = [point, 0.9 * low + 0.1 * point, 0.9 * high + 0.1 * point, noise, low + high - point]
    return np.stack([kinds[i % len(kinds)] for i in range(count)]).astype(point.dtype)


DISTINCT = 5
"""How many different companions there are."""
