"""A probe whose straight lines are not kept: for lines that nobody else will ask for.

The run keeps every straight line, its gradients on disk, because most methods ask for the line from the run's
baseline.  A method that puts another one upon many changed pictures would fill the disk with lines that are never
asked for again; it hands the base method this probe instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from geoaudit.api import (
    Attributions,
    Autoencoder,
    Calibration,
    Cost,
    Floats,
    Ints,
    Layers,
    Probe,
    Problems,
    Quadrature,
    Recorded,
)
from geoaudit.paths.integrator import integrate
from geoaudit.paths.line_store import LineStore
from geoaudit.paths.walk import straight_line

T = TypeVar("T")
Array = npt.NDArray[np.float64]


class Unshared:
    """A `Probe` that is another one but for the straight lines, which are integrated anew at each call.

    Args:
        probe: answers everything else, and counts.
    """

    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    @property
    def quadrature(self) -> Quadrature:
        """The run's tolerance and node limit."""
        return self._probe.quadrature

    @property
    def spent(self) -> Cost:
        """What has been evaluated so far."""
        return self._probe.spent

    @property
    def calibration(self) -> Calibration:
        """The calibration set."""
        return self._probe.calibration

    @property
    def autoencoder(self) -> Autoencoder | None:
        """The user's autoencoder, if one was given."""
        return self._probe.autoencoder

    def outputs(self, points: Floats, targets: Ints) -> Array:
        """The explained output at `points` (m, *shape), shape (m,)."""
        return self._probe.outputs(points, targets)

    def scores(self, points: Floats) -> Array:
        """Every class' score at `points`, shape (m, classes)."""
        return self._probe.scores(points)

    def probabilities(self, points: Floats, targets: Ints) -> Array:
        """The targets' probabilities at `points`, in [0, 1]; shape (m,)."""
        return self._probe.probabilities(points, targets)

    def value_and_gradient(self, points: Floats, targets: Ints) -> tuple[Array, Floats]:
        """The explained output (m,) and its gradient (m, *shape)."""
        return self._probe.value_and_gradient(points, targets)

    def straight_line(self, problems: Problems) -> Attributions:
        """Integrated gradients along the straight line, not kept."""
        return integrate(straight_line(problems), problems, self)

    def recorded_line(self, problems: Problems) -> Recorded:
        """The nodes of the straight line; their gradients lie on disk until the last reader lets go of them."""
        lines = LineStore(lambda wanted, keep: integrate(straight_line(wanted), wanted, self, keep=keep))
        return lines.recorded(problems)

    def layers(self) -> Layers:
        """The converted graph, a new copy at each call."""
        return self._probe.layers()

    def with_layers(self, module: Any, numbers: int | None = None) -> Probe:
        """A probe over a changed copy of the converted graph; its straight lines are not kept either."""
        return Unshared(self._probe.with_layers(module, numbers))

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What `make` returns, kept for the run."""
        return self._probe.once(key, make)

    def rng(self, *key: str) -> np.random.Generator:
        """A generator seeded by the run's seed and `key` alone."""
        return self._probe.rng(*key)
