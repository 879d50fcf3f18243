"""Baseline: what is removed takes the run's baseline.

"Absent" then means in the metric what it means to the path methods.  A metric read with this imputer alone favours
methods that start at the same baseline, and a black square is an object too: the sweep of every budget reads it beside
another one.  `infidelity` and `sensitivity-n`, which their papers define by one baseline, take out by it alone.

Source: Sturmfels et al. 2020, Distill, "Visualizing the Impact of Feature Attribution Baselines".
"""

from __future__ import annotations

from geoaudit import FillImputer, Probe, Problems
from geoaudit.api import Floats


class Baseline(FillImputer):
    """The problem's own baseline."""

    id = "baseline"
    title = "The run's baseline"
    reference = "Samek et al. 2017 (arXiv 1509.06321)"

    def fill(self, problems: Problems, probe: Probe) -> Floats:
        """The baselines, shape (n, *space.shape)."""
        return problems.baseline
