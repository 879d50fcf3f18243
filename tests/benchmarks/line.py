"""One photograph's straight line, evaluated at many rational parameters, each once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Probe, Problems
from geoaudit.paths.walk import straight_line

Array = npt.NDArray[np.float64]

PIECES = 1024
"""Pieces of the reference; its nodes contain the midpoints of every smaller power of two."""
_AT_ONCE = 64


class Line:
    """Directional derivatives and outputs along the line; gradients are not kept.

    Args:
        problem: exactly one problem.
        probe: the model; every parameter is evaluated once, whichever rule asks for it.
    """

    def __init__(self, problem: Problems, probe: Probe) -> None:
        self._problem = problem
        self._probe = probe
        self._at = straight_line(problem).at
        self._way = (problem.x[0] - problem.baseline[0]).astype(np.float64)
        self._slopes: dict[Fraction, float] = {}
        self._outputs: dict[Fraction, float] = {}

    def reference(self) -> Array:
        """The map by the trapezoid rule on `PIECES` equal pieces, shape (*shape,), float64."""
        nodes = [Fraction(k, PIECES) for k in range(PIECES + 1)]
        weights = np.full(len(nodes), 1.0 / PIECES)
        weights[[0, -1]] /= 2
        return self._map(nodes, weights)

    def uniform_map(self, pieces: int) -> Array:
        """The map by the midpoint rule on equal pieces, shape (*shape,), float64."""
        return self._map(_midpoints(pieces), np.full(pieces, 1.0 / pieces))

    def error_bar(self, pieces: int) -> float:
        """The midpoint rule's error bar on equal pieces, as a share of |delta f|.

        Root of the sum over the pieces of (gradient sum - change of the output)^2: the measure by which
        geoaudit judges its own nodes.
        """
        middles = _midpoints(pieces)
        ends = [Fraction(k, pieces) for k in range(pieces + 1)]
        self._evaluate([t for t in middles if t not in self._slopes])
        self._look([t for t in ends if t not in self._outputs])
        slopes = np.array([self._slopes[t] for t in middles])
        changes = np.diff([self._outputs[t] for t in ends])
        miss = float(np.sqrt(((slopes / pieces - changes) ** 2).sum()))
        return miss / abs(float(self._problem.delta_f[0]))

    def _map(self, nodes: list[Fraction], weights: Array) -> Array:
        """The weighted sum of the gradients at all nodes times the way; the slopes are kept for later."""
        total = np.zeros_like(self._way)
        for start in range(0, len(nodes), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            gradients = self._evaluate(nodes[part])
            for weight, gradient in zip(weights[part], gradients, strict=True):
                total += weight * gradient
        values: Array = total * self._way
        return values

    def _evaluate(self, nodes: list[Fraction]) -> Floats:
        """Evaluate gradients at all `nodes`; with more than `_AT_ONCE` only the last part comes back."""
        gradients = np.empty((0, *self._way.shape))
        for start in range(0, len(nodes), _AT_ONCE):
            part = nodes[start : start + _AT_ONCE]
            _, gradients = self._probe.value_and_gradient(self._points(part), self._targets(part))
            for t, gradient in zip(part, gradients, strict=True):  # no BLAS: its threads would fight torch's
                self._slopes[t] = float((gradient * self._way).sum())
        return gradients

    def _look(self, ends: list[Fraction]) -> None:
        for start in range(0, len(ends), _AT_ONCE):
            part = ends[start : start + _AT_ONCE]
            values = self._probe.outputs(self._points(part), self._targets(part))
            self._outputs.update(zip(part, values.tolist(), strict=True))

    def _points(self, nodes: list[Fraction]) -> Floats:
        return self._at(0, np.array([float(t) for t in nodes]))

    def _targets(self, nodes: list[Fraction]) -> npt.NDArray[np.int64]:
        return np.repeat(self._problem.targets, len(nodes))


def _midpoints(pieces: int) -> list[Fraction]:
    return [Fraction(2 * k + 1, 2 * pieces) for k in range(pieces)]
