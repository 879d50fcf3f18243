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
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Slope:
    """One measured directional derivative.

    Attributes:
        value: derivative along the direction, per unit of the direction.
        displacement: (point+ - point-) / 2h as the float format really moved it, float64, one sample.
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

    The differences are D_k = (f(x + h_k v) - f(x - h_k v)) / 2 h_k.  Three neighbours that agree best are
    the plateau; its middle is the value and the largest gap to the other two the uncertainty.  The gradient
    that is being checked plays no part in the choice.

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
    ends = np.stack([centre + side * h * unit for h in sizes for side in (1.0, -1.0)]).astype(dtype)
    values = f(ends)
    differences = (values[0::2] - values[1::2]) / (2 * sizes)
    gaps = np.abs(np.diff(differences))
    spread = np.maximum(gaps[:-1], gaps[1:])
    best = int(np.argmin(spread)) + 1
    moved = ends[2 * best].astype(np.float64) - ends[2 * best + 1].astype(np.float64)
    return Slope(float(differences[best]), moved / (2 * sizes[best]), float(spread[best - 1]))
