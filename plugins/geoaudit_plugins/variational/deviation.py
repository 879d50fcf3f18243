"""Deviations from a walk on a coarse grid: enlarged to the picture, and gradients carried back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, InputSpace

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """A grid of cells over the picture, each channel its own.

    Attributes:
        shape: the shape of one deviation, channels where the model's layout has them.
        rows: weights of the cells for each pixel along the height, shape (height, cells); None where every pixel
            is a cell of its own.
        columns: likewise along the width.
        height_axis: axis of the height in an array (n, points, *shape).
    """

    shape: tuple[int, int, int]
    rows: Floats | None
    columns: Floats | None
    height_axis: int

    def enlarge(self, cells: Floats) -> Floats:
        """Deviations (n, points, *self.shape) at full resolution (n, points, *picture), by bilinear interpolation."""
        cells = _along(self.height_axis, self.rows, cells, "hc")
        return _along(self.height_axis + 1, self.columns, cells, "hc")

    def carry_back(self, gradients: Floats) -> Floats:
        """Gradients (n, points, *picture) with respect to the cells (n, points, *self.shape): the adjoint."""
        gradients = _along(self.height_axis + 1, self.columns, gradients, "ch")
        return _along(self.height_axis, self.rows, gradients, "ch")


def grid(space: InputSpace, cells: int, dtype: npt.DTypeLike) -> Grid:
    """The grid of a model's input.

    Args:
        space: the input.
        cells: cells along the longer side; a side of fewer pixels has a cell a pixel.
        dtype: of the weights.
    """
    longest = max(space.size)
    counts = [max(1, min(side, round(cells * side / longest))) for side in space.size]
    weights = [
        None if count == side else _bilinear(side, count).astype(dtype)
        for side, count in zip(space.size, counts, strict=True)
    ]
    first = space.layout == "NCHW"
    shape = (space.channels, *counts) if first else (*counts, space.channels)
    return Grid((shape[0], shape[1], shape[2]), weights[0], weights[1], 3 if first else 2)


def divergence(mean: Floats, log_scale: Floats, prior: float) -> tuple[Array, Floats, Floats]:
    """KL(N(mean, scale^2) || N(0, prior^2)) of independent Gaussians and its derivatives.

    Args:
        mean, log_scale: shape (n, ...).
        prior: the prior's standard deviation.

    Returns:
        The divergence, float64, in nats, shape (n,), and its derivatives by mean and log scale, shape (n, ...).
    """
    precision = 1.0 / prior**2
    variance = np.exp(2 * log_scale)
    each = 0.5 * precision * (variance + mean**2) - log_scale + np.log(prior) - 0.5
    total: Array = each.reshape(len(each), -1).sum(axis=1, dtype=np.float64)
    return total, precision * mean, precision * variance - 1.0


def _bilinear(side: int, count: int) -> Array:
    """Weights of `count` cells' centres for the centres of `side` pixels, shape (side, count); rows add up to 1."""
    centres = (np.arange(side) + 0.5) * count / side - 0.5
    return np.stack([np.interp(centres, np.arange(count), one) for one in np.eye(count)], axis=1)


def _along(axis: int, weights: Floats | None, values: Floats, letters: str) -> Floats:
    """The weights applied along one axis; einsum, for BLAS' last bits depend on the cores."""
    if weights is None:
        return values
    ahead, behind = "npxy"[:axis], "zw"[: values.ndim - axis - 1]
    out, into = ("h", "c") if letters == "hc" else ("c", "h")
    result: Floats = np.einsum(f"hc,{ahead}{into}{behind}->{ahead}{out}{behind}", weights, values)
    return result
