"""Midway gradient: integrated gradients by a single node.

One gradient somewhere between baseline and image, times the way from one to the other: the midpoint rule with
one node.  Complete for linear models only.

Source: Sundararajan et al., ICML 2017, arXiv 1703.01365, eq. 1, with the integral replaced by one value.
"""

from __future__ import annotations

from pydantic import Field

from geoaudit import Attributions, Cost, Method, Parameters, Probe, Problems, Quadrature


class MidwayParameters(Parameters):
    """Where the gradient is taken."""

    share: float = Field(0.5, ge=0, le=1, description="share of the way from the baseline to the image")


class MidwayGradient(Method):
    """Gradient on the way, times the way."""

    id = "geoaudit-example/midway-gradient"
    title = "Midway gradient"
    family = "gradient"
    reference = "Sundararajan et al., ICML 2017, arXiv 1703.01365"
    flags = frozenset({"not-complete"})
    Parameters = MidwayParameters

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """One gradient an image."""
        way = problems.x - problems.baseline
        _, gradients = probe.value_and_gradient(problems.baseline + self.parameters.share * way, problems.targets)
        return Attributions(gradients * way, (None,) * len(problems))

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient."""
        return Cost(gradients=1)
