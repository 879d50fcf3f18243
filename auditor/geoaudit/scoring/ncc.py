"""The NCC profile: how much of a map cancels, from single elements to coarse patches.

No-cancellation completeness asks sum|A| = |sum A|.  Merging entries can only lower sum|A| (triangle
inequality), so a number without its granularity says little; the profile shows all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geoaudit.api import Floats, InputSpace
from geoaudit.scoring.regions import Grid

PATCHES = (4, 8, 16, 32)
"""Sides of the patches in pixels; each divides the next, so the profile never rises."""


def violation(entries: Floats) -> float:
    """(S - |sum A|) / S with S = sum|A|, in [0, 1]; 0 where S is 0.

    With P and N the positive and negative mass this is 2 min(P, N) / (P + N).
    """
    positive = float(np.sum(entries, where=entries > 0, dtype=np.float64))
    negative = -float(np.sum(entries, where=entries < 0, dtype=np.float64))
    total = positive + negative
    return 2.0 * min(positive, negative) / total if total > 0 else 0.0


def profile(values: Floats, space: InputSpace, patches: Sequence[int] = PATCHES) -> dict[str, float]:
    """The NCC violation of one map at every granularity.

    Args:
        values: one map, shape space.shape.
        space: the model input's layout.
        patches: sides of square patches in pixels; those wider than the image's shorter side are left out.

    Returns:
        "element", "pixel" (channels summed) and "patch <n> px", in this order, each in [0, 1].
    """
    pixels = values.astype(np.float64).sum(axis=space.channel_axis)
    result = {"element": violation(values), "pixel": violation(pixels)}
    for side in patches:
        if side <= min(space.size):
            result[f"patch {side} px"] = violation(Grid.of(space, side).sums(pixels))
    return result
