"""What the adapted classes have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from geoaudit.api import Attributions, Floats, InputSpace, Method, Probe, Problems, Runs

BATCH = 16
"""Perturbed pictures that captum makes at a time."""


class CaptumMethod(Method):
    """A captum class as a method: images one by one, each with random numbers of its own.

    The maps are captum's, in the explained output's units, with one change: where captum gives a number to a
    feature of many elements (a patch, a window) and writes it into each of them, it is shared out evenly among
    them, so that a map's sum is the sum over features.
    """

    runs: ClassVar[Runs] = "when named"
    wraps: ClassVar[str]
    """The class in captum.attr."""

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """One image after the other."""
        from geoaudit_plugins.captum_methods.bridge import run, seeded

        differentiable = "gradients" in self.needs
        values = np.empty_like(problems.x)
        precision = np.float64 if problems.x.dtype == np.float64 else np.float32
        for i, image in enumerate(problems.ids):
            problem = problems.select([i])
            x: Floats = problem.x.astype(precision)
            arguments = {**self.arguments(problem, precision), **self.learned(probe, precision)}
            explainer = self.explainer(self.explained(problem, probe))
            with seeded(probe.rng(self.id, image)):
                made = run(explainer, x, arguments, differentiable)
            values[i] = made / self.elements(problem.space)
        return Attributions(values, (None,) * len(problems))

    def explained(self, problem: Problems, probe: Probe) -> Any:
        """The explained output as a torch module, for one problem."""
        from geoaudit_plugins.captum_methods.bridge import ExplainedOutput

        return ExplainedOutput(probe, int(problem.targets[0]))

    def explainer(self, explained: Any) -> Any:
        """The captum object."""
        import captum.attr

        return getattr(captum.attr, self.wraps)(explained)

    def learned(self, probe: Probe, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """Further arguments, which come from the calibration set; none unless the class says otherwise."""
        return {}

    @abstractmethod
    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """Arguments of the captum class' `attribute` for one problem; float arrays in this precision."""

    def elements(self, space: InputSpace) -> Floats | int:
        """How many elements share the number that captum wrote into each, broadcastable to one sample."""
        return 1


def patches(space: InputSpace, across: int) -> npt.NDArray[np.int64]:
    """Feature numbers of a grid of patches, from 0 without gaps, all channels alike; shape (*space.shape).

    Args:
        space: the input.
        across: patches along each side; fewer where there are fewer pixels.
    """
    rows, columns = (np.arange(side) * min(across, side) // side for side in space.size)
    grid = rows[:, None] * (columns.max() + 1) + columns
    every = np.broadcast_to(np.expand_dims(grid, space.channel_axis), space.shape)
    return np.array(every, dtype=np.int64, order="C")
