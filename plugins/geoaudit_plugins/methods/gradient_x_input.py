"""Gradient times input: the gradient at the image times the way from the baseline.

The first-order estimate of f(x) - f(x') from the image's end: complete for linear models only.

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
