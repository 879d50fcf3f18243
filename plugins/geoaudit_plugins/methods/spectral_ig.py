"""Spectral Integrated Gradients: from the baseline to the image, coarse structure first.

The difference d = image - baseline is taken apart, channel by channel, by a singular value decomposition:
d = sum_r sigma_r u_r v_r^T.  The walk adds these layers one after the other, strongest first, each fading in over
a share `overlap` (omega) of the walk:

    gamma(t) = baseline + sum_r phi_r(t) sigma_r u_r v_r^T,
    phi_r(t) = clip((t - (1 - omega) (1 - sigma_r / sigma_1)) / omega, 0, 1).

So the strongest layer of every channel starts at t = 0, the weakest at t = 1 - omega, and at t = 1 all have
arrived.  The idea: on the straight line the fine noise of a picture is there from the first step on, and collects
gradients all the way; here it appears last, when the coarse picture has long decided the output.

At omega = 1 every layer moves with t and the walk is the straight line of integrated gradients, exactly.

Integration.  The published code takes 200 equal steps in t with the gradient at each step's start.  Here the walk is
a curve like any other: the integrator places its nodes where the output moves and adds more until the error bar is
met, so the attributions add up to f(image) - f(baseline) within that bar, usually with far fewer gradients.
The walk depends on image and baseline alone, not on the model, so that all nodes of all images share batches.

Defaults.  omega = 0.4 is the authors'.

What it cannot show.  Singular vectors are whole rows and columns: for a picture that is symmetric under a reflection
the walk is, too, but exchanging two pixels is in general no symmetry of the walk, so equal pixels of a symmetric
model may get different shares.  Where several singular values coincide the layers are not unique, and the walk is
still well defined, for equal values move together.  Channels are taken apart separately: a layer of one colour may
arrive before its counterpart in another, and the walk passes through colours that neither end has.

Source: Spectral Integrated Gradients, KDD 2026, arXiv 2605.19607; omega and the schedule of the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit.api import Curve, Floats, Parameters, PathMethod, Probe, Problems, Quadrature
from geoaudit.paths.walk import straight_line


class SpectralIGParameters(Parameters):
    """The schedule of the layers."""

    overlap: float = Field(
        0.4, gt=0, le=1, description="share of the walk over which one layer fades in (authors' code); 1: straight"
    )


class SpectralIG(PathMethod):
    """Integrated gradients along a walk that adds the strongest singular components first."""

    id: ClassVar[str] = "spectral-ig"
    title: ClassVar[str] = "Spectral IG"
    family: ClassVar[str] = "path"
    reference: ClassVar[str] = "Spectral Integrated Gradients, KDD 2026, arXiv 2605.19607"
    Parameters: ClassVar[type[Parameters]] = SpectralIGParameters
    parameters: SpectralIGParameters

    def walk(self, problems: Problems, probe: Probe) -> Curve:
        """The walk through the singular components of image - baseline."""
        if self.parameters.overlap == 1.0:
            return straight_line(problems)
        spectra = [_Spectrum.of(problems, i) for i in range(len(problems))]
        overlap, axis = self.parameters.overlap, problems.space.channel_axis

        def at(i: int, t: npt.NDArray[np.float64]) -> Floats:
            added = spectra[i].partial(t, overlap)
            points: Floats = problems.baseline[i] + np.moveaxis(added, 1, 1 + axis)
            points[t == 1.0] = problems.x[i]
            return points

        return Curve(at)

    def memory(self, quadrature: Quadrature) -> int:
        """As any walk, and the two factors of the decomposition."""
        return super().memory(quadrature) + 4


@dataclass(frozen=True)
class _Spectrum:
    """One image's difference, taken apart channel by channel.

    Attributes:
        left: left singular vectors times their values, shape (C, H, R), the images' dtype.
        right: right singular vectors, shape (C, R, W), same dtype.
        late: 1 - sigma_r / sigma_1 in [0, 1], float64, shape (C, R); 1 where a channel does not differ at all.
    """

    left: npt.NDArray[Any]
    right: npt.NDArray[Any]
    late: npt.NDArray[np.float64]

    @classmethod
    def of(cls, problems: Problems, i: int) -> _Spectrum:
        way = problems.x[i].astype(np.float64) - problems.baseline[i]
        channels = np.moveaxis(way, problems.space.channel_axis, 0)
        u, sigma, vt = np.linalg.svd(channels, full_matrices=False)
        strongest = np.where(sigma[:, :1] > 0, sigma[:, :1], 1.0)
        dtype = problems.x.dtype
        return cls((u * sigma[:, None, :]).astype(dtype), vt.astype(dtype), 1.0 - sigma / strongest)

    def partial(self, t: npt.NDArray[np.float64], overlap: float) -> Floats:
        """What has been added to the baseline at t, shape (k, C, H, W)."""
        phi = np.clip((t[:, None, None] - (1 - overlap) * self.late) / overlap, 0.0, 1.0)
        added: Floats = (self.left * phi[:, :, None, :].astype(self.left.dtype)) @ self.right
        return added
