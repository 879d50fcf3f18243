"""Calibration pictures and the user's autoencoder, moved along with the pictures by a constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from geoaudit.api import Autoencoder, Calibration, Floats


def moved_calibration(calibration: Calibration, shift: Floats) -> Calibration:
    """The same pictures, each moved by `shift` (shape of one picture), in their own dtype."""

    def load(indices: Sequence[int]) -> Floats:
        points = calibration.load(indices)
        return points + shift.astype(points.dtype, copy=False)

    return replace(calibration, load=load)


@dataclass(frozen=True)
class MovedAutoencoder:
    """An autoencoder of pictures that are moved by a constant; the codes stay what they were.

    Attributes:
        still: the autoencoder of the pictures themselves.
        shift: what they are moved by, shape of one picture.
    """

    still: Autoencoder
    shift: Floats

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of one code."""
        return self.still.code_shape

    def encode(self, points: Floats) -> Floats:
        """The codes (m, *code_shape) of points (m, *shape)."""
        return self.still.encode(points - self.shift.astype(points.dtype, copy=False))

    def decode(self, codes: Floats) -> Floats:
        """The points (m, *shape) of codes (m, *code_shape)."""
        points = self.still.decode(codes)
        return points + self.shift.astype(points.dtype, copy=False)

    def pull_back(self, codes: Floats, gradients: Floats) -> Floats:
        """Gradients with respect to the decoder's output carried back to the codes."""
        return self.still.pull_back(codes, gradients)
