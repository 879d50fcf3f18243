"""Square regions of an image, and the order in which a map says that they matter."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, InputSpace, Ints
from geoaudit.errors import UsageError

Order = Literal["magnitude", "signed"]

REGION_SHARE = 14
"""The default region's side is the shorter image side divided by this: 16 px at 224."""

TIE_DIGITS = 12
"""Regions whose importance agrees to this many digits of the largest are tied: rounding decides nothing."""


@dataclass(frozen=True)
class Grid:
    """Squares of `region` px from the top left; those of the last row and column may be smaller.

    Attributes:
        height: image height in pixels.
        width: image width in pixels.
        region: side of a square in pixels, at least 1.
    """

    height: int
    width: int
    region: int

    def __post_init__(self) -> None:
        if self.region < 1:
            raise UsageError(f"region size {self.region} px", "is below one pixel", "Give at least 1.")

    @classmethod
    def of(cls, space: InputSpace, region: int | None = None) -> Grid:
        """The grid of a model's input; without `region`, squares of one `REGION_SHARE`-th of the side."""
        height, width = space.size
        return cls(height, width, max(1, round(min(height, width) / REGION_SHARE)) if region is None else region)

    @property
    def rows(self) -> int:
        """Number of rows of regions."""
        return -(-self.height // self.region)

    @property
    def columns(self) -> int:
        """Number of columns of regions."""
        return -(-self.width // self.region)

    @property
    def count(self) -> int:
        """Number of regions."""
        return self.rows * self.columns

    @cached_property
    def labels(self) -> npt.NDArray[np.intp]:
        """The region that each pixel lies in, in [0, count), row by row; shape (height, width)."""
        down = np.arange(self.height) // self.region
        across = np.arange(self.width) // self.region
        return np.add.outer(down * self.columns, across)

    @cached_property
    def areas(self) -> npt.NDArray[np.float64]:
        """Pixels in each region, shape (count,)."""
        return np.bincount(self.labels.ravel(), minlength=self.count).astype(np.float64)

    def sums(self, pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sums of `pixels` (height, width) over each region, shape (count,)."""
        totals = np.bincount(self.labels.ravel(), weights=pixels.ravel(), minlength=self.count)
        return totals.astype(np.float64)


def importance(values: Floats, space: InputSpace, grid: Grid, order: Order) -> npt.NDArray[np.float64]:
    """How much each region matters according to one map.

    The sum over a region's channels and pixels of |A| ("magnitude") or of A ("signed"), divided by its number
    of pixels.  Where all regions have one size this is the order of the sums; where those at the border are
    smaller it keeps a constant map from reading as "the middle matters".

    Args:
        values: one map, shape space.shape.
        space: the model input's layout.
        grid: the regions.
        order: what is summed.

    Returns:
        float64, shape (grid.count,), in explained-output units a pixel.
    """
    elements = values.astype(np.float64)
    pixels = (np.abs(elements) if order == "magnitude" else elements).sum(axis=space.channel_axis)
    result: npt.NDArray[np.float64] = grid.sums(pixels) / grid.areas
    return result


def relevance_order(scores: npt.NDArray[np.float64], image_id: str) -> Ints:
    """The regions from the most to the least important.

    Tied regions come in an order drawn from the image's id alone: the same in every run and for every method,
    and without a preferred place, so that a map that says nothing scores like a random one.

    Args:
        scores: importance, finite, shape (count,).
        image_id: the image's id.

    Returns:
        Region indices, int64, shape (count,).
    """
    seed = int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:8], "big")
    lots = np.random.default_rng(seed).permutation(len(scores))
    largest = float(np.max(np.abs(scores), initial=0.0))
    rounded = np.round(scores / largest, TIE_DIGITS) if largest > 0 else np.zeros_like(scores)
    return np.lexsort((lots, -rounded)).astype(np.int64)


def relevance_places(scores: npt.NDArray[np.float64], image_id: str) -> Ints:
    """Each region's place in `relevance_order`, 0 the most important, int64, shape (count,).

    Args as for `relevance_order`.
    """
    places = np.empty(len(scores), dtype=np.int64)
    places[relevance_order(scores, image_id)] = np.arange(len(scores))
    return places
