"""Blur Integrated Gradients: from the blurred image to the image, detail by detail.

The walk starts at the image blurred by a wide Gaussian and ends at the image itself, the blur's sigma falling to 0.
No colour has to stand for "nothing": a blurred picture has no detail, and what the output gains as detail comes back
is attributed to the places where it comes back.  The run's baseline plays no part (flag own-baseline): the
attributions add up to f(image) - f(most blurred image), which is what completeness and NCC are judged against.

Blur.  Convolution with a Gaussian is the heat equation, and with reflecting borders its solution is a cosine series:
each coefficient of the discrete cosine transform fades as exp(-sigma^2 w^2 / 2), where w = pi k / n is its angular
frequency in radians a pixel.  That costs one transform a point and treats borders as mirrors; the published code
pads with black, which darkens the border and gives it attributions.  Blurring model inputs is blurring pixels, since
what the preprocessing does to a channel is affine.

Parameter of the walk.  sigma(t) = sigma_max (1 - t)^2: most of a picture's detail returns at the end, so t is
stretched there for the integrator's first look.  The attribution of a walk does not depend on how it is
parametrised; the published code steps evenly in sigma or, by an option that stops at a smaller blur, in its square.

Integration.  The published code takes 100 steps, with the gradient at a step's start and a forward difference of the
blur over 0.01 px for its direction; with batches larger than one it multiplies every step of a batch by the
last one's width, and integer pixels are truncated.  Here the walk is a curve that the integrator refines until the
error bar is met, with the true displacement between its nodes.

Defaults.  sigma_max is 50 px at 224 px, the published code's, kept in proportion to the shorter side for other sizes.

What it cannot show.  What a picture keeps when it is blurred (its mean colour, large shapes) gets no attribution at
all, though the output may rest on it: look at f of the blurred image before reading the map.

Source: Xu, Venugopalan, Sundararajan, Attribution in Scale and Space, CVPR 2020, arXiv 2004.03383.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit.api import Curve, Flag, Floats, InputSpace, Parameters, PathMethod, Probe, Problems, Quadrature


class BlurIGParameters(Parameters):
    """The start of the walk."""

    sigma: float = Field(
        50 / 224, gt=0, description="blur at the start, as a share of the picture's shorter side (released code)"
    )


class BlurIG(PathMethod):
    """Integrated gradients along a walk on which the image gets sharp."""

    id: ClassVar[str] = "blur-ig"
    title: ClassVar[str] = "Blur IG"
    family: ClassVar[str] = "path"
    reference: ClassVar[str] = "Xu et al., CVPR 2020, arXiv 2004.03383"
    flags: ClassVar[frozenset[Flag]] = frozenset({"own-baseline"})
    Parameters: ClassVar[type[Parameters]] = BlurIGParameters
    parameters: BlurIGParameters

    def pose(self, problems: Problems, probe: Probe) -> Problems:
        """The blurred images as baselines; an image that blurring does not change keeps itself as baseline."""
        start = self._widest(problems.space)
        blurred = np.stack([Blur(x, problems.space)(np.array([start]))[0] for x in problems.x])
        axes = tuple(range(1, blurred.ndim))
        change = np.abs(blurred - problems.x).max(axis=axes, keepdims=True)
        rounding = 64 * np.finfo(problems.x.dtype).eps * np.abs(problems.x).max(axis=axes, keepdims=True)
        blurred = np.where(change <= rounding, problems.x, blurred)
        return problems.starting_at(blurred, probe.outputs(blurred, problems.targets))

    def walk(self, problems: Problems, probe: Probe) -> Curve:
        """From the posed baselines to the images, sigma falling with the square of what is left of the walk."""
        blurs = [Blur(x, problems.space) for x in problems.x]
        widest = self._widest(problems.space)

        def at(i: int, t: npt.NDArray[np.float64]) -> Floats:
            points = blurs[i](widest * (1.0 - t) ** 2)
            points[t == 1.0] = problems.x[i]
            points[t == 0.0] = problems.baseline[i]
            return points

        return Curve(at)

    def _widest(self, space: InputSpace) -> float:
        """Sigma at the start, in pixels."""
        return self.parameters.sigma * min(space.size)

    def memory(self, quadrature: Quadrature) -> int:
        """As any walk, and the transforms in float64."""
        return super().memory(quadrature) + 4


class Blur:
    """Gaussian blurs of one image with reflecting borders.

    Args:
        image: in model input space, shape (*space.shape).
        space: its layout.
    """

    def __init__(self, image: Floats, space: InputSpace) -> None:
        from scipy.fft import dctn

        self._axes = (1, 2) if space.layout == "NCHW" else (0, 1)
        self._coefficients = dctn(image, axes=self._axes, norm="ortho")
        frequencies = []
        for axis in self._axes:
            shape = [1, 1, 1]
            shape[axis] = -1
            count = image.shape[axis]
            frequencies.append((np.pi * np.arange(count) / count).reshape(shape))
        self._squares = frequencies[0] ** 2 + frequencies[1] ** 2

    def __call__(self, sigmas: npt.NDArray[np.float64]) -> Floats:
        """The image blurred by each sigma (k,), in pixels; shape (k, *shape), the image's dtype."""
        from scipy.fft import idctn

        fading = np.exp(-0.5 * sigmas[:, None, None, None] ** 2 * self._squares)
        faded = self._coefficients * fading.astype(self._coefficients.dtype)
        blurred: Floats = idctn(faded, axes=tuple(axis + 1 for axis in self._axes), norm="ortho")
        return blurred
