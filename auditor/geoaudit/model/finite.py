"""Directional derivatives of onnxruntime by central finite differences, with their own uncertainty.

A rectifier network is piecewise linear with very many pieces.  On EfficientNet-Lite0 a step of 1/4000 of the
pixels' spread still crosses so many kinks that the difference along the gradient is 10 to 23 % off; at
1/130000 it is within 0.3 %, and below that the float32 rounding of the logits takes over.  The right step
depends on the model, image and direction, so a ladder of steps is walked and the plateau is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats

_RUNGS = np.linspace(0.52, 0.87, 8)
_SHARES = np.array([1.0, 0.9, 0.8, 0.7])
"""Each step is measured by several pairs a little closer in: their least-squares slope has half the rounding
noise of one pair, which along random directions is what limits the comparison."""
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Slope:
    """One measured directional derivative.

    Attributes:
        value: derivative along the direction, per unit of the direction.
        displacement: the pairs' (point+ - point-) / 2h as the float format really moved them, float64, one sample.
        uncertainty: largest disagreement with the neighbouring steps, same unit as `value`.
    """

    value: float
    displacement: Doubles
    uncertainty: float


def steps(dtype: np.dtype[np.floating]) -> Doubles:
    """Step sizes relative to the image's spread, largest first: eps to the powers 0.52 to 0.87."""
    return np.asarray(float(np.finfo(dtype).eps) ** _RUNGS)


def slope(f: Callable[[Floats], Doubles], point: Floats, direction: Doubles, dtype: np.dtype[np.floating]) -> Slope:
    """The derivative of `f` at `point` along `direction`, read where the ladder of steps is flattest.

    Each D_k is the least-squares slope through pairs at x +- s h_k v, s in {1, .9, .8, .7}.  Three neighbours
    that agree best are the plateau; its middle is the value and the largest gap to the other two the
    uncertainty.  The gradient that is being checked plays no part in the choice.

    Args:
        f: values of a batch of points (m, *shape) of `dtype`, float64, shape (m,).
        point: one sample.
        direction: same shape; scaled to a root mean square of 1.
        dtype: the format that the model reads: points are rounded to it, and the displacement that remains is
            what is returned.
    """
    unit = direction / np.sqrt(np.mean(direction**2))
    centre = np.asarray(point, dtype=np.float64)
    scale = max(float(centre.std()), float(np.abs(centre).max()) * 1e-3, 1e-6)
    sizes = steps(dtype) * scale
    measured = [_fit(f, centre, unit, h * _SHARES, dtype) for h in sizes]
    differences = np.array([value for value, _ in measured])
    gaps = np.abs(np.diff(differences))
    spread = np.maximum(gaps[:-1], gaps[1:])
    best = int(np.argmin(spread)) + 1
    return Slope(float(differences[best]), measured[best][1], float(spread[best - 1]))


def _fit(
    f: Callable[[Floats], Doubles], centre: Doubles, unit: Doubles, sizes: Doubles, dtype: np.dtype[np.floating]
) -> tuple[float, Doubles]:
    """Least-squares slope through the pairs at `sizes`, and the displacement that the format really made."""
    ends = np.stack([centre + side * h * unit for h in sizes for side in (1.0, -1.0)]).astype(dtype)
    values = f(ends)
    weights = sizes / (2 * (sizes**2).sum())
    moved = np.zeros_like(centre)
    for k, weight in enumerate(weights):
        moved += weight * (ends[2 * k].astype(np.float64) - ends[2 * k + 1].astype(np.float64))
    return float(weights @ (values[0::2] - values[1::2])), moved
