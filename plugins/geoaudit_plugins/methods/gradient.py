"""Gradient: the partial derivatives of the explained output at the image.

Local sensitivity, no baseline, not complete: its sum says nothing about the output.

Source: Simonyan, Vedaldi, Zisserman, Deep Inside Convolutional Networks, 2013, arXiv 1312.6034.
"""

from __future__ import annotations

from typing import ClassVar

from geoaudit.api import Attributions, Cost, Flag, Method, Probe, Problems, Quadrature


class Gradient(Method):
    """The gradient at the image, signed."""

    id: ClassVar[str] = "gradient"
    title: ClassVar[str] = "Gradient"
    family: ClassVar[str] = "gradient"
    reference: ClassVar[str] = "Simonyan et al., 2013, arXiv 1312.6034"
    flags: ClassVar[frozenset[Flag]] = frozenset({"not-complete"})

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """One gradient an image."""
        _, gradients = probe.value_and_gradient(problems.x, problems.targets)
        return Attributions(gradients, (None,) * len(problems))

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient."""
        return Cost(gradients=1)
