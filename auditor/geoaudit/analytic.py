"""Closed-form models behind the probe's interface: the instrument is calibrated on what is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from geoaudit.api import (
    Attributions,
    Autoencoder,
    Calibration,
    Cost,
    Equivalent,
    Floats,
    InputSpace,
    Ints,
    Layers,
    Problems,
    Quadrature,
    Recorded,
)
from geoaudit.errors import NotApplicable, PluginError

if TYPE_CHECKING:
    from geoaudit.paths.line_store import LineStore

T = TypeVar("T")
Array = npt.NDArray[np.float64]
Function = Callable[[Array], Array]
"""Points (m, d) to values (m,) or gradients (m, d), float64."""


class AnalyticProbe:
    """A `Probe` over a closed-form function of d features; the target does not matter.

    Args:
        f: values (m,) of points (m, d).
        gradient: gradients (m, d) of points (m, d).
        quadrature: tolerance and limits.
        calibration: pictures to learn from, shape (k, *shape); none by default.
    """

    autoencoder: Autoencoder | None = None

    def __init__(
        self,
        f: Function,
        gradient: Function,
        quadrature: Quadrature | None = None,
        calibration: Floats | None = None,
    ) -> None:
        self.f = f
        self.gradient = gradient
        self.quadrature = quadrature or Quadrature(tolerance=1e-4, node_limit=4096, scan=257, first_nodes=64)
        self._spent = [Cost()]  # shared with the probes derived from this one
        pictures = np.empty((0, 1, 1, 1)) if calibration is None else calibration
        ids = tuple(f"picture {i}" for i in range(len(pictures)))
        self.calibration = Calibration("given pictures", ids, lambda indices: pictures[list(indices)])
        self._made: dict[str, Any] = {}
        self._lines: LineStore | None = None
        self._seed: int | None = None

    @property
    def spent(self) -> Cost:
        """What has been evaluated so far."""
        return self._spent[0]

    @spent.setter
    def spent(self, cost: Cost) -> None:
        self._spent[0] = cost

    def outputs(self, points: Floats, targets: Ints) -> Array:
        """Values, float64."""
        self.spent += Cost(forwards=len(points))
        return self.f(points.reshape(len(points), -1).astype(np.float64))

    def scores(self, points: Floats) -> Array:
        """The values as the scores of a single class, float64, shape (m, 1)."""
        return self.outputs(points, np.zeros(len(points), dtype=np.int64))[:, None]

    def probabilities(self, points: Floats, targets: Ints) -> Array:
        """The logistic function of the values."""
        return np.asarray(expit(self.outputs(points, targets)), dtype=np.float64)

    def class_probabilities(self, points: Floats) -> Array:
        """The logistic function of every class' score, shape (m, classes)."""
        return np.asarray(expit(self.scores(points)), dtype=np.float64)

    def value_and_gradient(self, points: Floats, targets: Ints) -> tuple[Array, Floats]:
        """Values and gradients, float64."""
        flat = points.reshape(len(points), -1).astype(np.float64)
        self.spent += Cost(gradients=len(points))
        return self.f(flat), self.gradient(flat).reshape(points.shape)

    def straight_line(self, problems: Problems) -> Attributions:
        """Integrated along the straight line; once."""
        return self._line_store().attributions(problems)

    def recorded_line(self, problems: Problems) -> Recorded:
        """The straight line's nodes."""
        return self._line_store().recorded(problems)

    def _line_store(self) -> LineStore:
        from geoaudit.paths.integrator import integrate
        from geoaudit.paths.line_store import LineStore
        from geoaudit.paths.walk import straight_line

        if self._lines is None:
            self._lines = LineStore(lambda p, keep: integrate(straight_line(p), p, self, keep=keep), on_disk=False)
        return self._lines

    def layers(self) -> Layers:
        """None.

        Raises:
            PluginError: always.
        """
        raise PluginError("layers", "a formula has none", 'Declare needs = frozenset({"gradients", "layers"}).')

    def with_layers(self, module: Any, numbers: int | None = None, *, lasting: bool = False) -> AnalyticProbe:
        """None.

        Raises:
            PluginError: always.
        """
        raise PluginError("layers", "a formula has none", 'Declare needs = frozenset({"gradients", "layers"}).')

    def with_quadrature(self, quadrature: Quadrature) -> AnalyticProbe:
        """This probe with another tolerance and other limits."""
        other = copy(self)
        other.quadrature, other._lines = quadrature, None
        return other

    def reseeded(self, seed: int) -> AnalyticProbe:
        """This probe; a formula's generators are seeded by their keys and `seed`."""
        other = copy(self)
        other._seed, other._made = seed, {}
        return other

    def shifted(self, shift: Floats) -> AnalyticProbe:
        """A probe over f(x - shift), calibration pictures and autoencoder moved along; it counts into this one.

        Args:
            shift: shape of one picture.
        """
        return _Moved(self, shift)

    def equivalent(self) -> Equivalent:
        """None.

        Raises:
            NotApplicable: always.
        """
        raise NotApplicable("another graph", "the model is a formula, which has no graph")

    def once(self, key: str, make: Callable[[], T]) -> T:
        """Kept for the probe's life."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made

    def rng(self, *key: str) -> np.random.Generator:
        """Seeded by `key`, and by the seed where one was given."""
        told = "/".join((*(() if self._seed is None else (str(self._seed),)), *key))
        return np.random.default_rng(list(sha256(told.encode()).digest()))


class _Moved(AnalyticProbe):
    """f(x - shift), whatever class of probe f is behind."""

    def __init__(self, still: AnalyticProbe, shift: Floats) -> None:
        from geoaudit.audit.moved import MovedAutoencoder, moved_calibration

        super().__init__(still.f, still.gradient, still.quadrature)
        self.calibration = moved_calibration(still.calibration, shift)
        if still.autoencoder is not None:
            self.autoencoder = MovedAutoencoder(still.autoencoder, shift)
        self._spent = still._spent
        self._still, self._shift = still, shift

    def _back(self, points: Floats) -> Floats:
        return points - self._shift.astype(points.dtype, copy=False)

    def outputs(self, points: Floats, targets: Ints) -> Array:
        return self._still.outputs(self._back(points), targets)

    def scores(self, points: Floats) -> Array:
        return self._still.scores(self._back(points))

    def probabilities(self, points: Floats, targets: Ints) -> Array:
        return self._still.probabilities(self._back(points), targets)

    def class_probabilities(self, points: Floats) -> Array:
        return self._still.class_probabilities(self._back(points))

    def value_and_gradient(self, points: Floats, targets: Ints) -> tuple[Array, Floats]:
        return self._still.value_and_gradient(self._back(points), targets)

    def reseeded(self, seed: int) -> AnalyticProbe:
        other = _Moved(self._still.reseeded(seed), self._shift)
        other.quadrature = self.quadrature
        return other

    def rng(self, *key: str) -> np.random.Generator:
        return self._still.rng(*key)


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
