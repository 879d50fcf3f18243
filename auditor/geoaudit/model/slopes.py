"""The twin's gradient against directional slopes of onnxruntime.

A random direction says little about the gradient's own, and the other way round, so five kinds of directions are
used.  A quantised model is a staircase whose slopes are zero almost everywhere; it is measured with its rounding
frozen at each image, see `frozen_rounding`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from geoaudit.api import Floats, Ints
from geoaudit.model import explain
from geoaudit.model.explain import Space
from geoaudit.model.finite import Slope, slope

_RESOLVED = 0.1
"""A slope whose steps disagree by more than this share says nothing about a gradient."""
_INFORMED = 2  # directions, the first ones, that follow the gradient
Doubles = npt.NDArray[np.float64]
Scores = Callable[[Floats], Floats]


@dataclass
class Slopes:
    """What the comparison found.

    Attributes:
        errors: relative errors of the slopes that could be resolved.
        tried: how many slopes were measured.
        flat: images left out because the gradient and the measured slopes are both zero.
    """

    errors: list[float] = field(default_factory=list)
    tried: int = 0
    flat: int = 0

    def add(self, other: Slopes) -> None:
        """Take in what was found on other images."""
        self.errors += other.errors
        self.tried += other.tried
        self.flat += other.flat


def compare(
    scores: Sequence[Scores], points: Floats, targets: Ints, gradients: Floats, space: Space, tail: str | None,
    rng: np.random.Generator, dtype: np.dtype[np.floating],
) -> Slopes:  # fmt: skip
    """Relative errors |g.v - D| / max(|g.v|, |D|, |g||v| / sqrt(d)) over five directions an image.

    Along a random direction the derivative is about |g||v| / sqrt(d), and by chance may be much less:
    divided by its own size the error would be noise, divided by |g||v| it would be invisible.  A gradient of zero
    has no direction of its own and is tried along the random ones.

    Args:
        scores: onnxruntime's scores (k, classes) of points (k, *shape) near each image, m functions.
        points: images in model input space, shape (m, *shape).
        targets: explained classes, shape (m,).
        gradients: what is checked, shape (m, *shape).
        space: the explained scalar.
        tail: `Head.tail`.
        rng: draws the directions.
        dtype: the format that the model computes in.
    """
    found = Slopes()
    for near, point, target, gradient in zip(scores, points, targets, gradients.astype(np.float64), strict=True):

        def value(batch: Floats, near: Scores = near, target: int = int(target)) -> Doubles:
            return explain.values(near(batch), np.full(len(batch), target), space, tail)

        informed = bool(np.any(gradient))
        directions = _directions(gradient, rng)[0 if informed else _INFORMED :]
        measured = [slope(value, point, direction, dtype) for direction in directions]
        if not informed and not any(one.value for one in measured):
            found.flat += 1
            continue
        found.tried += len(measured)
        for one in measured:
            _judge(found, one, gradient)
    return found


def _judge(found: Slopes, measured: Slope, gradient: Doubles) -> None:
    """Add one slope to `found`."""
    claimed = float((gradient * measured.displacement).sum())
    typical = float(np.linalg.norm(gradient)) * float(np.sqrt(np.mean(measured.displacement**2)))
    scale = max(abs(claimed), abs(measured.value), typical)
    if scale > 0 and measured.uncertainty <= _RESOLVED * scale:
        found.errors.append(abs(claimed - measured.value) / scale)


def _directions(gradient: Doubles, rng: np.random.Generator) -> list[Doubles]:
    """The gradient; its signs, randomly sized; random signs; Gaussian noise; the same smoothed."""
    shape = gradient.shape
    axes = (0, 8, 8) if shape[0] <= 4 else (8, 8, 0)
    return [
        gradient,
        np.sign(gradient) * rng.random(shape),
        rng.choice([-1.0, 1.0], shape),
        rng.standard_normal(shape),
        ndimage.gaussian_filter(rng.standard_normal(shape), axes, mode="wrap"),
    ]
