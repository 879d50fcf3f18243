"""SmoothGrad: a map averaged over noisy copies of the image.

What it does.  The gradient of a piecewise linear network jumps from one linear piece to the next, and a picture
that no eye can tell from the image may lie on another piece.  SmoothGrad draws n copies x_k = x + e_k with Gaussian
noise e_k and averages:

    variant "mean"      A = mean_k g(x_k)                         what the paper calls SmoothGrad
    variant "square"    A = mean_k g(x_k)^2                       SmoothGrad-Squared: sensitivity without sign
    variant "variance"  A = mean_k g(x_k)^2 - (mean_k g(x_k))^2   VarGrad: where the gradient changes with the noise

The mean estimates the gradient of f blurred by the noise's Gaussian.  For a linear model all copies agree: the mean
is exactly w, the square w^2, the variance 0.

Any method can take the gradient's place (`base`): its complete map is made for every noisy copy, each a problem of
its own with its own f(x_k), and the maps are averaged.  Over a complete method the mean adds up to
mean_k f(x_k) - f(x'), the output difference of the average noisy copy.

Noise.  Its standard deviation is `sigma` times the contrast of the picture: its largest pixel value minus its
smallest, over all channels, 15 % by default (the paper finds 10 to 20 % to give the clearest maps).  Pixels are what
it is measured in: a channel that the preprocessing stretches gets its noise stretched likewise, where the released
code takes the range of the preprocessed array for all channels.  Noisy pixels are not clipped to the picture's range,
as published.  A picture of one colour gets no noise.  The noise is drawn from the run's seed and the image's id.

Departures.  The released code's usual call returns the mean of the squares under the name of SmoothGrad; here each
variant has its own name, and the default is the signed mean that the paper defines.  The moments are updated copy by
copy (Welford), so that a variance is never the difference of two large numbers.  25 copies are the released code's
default; the quick budget takes 10 and the thorough one 50, where the paper sees no more improvement.

What it cannot show.  The map is not complete: it adds up to nothing that the output does (flag not-complete), and
over a path method its sum belongs to noisy pictures that the model may never have met.  It is blurred where the
gradient truly changes, and noisy still: the deviation falls with the square root of n.  Squares and variances are
never negative and cannot tell evidence for from evidence against.

Source: Smilkov et al., SmoothGrad: removing noise by adding noise, 2017, arXiv 1706.03825; the variance: Adebayo et
al., Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values, 2018, arXiv 1810.03307.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit.api import Attributions, Cost, Flag, Floats, Method, Parameters, Probe, Problems, Quadrature
from geoaudit.errors import PluginError
from geoaudit_plugins.methods.gradient import Gradient

CHUNK = 64
"""Noisy copies, over all images, whose gradients are asked for at a time."""
Variant = Literal["mean", "square", "variance"]
Array = npt.NDArray[np.float64]


class SmoothGradParameters(Parameters):
    """How copies are made and averaged."""

    samples: int = Field(25, ge=1, description="noisy copies of one image (released code)")
    sigma: float = Field(
        0.15, ge=0, description="deviation of the noise as a share of the picture's contrast (paper: 0.1 to 0.2)"
    )
    variant: Variant = Field("mean", description="mean of the maps, mean of their squares, or their variance")
    base: str = Field("gradient", description="method whose maps are averaged")


class SmoothGrad(Method):
    """The mean of a method's maps of noisy copies of the image; of the gradient, by default."""

    id: ClassVar[str] = "smoothgrad"
    title: ClassVar[str] = "SmoothGrad"
    family: ClassVar[str] = "gradient"
    reference: ClassVar[str] = "Smilkov et al., 2017, arXiv 1706.03825"
    flags: ClassVar[frozenset[Flag]] = frozenset({"not-complete", "stochastic"})
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"samples": 10}, "thorough": {"samples": 50}}
    base_parameter: ClassVar[str | None] = "base"
    Parameters: ClassVar[type[Parameters]] = SmoothGradParameters
    parameters: SmoothGradParameters
    base: Method

    def __init__(self, parameters: SmoothGradParameters | None = None, base: Method | None = None) -> None:
        super().__init__(parameters, base or Gradient())
        if self.base.id != self.parameters.base:
            raise PluginError(
                self.id, f"was given {self.base.id} to build on where its parameters name {self.parameters.base}",
                "Make it through geoaudit.registry.create.",
            )  # fmt: skip
        # What its base depends on, its averages depend on.
        self.flags = type(self).flags | self.base.flags  # type: ignore[misc]

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """One map of the base method a copy and image."""
        moments = [Moments(problems.space.shape, self.parameters.variant) for _ in problems.ids]
        notes: dict[str, None] = {}
        if isinstance(self.base, Gradient):
            self._gradients(problems, probe, moments)
        else:
            self._maps(problems, probe, moments, notes)
        values = np.empty_like(problems.x)
        for i, moment in enumerate(moments):
            values[i] = moment.value()
        return Attributions(values, (None,) * len(problems), tuple(notes))

    def _gradients(self, problems: Problems, probe: Probe, moments: list[Moments]) -> None:
        """Gradients at all copies of all images, in full batches; the copies' outputs are not needed."""
        n, p = len(problems), self.parameters
        owners = np.repeat(np.arange(n), p.samples)
        copies = (copy for i in range(n) for copy in self._copies(problems, i, probe))
        for start in range(0, len(owners), CHUNK):
            part = owners[start : start + CHUNK]
            points = np.stack([next(copies) for _ in part])
            _, gradients = probe.value_and_gradient(points, problems.targets[part])
            for i, gradient in zip(part, gradients, strict=True):
                moments[i].add(gradient)

    def _maps(self, problems: Problems, probe: Probe, moments: list[Moments], notes: dict[str, None]) -> None:
        """Maps of one copy of every image at a time: as many problems as memory was reckoned for."""
        alone = probe.with_quadrature(probe.quadrature)
        copies = [self._copies(problems, i, probe) for i in range(len(problems))]
        for k in range(self.parameters.samples):
            x = np.stack([next(copy) for copy in copies])
            ids = tuple(f"{image}#noisy{k}" for image in problems.ids)  # whatever the base draws, it draws anew
            noisy = replace(problems, ids=ids, x=x, f_x=probe.outputs(x, problems.targets))
            made = self.base.attribute(noisy, alone)
            notes.update(dict.fromkeys(made.notes))
            for moment, value in zip(moments, made.values, strict=True):
                moment.add(value)

    def _copies(self, problems: Problems, i: int, probe: Probe) -> Iterator[Floats]:
        """Problem i's noisy copies, one by one."""
        x, space = problems.x[i], problems.space
        width = space.per_channel(space.high) - space.per_channel(space.low)
        pixels = (x - space.per_channel(space.low)) / width
        spread = self.parameters.sigma * (pixels.max() - pixels.min()) * width
        rng = probe.rng(self.id, problems.ids[i])
        for _ in range(self.parameters.samples):
            yield (x + spread * rng.standard_normal(x.shape)).astype(x.dtype)

    def cost(self, quadrature: Quadrature) -> Cost:
        """The base method's, once a copy; and the copy's output where the base asks for it."""
        forwards = 0.0 if isinstance(self.base, Gradient) else 1.0
        return (self.base.cost(quadrature) + Cost(forwards=forwards)) * self.parameters.samples

    def preparation(self, quadrature: Quadrature, calibration: int) -> Cost:
        """The base method's."""
        return self.base.preparation(quadrature, calibration)

    def memory(self, quadrature: Quadrature) -> int:
        """Two moments in float64; copies and gradients of a batch, or what the base method holds."""
        if isinstance(self.base, Gradient):
            return 12 + 3 * min(CHUNK, self.parameters.samples)
        return 12 + self.base.memory(quadrature)


class Moments:
    """Mean and squared deviations of maps that come one by one.

    Args:
        shape: of a map.
        variant: which of their moments is wanted.
    """

    def __init__(self, shape: tuple[int, ...], variant: Variant) -> None:
        self._variant = variant
        self._count = 0
        self._mean: Array = np.zeros(shape)
        self._deviations: Array = np.zeros(shape if variant != "mean" else ())

    def add(self, value: Floats) -> None:
        """Take one more map into account."""
        self._count += 1
        before = value - self._mean
        self._mean += before / self._count
        if self._variant != "mean":
            self._deviations += before * (value - self._mean)

    def value(self) -> Array:
        """The mean, the mean square or the variance (of the copies themselves: divided by their number)."""
        if self._variant == "mean":
            return self._mean
        variance: Array = self._deviations / self._count
        return variance if self._variant == "variance" else variance + self._mean**2
