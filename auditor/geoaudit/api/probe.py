"""The only way to the model, and what evaluations cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from geoaudit.api.problems import Floats, Ints, Problems
from geoaudit.api.walks import Attributions

Need = Literal["gradients"]
"""What a method or check may need of the model besides its outputs; a gradient-free audit has no gradients."""


@dataclass(frozen=True)
class Cost:
    """Model evaluations, counted in single images."""

    gradients: float = 0.0
    forwards: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.gradients + other.gradients, self.forwards + other.forwards)

    def __mul__(self, factor: float) -> Cost:
        return Cost(self.gradients * factor, self.forwards * factor)


@dataclass(frozen=True)
class Quadrature:
    """How far the integrator goes for one image.

    Attributes:
        tolerance: refinement stops once the error bar, as a share of |delta f|, is at most this.
        node_limit: gradients that the integration of one walk may spend on one image, recorded ones aside.
        scan: onnxruntime forwards of the first look along a curve.
        first_nodes: gradient nodes placed after that look, before refinement.
    """

    tolerance: float = 0.03
    node_limit: int = 256
    scan: int = 129
    first_nodes: int = 40


class Probe(Protocol):
    """The only way to the model.  It counts every evaluation, fills batches and bounds memory."""

    @property
    def quadrature(self) -> Quadrature:
        """The run's tolerance and node limit."""
        ...

    @property
    def spent(self) -> Cost:
        """What has been evaluated so far."""
        ...

    def outputs(self, points: Floats, targets: Ints) -> npt.NDArray[np.float64]:
        """The explained output at `points` (m, *shape) for `targets` (m,), from onnxruntime; shape (m,)."""
        ...

    def probabilities(self, points: Floats, targets: Ints) -> npt.NDArray[np.float64]:
        """The targets' probabilities at `points`, from onnxruntime, in [0, 1]; shape (m,)."""
        ...

    def value_and_gradient(self, points: Floats, targets: Ints) -> tuple[npt.NDArray[np.float64], Floats]:
        """The explained output (m,) and its gradient with respect to the points (m, *shape), from torch.

        Raises:
            PluginError: the audit is gradient-free; a plugin whose `needs` name the gradients is not run then.
        """
        ...

    def straight_line(self, problems: Problems) -> Attributions:
        """Integrated gradients along the straight line; computed once and shared by everyone who asks.

        Raises:
            PluginError: as for `value_and_gradient`.
        """
        ...

    def rng(self, *key: str) -> np.random.Generator:
        """A generator seeded by the run's seed and `key` alone: the order of images does not matter."""
        ...
