"""What an image's map claims to add up to: the weighted output differences of its walks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geoaudit.api import Part
from geoaudit.api.problems import smallest_difference


@dataclass(frozen=True)
class Claim:
    """One image's claim.

    Attributes:
        delta_f: sum over the walks of weight times (f(image) - f(start)).
        smallest: the smallest |delta_f| that can be divided by.
    """

    delta_f: float
    smallest: float

    @property
    def degenerate(self) -> bool:
        """Whether |delta_f| is too small to divide by."""
        return abs(self.delta_f) < self.smallest

    @property
    def scale(self) -> float:
        """What errors are measured against, in output units."""
        return max(abs(self.delta_f), self.smallest)


def claims(parts: Sequence[Part]) -> list[Claim]:
    """The claim of each image."""
    deltas = [part.weight * part.problems.delta_f for part in parts]
    floors = [abs(part.weight) * smallest_difference(part.problems.f_x, part.problems.f_baseline) for part in parts]
    return [
        Claim(float(delta), float(floor))
        for delta, floor in zip(np.sum(deltas, axis=0), np.sum(floors, axis=0), strict=True)
    ]
