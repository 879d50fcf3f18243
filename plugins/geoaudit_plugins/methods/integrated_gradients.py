"""Integrated Gradients: the straight line from the baseline to the image.

A_i = (x_i - x'_i) times the mean of the i-th partial derivative along the line. Complete: the attributions
sum to f(x) - f(x'). The nodes are placed where the output moves and refined until the error bar is met; the
gradients are shared with every other method that needs the straight line.

Source: Sundararajan, Taly, Yan, Axiomatic Attribution for Deep Networks, ICML 2017, arXiv 1703.01365, eq. 1.
"""

from __future__ import annotations

from typing import ClassVar

from geoaudit.api import Attributions, Curve, PathMethod, Probe, Problems
from geoaudit.paths.walk import straight_line


class IntegratedGradients(PathMethod):
    """Integrated Gradients along the straight line."""

    id: ClassVar[str] = "integrated-gradients"
    title: ClassVar[str] = "Integrated Gradients"
    family: ClassVar[str] = "path"
    reference: ClassVar[str] = "Sundararajan et al., ICML 2017, arXiv 1703.01365"

    def walk(self, problems: Problems, probe: Probe) -> Curve:
        """The straight line."""
        return straight_line(problems)

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """The shared straight-line integral."""
        return probe.straight_line(problems)
