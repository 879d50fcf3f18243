"""Functions of a few features with known gradients: the planted truth of the self-test.

Every function takes points (m, d) and gives values (m,); every gradient gives (m, d); float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geoaudit.analytic import Array, Function


@dataclass(frozen=True)
class Model:
    """A closed-form model.

    Attributes:
        formula: for people.
        f: values (m,) of points (m, d).
        gradient: gradients (m, d) of points (m, d).
    """

    formula: str
    f: Function
    gradient: Function


def _sigmoid(z: Array) -> Array:
    result: Array = 1.0 / (1.0 + np.exp(-z))
    return result


def _bump(x: Array) -> Array:
    result: Array = 2.0 * np.exp(-((x[:, 0] - 0.5) ** 2 + x[:, 1] ** 2) / 0.02)
    return result


def _sigmoid_gradient(x: Array) -> Array:
    s = _sigmoid(4.0 * (x[:, 0] - x[:, 1]))
    result: Array = (4.0 * s * (1.0 - s))[:, None] * np.array([1.0, -1.0])
    return result


def _bump_gradient(x: Array) -> Array:
    result: Array = np.array([1.0, 0.0]) - (_bump(x) / 0.01)[:, None] * (x - np.array([0.5, 0.0]))
    return result


LINEAR = Model(
    "2 x1 - x2",
    lambda x: 2.0 * x[:, 0] - x[:, 1],
    lambda x: np.tile([2.0, -1.0], (len(x), 1)),
)
PRODUCT = Model("x1 x2", lambda x: x[:, 0] * x[:, 1], lambda x: x[:, ::-1].copy())
RIDGE = Model(
    "relu(x1 - x2)",
    lambda x: np.maximum(x[:, 0] - x[:, 1], 0.0),
    lambda x: (x[:, 0] > x[:, 1])[:, None] * np.array([1.0, -1.0]),
)
SIGMOID = Model("sigmoid(4 (x1 - x2))", lambda x: _sigmoid(4.0 * (x[:, 0] - x[:, 1])), _sigmoid_gradient)
SOFT_XOR = Model(
    "x1 + x2 - 2 x1 x2",
    lambda x: x[:, 0] + x[:, 1] - 2.0 * x[:, 0] * x[:, 1],
    lambda x: 1.0 - 2.0 * x[:, ::-1],
)
SQUARES = Model("x1^2 + x2^2", lambda x: (x**2).sum(axis=1), lambda x: 2.0 * x)
SINE = Model("sin x1", lambda x: np.sin(x[:, 0]), lambda x: np.cos(x[:, :1]))
BUMP = Model("x1 + a bump at (.5, 0)", lambda x: x[:, 0] + _bump(x), _bump_gradient)
WEIGHTED_SQUARES = Model(
    "x1^2 / 2 + x2^2",
    lambda x: 0.5 * x[:, 0] ** 2 + x[:, 1] ** 2,
    lambda x: x * np.array([1.0, 2.0]),
)
SQUARED_SUM = Model(
    "(2 x1 + x2)^2",
    lambda x: (2.0 * x[:, 0] + x[:, 1]) ** 2,
    lambda x: 2.0 * (2.0 * x[:, 0] + x[:, 1])[:, None] * np.array([2.0, 1.0]),
)
