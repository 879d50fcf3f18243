"""A classifier whose three scores are formulas, and the attributions that follow from them.

The classes, for features x (all elements of the picture, scaled to [-1, 1]):

- linear: w x + b.  Along any way from x' to x the attribution is w_i (x_i - x'_i).
- additive: sum of h_i(x_i), h_i(s) = u_i relu(s - c_i) + v_i sigmoid(4 (s - m_i)).  Along any way on which the
  features depend on nothing else it is h_i(x_i) - h_i(x'_i).
- ridge: relu(r x - e).  Along the straight line it is r_i (x_i - x'_i) times the share of the line beyond the edge.

Every picture shows one white square of three, and each class looks at one of them, so that every picture is
given one of the classes; all else in it is noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper

from geoaudit.selftest.planted.files import Layout, model_file

Array = npt.NDArray[np.float64]

SIDE, CHANNELS = 14, 3
CLASSES = ("linear", "additive", "ridge")
STEEPNESS = 4.0
_SQUARES = ((0, 0), (0, 9), (9, 0))  # top left corners; 5 px a side
_EDGE, _BIAS = 3.0, 0.5


class Formulas:
    """The formulas' numbers, drawn once and for all; float64 values that float32 holds exactly, shape (3, 14, 14)."""

    def __init__(self) -> None:
        rng = np.random.default_rng(20240607)
        self.w, self.u, self.v, self.r = (self._weights(rng, k) for k in (0, 1, 1, 2))
        self.c, self.m = (_exact(rng.uniform(-0.7, 0.7, self.w.shape)) for _ in range(2))

    def _weights(self, rng: np.random.Generator, looked_at: int) -> Array:
        weights = rng.normal(0.0, 0.04, (CHANNELS, SIDE, SIDE))
        for k, (row, column) in enumerate(_SQUARES):
            weights[:, row : row + 5, column : column + 5] += 0.1 if k == looked_at else -0.05
        return _exact(weights)

    def attribution(self, name: str, x: Array, start: Array) -> Array:
        """The attribution of class `name` for one picture, shapes (3, 14, 14)."""
        if name == "linear":
            return self.w * (x - start)
        if name == "additive":
            return self._terms(x) - self._terms(start)
        return self.r * (x - start) * self.share_beyond_edge(x, start)

    def share_beyond_edge(self, x: Array, start: Array) -> float:
        """Share of the straight line on which the ridge is not flat."""
        low, high = (float((self.r * point).sum()) - _EDGE for point in (start, x))
        return (max(high, 0.0) - max(low, 0.0)) / (high - low)

    def gradient(self, name: str, x: Array) -> Array:
        """The gradient of class `name` at one picture."""
        if name == "linear":
            return self.w
        if name == "additive":
            s = _sigmoid(STEEPNESS * (x - self.m))
            return np.asarray(self.u * (x > self.c) + STEEPNESS * self.v * s * (1.0 - s))
        return self.r * float((self.r * x).sum() > _EDGE)

    def drop(self, name: str, x: Array, start: Array, window: tuple[slice, slice]) -> float:
        """How much the score of class `name` loses when a window of the picture shows the start."""
        where = (slice(None), *window)
        if name != "ridge":
            return float(self.attribution(name, x, start)[where].sum())
        height = float((self.r * x).sum()) - _EDGE
        lost = float((self.r * (x - start))[where].sum())
        return max(height, 0.0) - max(height - lost, 0.0)

    def _terms(self, x: Array) -> Array:
        return np.asarray(self.u * np.maximum(x - self.c, 0.0) + self.v * _sigmoid(STEEPNESS * (x - self.m)))

    def file(self, layout: Layout, dtype: Any) -> ModelProto:
        """The classifier as an ONNX model."""
        flat = "flat"
        nodes: list[NodeProto] = [
            helper.make_node("Flatten", ["planes"], [flat]),
            helper.make_node("Gemm", [flat, "w", "b"], ["linear"]),
            helper.make_node("Sub", [flat, "c"], ["past"]),
            helper.make_node("Relu", ["past"], ["bent"]),
            helper.make_node("Sub", [flat, "m"], ["centred"]),
            helper.make_node("Mul", ["centred", "steepness"], ["steep"]),
            helper.make_node("Sigmoid", ["steep"], ["curved"]),
            helper.make_node("MatMul", ["bent", "u"], ["bends"]),
            helper.make_node("MatMul", ["curved", "v"], ["curves"]),
            helper.make_node("Add", ["bends", "curves"], ["additive"]),
            helper.make_node("Gemm", [flat, "r", "e"], ["height"]),
            helper.make_node("Relu", ["height"], ["ridge"]),
            helper.make_node("Concat", ["linear", "additive", "ridge"], ["scores"], axis=1),
        ]
        columns = {name: getattr(self, name).reshape(-1, 1) for name in "wuvr"}
        rows = {name: getattr(self, name).reshape(1, -1) for name in "cm"}
        numbers = {"b": np.array([_BIAS]), "e": np.array([-_EDGE]), "steepness": np.array(STEEPNESS)}
        shape = (CHANNELS, SIDE, SIDE)
        return model_file(nodes, {**columns, **rows, **numbers}, shape, len(CLASSES), layout, dtype)


def pictures(each: int = 2) -> npt.NDArray[np.uint8]:
    """`each` pictures of every class in turn: picture i is of class i modulo 3; shape (n, 14, 14, 3), RGB."""
    rng = np.random.default_rng(20240608)
    drawn = rng.integers(0, 256, (each * len(CLASSES), SIDE, SIDE, CHANNELS), dtype=np.uint8)
    for i, picture in enumerate(drawn):
        for k, (row, column) in enumerate(_SQUARES):
            picture[row : row + 5, column : column + 5] = 255 if k == i % len(CLASSES) else 0
    return drawn


def _sigmoid(z: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-z)))


def _exact(values: Array) -> Array:
    return values.astype(np.float32).astype(np.float64)
