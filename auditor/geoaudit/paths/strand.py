"""One image's walk while it is integrated: what has been evaluated where."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats
from geoaudit.paths.walk import Track

Array = npt.NDArray[np.float64]


REST = 16
"""Pieces between two rests."""


def _no_rest() -> None:
    pass


class Strand:
    """Outputs and gradients along one walk, keyed by the parameter t.

    Attributes:
        track: the walk.
        weight: the factor of this walk's integral in the image's map; 1 unless the walk is one of several.
        scale: what errors are measured against: this walk's share of the image's |delta f|, or of the smallest
            meaningful |delta f|.
        fair: what the sum of this walk's misses is measured against: an even share, for sums of several walks may
            have one sign.
        target: the explained class.
        moving: False where the image equals the baseline and there is nothing to integrate.
        outputs: explained output by t.
        gradients: gradient by t; these are the quadrature's nodes.
        recorded: gradients that came with an adaptive walk.
        spent: gradients evaluated, recorded ones included.
        forwards: onnxruntime forwards evaluated.
        rest: called every `REST` pieces while they are gone through: lets go of memory that can be had again.
    """

    def __init__(
        self, track: Track, target: int, moving: bool, scale: float, weight: float = 1.0, fair: float | None = None
    ) -> None:
        self.track = track
        self.weight = weight
        self.scale = scale
        self.fair = scale if fair is None else fair
        self.target = target
        self.moving = moving
        self.outputs: dict[float, float] = {}
        self.gradients: dict[float, Floats] = {}
        self.recorded = 0
        self.spent = 0
        self.forwards = 0
        self.rest: Callable[[], None] = _no_rest
        self._points: dict[float, Floats] = {}
        self._sums: dict[tuple[float, float], float] = {}

    @property
    def nodes(self) -> Array:
        """Parameters that have a gradient, ascending."""
        return np.array(sorted(self.gradients), dtype=np.float64)

    def move(self, start: float, end: float) -> Floats:
        """The displacement between two parameters with no corner between them."""
        first = self._point(start)  # before the end: it is the last piece's end, and remembered
        displacement: Floats = self._point(end) - first
        return displacement

    def _point(self, t: float) -> Floats:
        """The point at t; the last two are remembered, for pieces are gone through in order."""
        if t not in self._points:
            if len(self._points) == 2:
                self._points.pop(next(iter(self._points)))
            self._points[t] = self.track.at(np.array([t]))[0]
        return self._points[t]

    def pieces(self) -> tuple[Array, Array]:
        """The nodes (k + 1,) and each piece's miss (k,): gradient sum minus change of the output."""
        t = self.nodes
        misses = np.empty(len(t) - 1)
        for k, piece in enumerate(zip(t[:-1].tolist(), t[1:].tolist(), strict=True)):
            if k % REST == 0:
                self.rest()
            if piece not in self._sums:  # a piece's sum never changes; halving makes two new pieces
                start, end = piece
                self.sum_of(piece, 0.5 * (self.gradients[start] + self.gradients[end]) * self.move(start, end))
            misses[k] = self._sums[piece] - (self.outputs[piece[1]] - self.outputs[piece[0]])
        return t, misses

    def sum_of(self, piece: tuple[float, float], part: Floats) -> float:
        """The gradient sum of a piece between two nodes, added up only once.

        Args:
            piece: the nodes' parameters.
            part: the trapezoid rule's map of the piece.
        """
        if piece not in self._sums:
            self._sums[piece] = float(part.sum(dtype=np.float64))  # S is hundreds of times the sum: no float32
        return self._sums[piece]
