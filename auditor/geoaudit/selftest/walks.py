"""Walks whose attributions can be worked out by hand, and the numbers they must give.

Everything follows from A_i = integral of df/dx_i along the walk.  For example x1 x2 from (2, 0) straight to
(1, 1): the point at t is (2 - t, t), so A_1 = -integral of t = -1/2 and A_2 = integral of (2 - t) = 3/2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from geoaudit.analytic import Array
from geoaudit.selftest.models import (
    BUMP,
    LINEAR,
    PRODUCT,
    RIDGE,
    SIGMOID,
    SINE,
    SOFT_XOR,
    SQUARES,
    WEIGHTED_SQUARES,
    Model,
)

Along = Callable[[Array], Array]
"""Parameters t in [0, 1], shape (k,), to points, shape (k, d)."""


@dataclass(frozen=True)
class WalkCase:
    """A model, a walk, and what must be measured on it.

    Attributes:
        name: for people.
        model: the model.
        corners: the walk's corners, the baseline first and the image last; two for a straight line.
        delta_f: f(image) - f(baseline).
        attribution: A, one number a feature.
        total_variation: integral of |df| along the walk.
        others: further expected fields of `geoaudit.WalkRecord`.
        along: the walk's formula where it is curved.
        quick: part of the calibration of every audit.
    """

    name: str
    model: Model
    corners: tuple[tuple[float, ...], ...]
    delta_f: float
    attribution: tuple[float, ...]
    total_variation: float
    others: Mapping[str, float]
    along: Along | None = None
    quick: bool = False

    @property
    def expected(self) -> dict[str, float | list[float]]:
        """Everything that must be measured; `magnitude` is S = sum|A|."""
        return {
            "delta_f": self.delta_f,
            "attribution": list(self.attribution),
            "magnitude": sum(abs(a) for a in self.attribution),
            "total_variation": self.total_variation,
            **self.others,
        }


def _half_circle_then_out(t: Array) -> Array:
    """(-1, 0) along the unit circle to (1, 0), then straight to (2, 0)."""
    angle = np.pi * (1.0 - np.minimum(2.0 * t, 1.0))
    radius = np.maximum(2.0 * t, 1.0)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _powers(t: Array) -> Array:
    """A gradient-flow line of x1^2 / 2 + x2^2."""
    return np.stack([2.0**t, 4.0**t], axis=1)


def _hyperbola(t: Array) -> Array:
    """A gradient-flow line of x1 x2."""
    return 2.0 * np.stack([np.cosh(t), np.sinh(t)], axis=1)


_S4 = 1.0 / (1.0 + math.exp(-4.0)) - 0.5
_COSH, _SINH = 2.0 * math.cosh(1.0), 2.0 * math.sinh(1.0)
_FLOW = 2.0 * math.sinh(2.0)

WALKS = (
    WalkCase(
        "T1 linear, straight", LINEAR, ((0, 0), (1, 1)), 1, (2, -1), 1, {"conformal_length": math.sqrt(10)},
        quick=True,
    ),
    WalkCase("T1 linear, x1 first", LINEAR, ((0, 0), (1, 0), (1, 1)), 1, (2, -1), 3, {}),
    WalkCase(
        "T2 product, straight", PRODUCT, ((2, 0), (1, 1)), 1, (-0.5, 1.5), 1,
        {"conformal_length": math.sqrt(2) + math.asinh(1)},
    ),
    WalkCase(
        "T2 product, x1 first", PRODUCT, ((2, 0), (1, 0), (1, 1)), 1, (0, 1), 1,
        {"conformal_length": 2.64779},
        quick=True,
    ),
    WalkCase(
        "T2 product, x2 first", PRODUCT, ((2, 0), (2, 1), (1, 1)), 1, (-1, 2), 3,
        {"conformal_length": 3.89055}
    ),
    WalkCase("T3 ReLU unit, straight", RIDGE, ((0, 0), (2, 1)), 1, (2, -1), 1, {}),
    WalkCase("T3 ReLU unit, along its edge", RIDGE, ((0, 0), (1, 1), (2, 1)), 1, (1, 0), 1, {}, quick=True),
    WalkCase(
        "T3 ReLU unit, x1 first", RIDGE, ((0, 0), (2, 0), (2, 1)), 1, (2, -1), 3, {"path_cancellation": 2 / 3}
    ),
    WalkCase("T4 sigmoid, straight", SIGMOID, ((0, 0), (2, 1)), _S4, (2 * _S4, -_S4), _S4, {}),
    WalkCase(
        "T5 soft exclusive or, straight", SOFT_XOR, ((0, 0), (2, 0.5)),
        0.5, (1, -0.5), 1.0625, {}, quick=True,
    ),
    WalkCase(
        "T5 soft exclusive or, x2 first", SOFT_XOR, ((0, 0), (0, 0.5), (2, 0.5)),
        0.5, (0, 0.5), 0.5, {},
    ),
    WalkCase("T5 soft exclusive or, x1 first", SOFT_XOR, ((0, 0), (2, 0), (2, 0.5)), 0.5, (2, -1.5), 3.5, {}),
    WalkCase(
        "T6 squares, straight", SQUARES, ((-1, 0), (2, 0)), 3, (3, 0), 5,
        {"conformal_length": 5, "path_cancellation": 0.4},
    ),
    WalkCase(
        "T6 squares, round the circle", SQUARES, ((-1, 0), (2, 0)), 3, (3, 0), 3,
        {"absolute_integral": 7, "conformal_length": 2 * math.pi + 3}, _half_circle_then_out, quick=True,
    ),
    WalkCase("T7 product, straight, no difference", PRODUCT, ((-1, -1), (1, 1)), 0, (0, 0), 2, {}),
    WalkCase(
        "T7 product, x1 first, no difference", PRODUCT, ((-1, -1), (1, -1), (1, 1)),
        0, (-2, 2), 4, {}, quick=True,
    ),
    WalkCase("T8 sine", SINE, ((0,), (2.5 * math.pi,)), 1, (1,), 5, {"path_cancellation": 0.8}),
    WalkCase(
        "T9 bump, straight over it", BUMP, ((0, 0), (1, 0)), 1, (1, 0), 4.36611,
        {"conformal_length": 4.36611},
        quick=True,
    ),
    WalkCase(
        "T9 bump, round it", BUMP, ((0, 0), (0.5, 0.6), (1, 0)), 1, (1, 0), 1,
        {"absolute_integral": 1.01185, "conformal_length": 1.56223},
    ),
    WalkCase(
        "T10 gradient flow of squares", WEIGHTED_SQUARES, ((1, 1), (2, 4)), 16.5, (1.5, 15), 16.5,
        {"absolute_integral": 16.5, "conformal_length": 16.5}, _powers, quick=True,
    ),
    WalkCase(
        "T10 gradient flow of a product", PRODUCT, ((2, 0), (_COSH, _SINH)), _FLOW,
        (_FLOW / 2 - 2, _FLOW / 2 + 2), _FLOW, {"conformal_length": _FLOW}, _hyperbola,
    ),
    WalkCase(
        "T10 product, straight to the same end", PRODUCT, ((2, 0), (_COSH, _SINH)), _FLOW,
        (_SINH * (_COSH - 2) / 2, _SINH * (_COSH + 2) / 2), _FLOW, {"conformal_length": 7.36868},
    ),
)  # fmt: skip
"""The closed-form cases; lengths that have no short formula are given to five decimals."""
