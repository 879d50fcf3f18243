"""Inverted map: a method's own map with its meaning turned round."""

from __future__ import annotations

import numpy as np

from geoaudit import Attributions, Control, Method, Probe, Problems
from geoaudit.errors import PluginError


class Inverted(Control):
    """-A of one method; a metric that does not call it worse than the method cannot be believed.

    Where a metric reads magnitudes, -A would look like A; there the order of importance is reversed instead:
    the sweep's curves are the method's with most and least relevant first exchanged, so they cost nothing.

    Args:
        method: the method that is inverted.
        attributions: its maps of the problems that `attribute` will be asked about; None: it only stands for the
            results that there are.
    """

    id = "inverted"
    title = "Inverted map"
    reference = "Control"
    flags = frozenset({"not-complete"})

    def __init__(self, method: Method, attributions: Attributions | None = None) -> None:
        super().__init__()
        # The class stands for a family of controls, one a method, so these two facts are the instance's own.
        self.id = f"inverted:{method.id}"  # type: ignore[misc]
        self.title = f"{method.title}, inverted"  # type: ignore[misc]
        self.attributions = attributions

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """The negated maps.  They keep no record of a walk: -A is the integral of none.

        Raises:
            PluginError: the maps given at construction are not those of `problems`.
        """
        if self.attributions is None or self.attributions.values.shape != problems.x.shape:
            raise PluginError(self.id, "was made from maps of other images", "Make one for each group of images.")
        nothing = np.full(len(problems), np.nan)
        return Attributions(-self.attributions.values, (None,) * len(problems), claims=nothing)
