"""The half-moons as a picture: the points coloured by sum |A|, and what changes with noise."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from moons_model import BASELINE, Moons

if TYPE_CHECKING:
    from moons import Row

_COLUMNS, _SIDE = 5, 3.0
_CURVES = (("cancelled", "mean $\\sum|A| - |\\sum A|$, nats"), ("purity", "purity"))


def draw(path: Path, moons: Moons, magnitudes: dict[str, npt.NDArray[np.float64]], rows: Sequence[Row]) -> None:
    """Draw the picture; the suffix of `path` says the format.

    Args:
        path: the picture's file.
        moons: the points of one noise level and seed.
        magnitudes: their sum |A| by method.
        rows: all measurements, for the curves.
    """
    from matplotlib.figure import Figure

    lines = ceil(len(magnitudes) / _COLUMNS)
    figure = Figure(figsize=(_SIDE * _COLUMNS, _SIDE * (lines + 1.2)), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(lines, 1.2))
    axes = above.subplots(lines, _COLUMNS, squeeze=False, sharex=True, sharey=True).ravel()
    for axis in axes[len(magnitudes) :]:
        axis.set_axis_off()
    for axis, (name, magnitude) in zip(axes, magnitudes.items(), strict=False):
        _scatter(axis, moons, magnitude, name)
    for axis, (quantity, label) in zip(below.subplots(1, len(_CURVES)), _CURVES, strict=True):
        _curves(axis, rows, quantity, label)
    figure.savefig(path)


def _scatter(axis: Any, moons: Moons, magnitude: npt.NDArray[np.float64], name: str) -> None:
    points = moons.points
    drawn = axis.scatter(points[:, 0], points[:, 1], c=magnitude, s=6, cmap="viridis")
    axis.plot(*BASELINE, marker="x", color="red")
    axis.set_title(name, fontsize=9)
    axis.figure.colorbar(drawn, ax=axis, shrink=0.8)


def _curves(axis: Any, rows: Sequence[Row], quantity: str, label: str) -> None:
    noises = sorted({row.noise for row in rows})
    for name in dict.fromkeys(row.method for row in rows):
        values = [
            fmean(getattr(row, quantity) for row in rows if row.method == name and row.noise == noise)
            for noise in noises
        ]
        axis.plot(noises, values, marker=".", label=name)
    axis.set_xlabel("noise")
    axis.set_ylabel(label)
    if quantity == "cancelled":
        axis.set_yscale("symlog", linthresh=1e-2)
        axis.legend(fontsize=7)
