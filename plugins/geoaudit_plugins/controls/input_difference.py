"""Input difference: how far each element is from the baseline."""

from __future__ import annotations

import numpy as np

from geoaudit import Attributions, Control, Probe, Problems


class InputDifference(Control):
    """|x - baseline| element by element: the factor that path methods multiply gradients with, alone."""

    id = "input-difference"
    title = "Difference from the baseline"
    reference = "Control"
    flags = frozenset({"not-complete", "shows-picture"})

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Maps that know image and baseline but not the model."""
        return Attributions(np.abs(problems.x - problems.baseline), (None,) * len(problems))
