"""One image's walk while it is integrated: what has been evaluated where."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats
from geoaudit.paths.walk import Track

Array = npt.NDArray[np.float64]


class Strand:
    """Outputs and gradients along one walk, keyed by the parameter t.

    Attributes:
        track: the walk.
        f_x: explained output at the image.
        scale: what errors are measured against: |delta f|, or the smallest meaningful |delta f|.
        target: the explained class.
        moving: False where the image equals the baseline and there is nothing to integrate.
        outputs: explained output by t.
        gradients: gradient by t; these are the quadrature's nodes.
        recorded: gradients that came with an adaptive walk.
        spent: gradients evaluated, recorded ones included.
        forwards: onnxruntime forwards evaluated.
    """

    def __init__(self, track: Track, f_baseline: float, f_x: float, target: int, moving: bool) -> None:
        self.track = track
        self.scale = max(abs(f_x - f_baseline), 1e-6, 1e-3 * max(abs(f_x), abs(f_baseline)))
        self.target = target
        self.moving = moving
        self.outputs: dict[float, float] = {}
        self.gradients: dict[float, Floats] = {}
        self.recorded = 0
        self.spent = 0
        self.forwards = 0
        self._slopes: dict[tuple[float, float], float] = {}

    @property
    def nodes(self) -> Array:
        """Parameters that have a gradient, ascending."""
        return np.array(sorted(self.gradients), dtype=np.float64)

    def move(self, start: float, end: float) -> Floats:
        """The displacement between two parameters with no corner between them."""
        first, last = self.track.at(np.array([start, end]))
        displacement: Floats = last - first
        return displacement

    def pieces(self) -> tuple[Array, Array]:
        """The nodes (k + 1,) and each piece's miss (k,): gradient sum minus change of the output."""
        t = self.nodes
        misses = np.empty(len(t) - 1)
        for k, piece in enumerate(zip(t[:-1].tolist(), t[1:].tolist(), strict=True)):
            if piece not in self._slopes:  # a piece's sum never changes; halving makes two new pieces
                self._slopes[piece] = self._trapezoid(*piece)
            misses[k] = self._slopes[piece] - (self.outputs[piece[1]] - self.outputs[piece[0]])
        return t, misses

    def _trapezoid(self, start: float, end: float) -> float:
        part = 0.5 * (self.gradients[start] + self.gradients[end]) * self.move(start, end)
        return float(part.sum(dtype=np.float64))  # S is hundreds of times the sum: float32 would lose digits
