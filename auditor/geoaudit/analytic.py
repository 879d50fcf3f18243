"""Closed-form models behind the probe's interface: the instrument is calibrated on what is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from geoaudit.api import Attributions, Cost, Floats, InputSpace, Ints, Problems, Quadrature

Array = npt.NDArray[np.float64]
Function = Callable[[Array], Array]
"""Points (m, d) to values (m,) or gradients (m, d), float64."""


class AnalyticProbe:
    """A `Probe` over a closed-form function of d features; the target does not matter.

    Args:
        f: values (m,) of points (m, d).
        gradient: gradients (m, d) of points (m, d).
        quadrature: tolerance and limits.
    """

    def __init__(self, f: Function, gradient: Function, quadrature: Quadrature | None = None) -> None:
        self.f = f
        self.gradient = gradient
        self.quadrature = quadrature or Quadrature(tolerance=1e-4, node_limit=4096, scan=257, first_nodes=64)
        self.spent = Cost()

    def outputs(self, points: Floats, targets: Ints) -> Array:
        """Values, float64."""
        self.spent += Cost(forwards=len(points))
        return self.f(points.reshape(len(points), -1).astype(np.float64))

    def probabilities(self, points: Floats, targets: Ints) -> Array:
        """The logistic function of the values."""
        result: Array = 1.0 / (1.0 + np.exp(-self.outputs(points, targets)))
        return result

    def value_and_gradient(self, points: Floats, targets: Ints) -> tuple[Array, Floats]:
        """Values and gradients, float64."""
        flat = points.reshape(len(points), -1).astype(np.float64)
        self.spent += Cost(gradients=len(points))
        return self.f(flat), self.gradient(flat).reshape(points.shape)

    def straight_line(self, problems: Problems) -> Attributions:
        """Integrated along the straight line."""
        from geoaudit.paths.integrator import integrate
        from geoaudit.paths.walk import straight_line

        return integrate(straight_line(problems), problems, self)

    def rng(self, *key: str) -> np.random.Generator:
        """Seeded by `key`."""
        return np.random.default_rng(list(sha256("/".join(key).encode()).digest()))


def feature_problems(probe: AnalyticProbe, start: npt.ArrayLike, end: npt.ArrayLike) -> Problems:
    """One problem over d features, laid out as a one-channel picture of height 1.

    Args:
        probe: the model.
        start: the baseline, shape (d,).
        end: the image, shape (d,).
    """
    baseline = np.asarray(start, dtype=np.float64).reshape(1, 1, 1, -1)
    x = np.asarray(end, dtype=np.float64).reshape(1, 1, 1, -1)
    target = np.zeros(1, dtype=np.int64)
    space = InputSpace("NCHW", (1, 1, x.shape[-1]), (0.0,), (1.0,))
    return Problems(("case",), x, baseline, target, probe.outputs(x, target), probe.outputs(baseline, target), space)
