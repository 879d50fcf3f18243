"""The masking curves of many images in little memory: their sum, and every image's SRG."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from geoaudit.api import SweepCurves
from geoaudit.scoring.sweep import srg

Array = npt.NDArray[np.float64]


@dataclass
class Curves:
    """What is kept of the groups' curves; adding them up one image after the other gives what one sum over all gives.

    Attributes:
        gains: SRG of each group's images and imputers, shapes (n, imputers).
        total: the curves' sums over the images so far, shapes (1, imputers, k).
    """

    gains: list[Array] = field(default_factory=list)
    total: SweepCurves | None = None

    def __len__(self) -> int:
        return len(self.gains)

    def append(self, curves: SweepCurves) -> None:
        """Add a group's curves."""
        self.gains.append(srg(curves))
        morf, lerf = (_added(before, new) for before, new in zip(self._sums(), (curves.morf, curves.lerf), strict=True))
        self.total = SweepCurves(curves.fractions, curves.imputers, morf, lerf)

    def clear(self) -> None:
        """Drop everything."""
        self.gains.clear()
        self.total = None

    def mean(self) -> SweepCurves:
        """The mean over the images; there is at least one group."""
        assert self.total is not None
        images = sum(map(len, self.gains))
        return SweepCurves(
            self.total.fractions, self.total.imputers, self.total.morf / images, self.total.lerf / images
        )

    def _sums(self) -> tuple[Array | None, Array | None]:
        return (None, None) if self.total is None else (self.total.morf, self.total.lerf)


def _added(total: Array | None, values: Array) -> Array:
    for row in values:
        total = row[None].copy() if total is None else total + row[None]
    assert total is not None  # a group has images
    return total
