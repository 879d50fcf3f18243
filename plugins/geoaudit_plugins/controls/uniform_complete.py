"""Uniform complete map: perfect by the axioms, and empty."""

from __future__ import annotations

import numpy as np

from geoaudit import Attributions, Control, Probe, Problems


class UniformComplete(Control):
    """Every element gets delta f / number of elements: complete, without any cancellation, and useless."""

    id = "uniform-complete"
    title = "Uniform, complete map"
    reference = "Control"
    flags = frozenset({"ncc-by-construction"})

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Maps whose NCC violation is 0 although they say nothing."""
        share = problems.delta_f / np.prod(problems.space.shape)
        values = np.broadcast_to(share[:, None, None, None], problems.x.shape).astype(problems.x.dtype)
        return Attributions(values, (None,) * len(problems))
