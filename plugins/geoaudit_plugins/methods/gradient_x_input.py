"""Gradient times input: the gradient at the image times the way from the baseline.

A_i = (x_i - x'_i) df/dx_i at the image: the first-order estimate of f(x) - f(x') from the image's end, and
integrated gradients with a single node there.  With a black baseline in raw pixels it is the paper's gradient times
input; here the way counts from the run's baseline, so that a shifted or normalised input gives the same map.

Completeness: for linear models only.  Elsewhere the sum misses f(x) - f(x') by the curvature between the two, often
by more than the difference itself, so its cancellation is not judged.

What it cannot show: what a saturated element has contributed, for the slope at the image is all it sees.  And much
of the picture in the map is the picture itself: the factor x - x' is there whatever the model does.

No parameters.  Cost: one gradient an image.

Source: Shrikumar et al., Not Just a Black Box, 2016, arXiv 1605.01713.
"""

from __future__ import annotations

from typing import ClassVar

from geoaudit.api import Attributions, Cost, Flag, Method, Probe, Problems, Quadrature


class GradientXInput(Method):
    """Gradient times (image - baseline)."""

    id: ClassVar[str] = "gradient-x-input"
    title: ClassVar[str] = "Gradient x Input"
    family: ClassVar[str] = "gradient"
    reference: ClassVar[str] = "Shrikumar et al., 2016, arXiv 1605.01713"
    flags: ClassVar[frozenset[Flag]] = frozenset({"not-complete"})

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """One gradient an image."""
        _, gradients = probe.value_and_gradient(problems.x, problems.targets)
        return Attributions(gradients * (problems.x - problems.baseline), (None,) * len(problems))

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient."""
        return Cost(gradients=1)
