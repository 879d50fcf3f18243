"""Gradient: the partial derivatives of the explained output at the image.

A_i = df/dx_i at the image, signed, in output units per unit of model input.  The paper shows its magnitude, the
largest over the colour channels; here nothing is taken away: a metric or a picture may do so.

What it says: which elements would change the output fastest, were they changed by very little.  It knows no
baseline and compares with nothing.

What it cannot show: how much the image as it is owes to an element.  An element that has done its work may have no
slope left (saturation), and through a ReLU network the slopes of neighbouring pixels differ like noise.  The map is
not complete: its sum says nothing about the output, so its cancellation is not judged.

No parameters.  Cost: one gradient an image.

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
