"""Geometrically Guided Integrated Gradients: for each feature the largest gradient met around the straight line.

The paper's idea, as far as its abstracts tell it: nothing is integrated.  The model is explored from several scaled
versions of the input, the points that Integrated Gradients passes through, and for each input element the best
attribution found is kept.  The workshop version adds that gradient ascent starts at every such point "as a guide".
Neither the full text nor code is public: step sizes, numbers of steps, the ascended quantity and the aggregation are
not known.  This is therefore a reconstruction, called so in its title, and its numbers are nobody's but its own.

Two readings, one parameter:

reading = "ascent" (default; the workshop's abstract).  From each of m scaled inputs u_k = b + (k / m)(x - b), k = 1
to m, the explained output f is ascended T times, u <- clip(u + eta g / |g|), g the gradient of f at u and
eta = 0.1 |x - b| / m, lengths being Euclidean: a tenth of the distance between neighbouring scaled inputs, so that
T = 5 steps go at most half way to the next.  Points are clipped to the range of pixel values (where image or baseline
lie outside it, to theirs).  The map is M_i = max |g_i| over all m (T + 1) points.  Cost: m (T + 1) gradients; the
T + 1 rounds follow each other, the scaled inputs of several images are evaluated together.

reading = "line" (the later abstract, which no longer mentions ascent).  The same maximum over the nodes at which
integrated-gradients has placed its gradients along the straight line, the image included, the baseline not.  They
are shared: where any other method has asked for the straight line, this reading costs nothing.  `scales` and
`ascent_steps` play no part in it; ascent with `ascent_steps=0` is the same idea on m evenly spaced points.

Options: `signed` keeps the sign that the largest gradient has; `times_input` multiplies by x - b;
`aggregate="best-point"` takes, in place of the maximum of each element, the gradient at the one point with the highest
f, the first one where several tie.

What follows from the definition, for the elementwise maximum: the map is nowhere below |gradient at the image|; it
only grows with T and with further scaled inputs; of a linear model it is |w|, whatever the image; a constant added
to the model changes nothing, a factor c multiplies the map by |c| (at a negative c the ascent turns round: then on the
line only); elements without influence stay 0.  Saturation at the image does not hide an element, because other
scales are not saturated.

What it cannot show: it is no path integral, so nothing adds up (not complete) and NCC is not defined for it;
unsigned by default, it does not tell evidence for from evidence against; and the maximum of many noisy gradients is
noisy upwards.  An image that equals its baseline gets the magnitude of its gradient, or 0 with `times_input`.

Left out: ascent over the model's parameters, another possible reading of "geometry of the parameter space".  Each
scaled input would need a model of its own, evaluated one by one, and the gradient with respect to weights is nothing
that a method can ask for and have counted here.

Source: Rahman, Lewis, Plis, Geometrically Guided Integrated Gradients, 2022, arXiv 2206.05903, abstract; and the same
authors' Geometrically Guided Saliency Maps, PAIR2Struct workshop at ICLR 2022, abstract.  m, T and eta are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit.api import (
    Attributions,
    Cost,
    Flag,
    Floats,
    InputSpace,
    Ints,
    Method,
    Parameters,
    Probe,
    Problems,
    Quadrature,
    Runs,
)

CHUNK = 64
"""Points that are evaluated together; bounds memory."""
STEP = 0.1
"""Length of an ascent step, as a share of the distance between neighbouring scaled inputs."""
TINY, LIFT = 1e-30, 2.0**100
"""Gradients shorter than the one are multiplied by the other before they are divided by their length."""
Array = npt.NDArray[np.float64]


class GeometricIGParameters(Parameters):
    """Where gradients are looked at, and what is kept of them."""

    reading: Literal["ascent", "line"] = Field(
        "ascent", description="ascend from every scaled input (workshop), or look at the straight line alone"
    )
    scales: int = Field(20, ge=1, description="scaled inputs between baseline and image (reading=ascent; ours)")
    ascent_steps: int = Field(5, ge=0, description="ascent steps from each scaled input (reading=ascent; ours)")
    aggregate: Literal["elementwise", "best-point"] = Field(
        "elementwise", description="largest gradient of each element, or the gradient where the output is highest"
    )
    signed: bool = Field(False, description="keep the sign of the chosen gradient")
    times_input: bool = Field(False, description="multiply by image - baseline")


class GeometricIG(Method):
    """The largest gradients around the straight line."""

    id: ClassVar[str] = "geometric-ig"
    title: ClassVar[str] = "Geometrically Guided IG (reconstruction)"
    family: ClassVar[str] = "gradient"
    reference: ClassVar[str] = "Rahman et al., 2022, arXiv 2206.05903"
    flags: ClassVar[frozenset[Flag]] = frozenset({"not-complete", "reconstruction"})
    runs: ClassVar[Runs] = "with all"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"scales": 10, "ascent_steps": 2},
        "thorough": {"scales": 40, "ascent_steps": 10},
    }
    Parameters: ClassVar[type[Parameters]] = GeometricIGParameters
    parameters: GeometricIGParameters

    def __init__(self, parameters: GeometricIGParameters | None = None, base: Method | None = None) -> None:
        super().__init__(parameters, base)
        self.shares_line = self.parameters.reading == "line"

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """The aggregated gradients of each image."""
        p = self.parameters
        chosen = self._along_the_line(problems, probe) if p.reading == "line" else self._ascending(problems, probe)
        values = chosen if p.signed else np.abs(chosen)
        if p.times_input:
            values = values * (problems.x - problems.baseline)
        return Attributions(values, (None,) * len(problems))

    def _along_the_line(self, problems: Problems, probe: Probe) -> Floats:
        """The chosen gradients at the shared line's nodes."""
        line = probe.recorded_line(problems)
        best = _Best(problems.x, self.parameters.aggregate)
        for i, (values, gradients) in enumerate(zip(line.values, line.gradients, strict=True)):
            for value, gradient in zip(values[1:], gradients[1:], strict=True):
                best.offer(i, float(value), gradient)
        still = [i for i, values in enumerate(line.values) if len(values) == 0]
        if still:
            values, gradients = probe.value_and_gradient(problems.x[still], problems.targets[still])
            for i, value, gradient in zip(still, values, gradients, strict=True):
                best.offer(i, float(value), gradient)
        return best.gradients

    def _ascending(self, problems: Problems, probe: Probe) -> Floats:
        """The chosen gradients at the scaled inputs and on the ascents from them."""
        best = _Best(problems.x, self.parameters.aggregate)
        together = max(1, CHUNK // self.parameters.scales)
        for start in range(0, len(problems), together):
            self._ascend(problems, range(start, min(start + together, len(problems))), probe, best)
        return best.gradients

    def _ascend(self, problems: Problems, images: range, probe: Probe, best: _Best) -> None:
        """Offer every gradient of some images to `best`."""
        p, count = self.parameters, len(images)
        start, end = problems.baseline[images.start : images.stop], problems.x[images.start : images.stop]
        scales = (np.arange(1, p.scales + 1) / p.scales).astype(end.dtype)[:, None, None, None]
        points = start[:, None] + scales * (end - start)[:, None]
        points[:, -1] = end
        low, high = _range(problems.space, start, end)
        stride = STEP / p.scales * _norms(end - start)
        targets = np.repeat(problems.targets[images.start : images.stop], p.scales)
        for step in range(p.ascent_steps + 1):
            values, gradients = _evaluate(probe, points.reshape(-1, *end.shape[1:]), targets)
            for k, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
                best.offer(images.start + k // p.scales, float(value), gradient)
            if step < p.ascent_steps:
                lengths = _norms(gradients)
                for tiny in np.flatnonzero(lengths < TINY):  # their reciprocal would overflow in single precision
                    gradients[tiny] *= LIFT
                    lengths[tiny] *= LIFT
                lengths = lengths.reshape(count, p.scales)
                share = np.where(lengths > 0, stride[:, None] / np.where(lengths > 0, lengths, 1.0), 0.0)
                points += share.astype(points.dtype)[..., None, None, None] * gradients.reshape(points.shape)
                np.clip(points, low, high, out=points)

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient a point; or the straight line, where nobody else has paid for it."""
        if self.parameters.reading == "line":
            return quadrature.curve
        return Cost(gradients=self.parameters.scales * (self.parameters.ascent_steps + 1))

    def memory(self, quadrature: Quadrature) -> int:
        """Points, gradients and steps of the images that are evaluated together; or the line's nodes."""
        if self.parameters.reading == "line":
            return 8 + quadrature.node_limit
        return 12 + 4 * self.parameters.scales


class _Best:
    """The gradients that are kept of those offered."""

    def __init__(self, like: Floats, aggregate: str) -> None:
        self.gradients = np.zeros_like(like)
        self._outputs = np.full(len(like), -np.inf)
        self._elementwise = aggregate == "elementwise"

    def offer(self, i: int, output: float, gradient: Floats) -> None:
        """Image i's gradient at a point where the explained output is `output`; what is no number must show."""
        if self._elementwise:
            larger = np.abs(gradient) > np.abs(self.gradients[i])
            np.copyto(self.gradients[i], gradient, where=larger | np.isnan(gradient))
        elif output > self._outputs[i] or np.isnan(output):
            self._outputs[i] = output
            self.gradients[i] = gradient


def _evaluate(probe: Probe, points: Floats, targets: Ints) -> tuple[Array, Floats]:
    """Values and gradients, new arrays, in batches of at most `CHUNK` points."""
    values, gradients = np.empty(len(points)), np.empty_like(points)
    for start in range(0, len(points), CHUNK):
        part = slice(start, start + CHUNK)
        values[part], gradients[part] = probe.value_and_gradient(points[part], targets[part])
    return values, gradients


def _range(space: InputSpace, start: Floats, end: Floats) -> tuple[Floats, Floats]:
    """Each image's bounds, (n, 1, *shape): the range of pixel values, widened to hold baseline and image."""
    ends = space.per_channel(space.low), space.per_channel(space.high)
    low, high = np.minimum(*ends).astype(end.dtype), np.maximum(*ends).astype(end.dtype)
    return np.minimum(np.minimum(start, end), low)[:, None], np.maximum(np.maximum(start, end), high)[:, None]


def _norms(points: Floats) -> Array:
    """Each point's Euclidean length, float64, shape (m,); row by row, so that no length depends on the others."""
    rows = points.reshape(len(points), -1)
    return np.array([np.sqrt(np.square(row, dtype=np.float64).sum()) for row in rows])
