"""Noisy linear imputation: every removed pixel becomes the mean of its neighbours, plus a little noise.

A removed pixel is the weighted mean of those of its eight neighbours that lie in the picture, direct neighbours with
weight 1/6 and diagonal ones with 1/12, at the border divided by the sum of the weights that are left.  Removed
neighbours count with the value that they get themselves, so that all removed pixels are the solution of one sparse
linear system; the channels of a pixel are removed together and share it.  Each of the solution's numbers then gets
independent normal noise.

Why: a hole of one colour shows its own shape, and a model that sees the shape may know the class from it.  Values
that fit in, with noise that hides how smooth they are, leave less of the shape to be seen.  What it cannot do: inside
a large hole the system's solution is flat whatever the noise, so that a map that removes whole blocks still shows
where it has been.

The noise's standard deviation of 0.01 of the pixel range is the paper's for pictures in [0, 1].  It is drawn once a
picture, from the run's seed and the picture's id: every map and every share removed see the same noise, in another
part of it.  Values are not clipped to the pixel range, which the noise may leave by a few hundredths.  Where everything
is removed no neighbour is known, and the picture's mean colour takes the place of the solution.

Departures from the authors' code, `tleemann/road_evaluation`: it solves by a general sparse factorisation in double
precision, draws new noise at every call, and gives it the standard deviation 0.01 in the units of the picture that it
is handed, normalised or not.  Here the system is solved by conjugate gradients up to an estimated error of 1e-4 of the
pixel range for float32 pictures (4e-9 for float64), and the true one is at most about twice that: a fiftieth of the
noise.

Source: Rong, Leemann, Borisov, Kasneci, Kasneci, A Consistent and Efficient Evaluation Strategy for Attribution
Methods, ICML 2022, arXiv 2202.00449, section 4 and appendix.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit import Imputer, InputSpace, Parameters, Probe, Problems
from geoaudit.api import Filler, Floats, Removed
from geoaudit_plugins.imputers.neighbour_means import neighbour_means


class NoisyLinearParameters(Parameters):
    """How much noise is added."""

    noise: float = Field(
        0.01, ge=0, description="standard deviation of the noise as a share of the pixel range (paper)"
    )


class NoisyLinear(Imputer):
    """Removed pixels as weighted means of their neighbours, with noise."""

    id: ClassVar[str] = "noisy-linear"
    title: ClassVar[str] = "Means of the neighbours, with noise"
    reference: ClassVar[str] = "Rong et al., ICML 2022 (arXiv 2202.00449)"
    Parameters: ClassVar[type[Parameters]] = NoisyLinearParameters
    parameters: NoisyLinearParameters

    def open(self, problems: Problems, probe: Probe) -> Filler:
        """Solves for one image after the other; nothing is kept between calls."""
        unit = pixel_range(problems.space)

        def impute(images: npt.NDArray[np.integer[Any]], removed: Removed) -> Floats:
            points: Floats = problems.x[images]  # a copy, for indexing by an array makes one
            for point, image, gone in zip(points, images, removed, strict=True):
                if gone.any():
                    noise = self._noise(probe, problems.ids[int(image)], point)
                    self._fill(problems.space, point, gone, unit, noise)
            return points

        return impute

    def _noise(self, probe: Probe, image: str, point: Floats) -> Floats:
        """Normal noise in shares of the pixel range, shape and dtype of the point."""
        drawn = probe.rng(self.id, image).standard_normal(point.shape, dtype=np.float32)
        return drawn.astype(point.dtype, copy=False) * point.dtype.type(self.parameters.noise)

    @staticmethod
    def _fill(space: InputSpace, point: Floats, gone: npt.NDArray[np.bool_], unit: Floats, noise: Floats) -> None:
        """Overwrite one point's removed pixels."""
        picture = np.moveaxis(point / unit.astype(point.dtype), space.channel_axis, 0)
        if gone.all():
            filled = np.broadcast_to(picture.mean(axis=(1, 2), keepdims=True), picture.shape)
        else:
            tolerance = 0.25 * float(np.sqrt(np.finfo(point.dtype).eps))
            filled = neighbour_means(np.ascontiguousarray(picture), gone, tolerance)
        values = (np.moveaxis(filled, 0, space.channel_axis) + noise) * unit
        np.copyto(point, values, where=np.expand_dims(gone, space.channel_axis), casting="same_kind")


def pixel_range(space: InputSpace) -> Floats:
    """Model input units between pixel 0 and 255, one a channel, to broadcast against one sample; 1 instead of 0."""
    unit = np.abs(space.per_channel(space.high) - space.per_channel(space.low))
    return np.where(unit > 0, unit, 1.0)
