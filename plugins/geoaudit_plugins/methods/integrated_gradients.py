"""Integrated Gradients: the straight line from the baseline to the image.

A_i = (x_i - x'_i) times the mean of the i-th partial derivative along the line x' + t (x - x'), t from 0 to 1.

Completeness: the attributions sum to f(x) - f(x') for every model that is differentiable almost everywhere, up to
the quadrature's error.  The usual 50 nodes, evenly spread or of Gauss and Legendre, leave tens of percent of error
on photographs.  Here a forward scan shows where the output moves, the nodes are placed there, and pieces are halved
until the error bar is met (`geoaudit.paths.quadrature`).

Shared: the line's gradients are evaluated once a run and serve every other method that needs them.

What it cannot show: an element that equals its baseline gets nothing, however much it matters (black on black), and
all elements fade in together, through pictures that the model has never seen; gradients met on the way that have
nothing to do with the image are part of the map, with both signs.

No parameters of its own: tolerance and node limit are the run's.  The baseline is the run's too.

Source: Sundararajan, Taly, Yan, Axiomatic Attribution for Deep Networks, ICML 2017, arXiv 1703.01365, eq. 1.
"""

from __future__ import annotations

from typing import ClassVar

from geoaudit.api import Attributions, Curve, PathMethod, Probe, Problems, Recorded
from geoaudit.paths.walk import straight_line


class IntegratedGradients(PathMethod):
    """Integrated Gradients along the straight line."""

    id: ClassVar[str] = "integrated-gradients"
    title: ClassVar[str] = "Integrated Gradients"
    family: ClassVar[str] = "path"
    reference: ClassVar[str] = "Sundararajan et al., ICML 2017, arXiv 1703.01365"
    shares_line = True

    def walk(self, problems: Problems, probe: Probe) -> Curve:
        """The straight line."""
        return straight_line(problems)

    def recorded(self, problems: Problems, probe: Probe) -> tuple[Attributions, Recorded]:
        """The shared straight line with its nodes."""
        return probe.straight_line(problems), probe.recorded_line(problems)

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """The shared straight-line integral."""
        return probe.straight_line(problems)
