"""The probe that plugins get: outputs from onnxruntime, gradients from the converted model, all counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from hashlib import sha256
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
    Problems,
    Quadrature,
    Recorded,
)
from geoaudit.errors import PluginError
from geoaudit.model import explain
from geoaudit.model.explain import Space
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit.paths.integrator import integrate
from geoaudit.paths.line_store import LineStore
from geoaudit.paths.strand import Strand
from geoaudit.paths.walk import straight_line

Array = npt.NDArray[np.float64]
T = TypeVar("T")


class ModelProbe:
    """A `Probe` over a real model.

    Args:
        runtime: onnxruntime on the audited file.
        twin: its differentiable twin; None in a gradient-free audit.
        space: the explained scalar.
        tail: the operator that follows the logits in the file, if any.
        quadrature: tolerance and limits of the integrator.
        seed: the run's seed.
        calibration: pictures for methods that learn from data; none by default.
        autoencoder: the user's autoencoder.
    """

    def __init__(
        self, runtime: Runtime, twin: Twin | None, space: Space, tail: str | None, quadrature: Quadrature, seed: int,
        calibration: Calibration | None = None, autoencoder: Autoencoder | None = None,
    ) -> None:  # fmt: skip
        self._runtime = runtime
        self._twin = twin
        self._space: Space = space
        self._tail = tail
        self.quadrature = quadrature
        self._seed = seed
        self.calibration = calibration or Calibration("no pictures", (), lambda _: np.empty((0, 0, 0, 0)))
        self.autoencoder = autoencoder
        self._spent = [Cost()]  # shared with the probes derived from this one
        self._lines: LineStore | None = None
        self._made: dict[str, Any] = {}
        self._changed = False

    @property
    def spent(self) -> Cost:
        """What has been evaluated so far."""
        return self._spent[0]

    def outputs(self, points: Floats, targets: Ints) -> Array:
        """The explained output at `points` (m, *shape) for `targets` (m,), from onnxruntime; (m,)."""
        return explain.values(self._logits(points), targets, self._space, self._tail)

    def scores(self, points: Floats) -> Array:
        """Every class' score at `points`, before any softmax, from onnxruntime; (m, classes)."""
        return self._logits(points).astype(np.float64)

    def probabilities(self, points: Floats, targets: Ints) -> Array:
        """The targets' probabilities at `points`, from onnxruntime, in [0, 1]; (m,)."""
        rows = explain.probabilities(self._logits(points), self._tail)
        chosen: Array = rows[np.arange(len(points)), targets]
        return chosen

    def _logits(self, points: Floats) -> Floats:
        """The scores, counted: from onnxruntime, or from the changed graph where it was changed."""
        self._spent[0] += Cost(forwards=len(points))
        return self._twinned().logits(points) if self._changed else self._runtime.logits(points)

    def value_and_gradient(self, points: Floats, targets: Ints) -> tuple[Array, Floats]:
        """The explained output (m,) and its gradient (m, *shape), from torch.

        Raises:
            PluginError: the audit is gradient-free.
        """
        twin = self._twinned()
        self._spent[0] += Cost(gradients=len(points))
        return twin.value_and_gradient(points, targets, self._space)

    def _twinned(self) -> Twin:
        if self._twin is None:
            raise PluginError(
                "gradients", "were asked for in a gradient-free audit",
                'A plugin that asks for them declares needs = frozenset({"gradients"}); it is not run then.',
            )  # fmt: skip
        return self._twin

    def layers(self) -> Layers:
        """The converted graph, a new copy at each call.

        Raises:
            PluginError: the audit is gradient-free.
        """
        module = self._twinned().copied_module()
        return Layers(module, dict(module.meta["weights"]))

    def with_layers(self, module: Any, numbers: int | None = None) -> ModelProbe:
        """A probe over a changed copy of the converted graph; it counts into this one."""
        other = copy(self)
        other._twin = self._twinned().with_module(module, numbers)
        if numbers is not None:
            other._space, other._tail = "logit", None
        other._changed, other._lines, other._made = True, None, {}
        return other

    def reseeded(self, seed: int) -> ModelProbe:
        """This probe with another seed: what is random comes out differently, everything else is shared."""
        other = copy(self)
        other._seed, other._made = seed, {}
        return other

    def straight_line(self, problems: Problems) -> Attributions:
        """Integrated gradients along the straight line; computed once within `sharing`."""
        if self._lines is not None:
            return self._lines.attributions(problems)
        return integrate(straight_line(problems), problems, self)

    def recorded_line(self, problems: Problems) -> Recorded:
        """The straight line's nodes, values and gradients; computed once within `sharing`."""
        return (self._lines or LineStore(self._line)).recorded(problems)

    def _line(self, problems: Problems, keep: Callable[[int, Strand], None]) -> Attributions:
        return integrate(straight_line(problems), problems, self, keep=keep)

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Within this context straight lines are kept for whoever asks next; their baselines are the run's."""
        try:
            with LineStore(self._line) as self._lines:
                yield
        finally:
            self._lines = None

    def open_account(self) -> None:
        """From now on `borrowed` adds up the straight lines that somebody else has paid for."""
        if self._lines is not None:
            self._lines.open_account()

    @property
    def borrowed(self) -> tuple[Cost, float]:
        """Evaluations and seconds behind straight lines used since `open_account` and paid for before."""
        return (Cost(), 0.0) if self._lines is None else (self._lines.borrowed, self._lines.borrowed_seconds)

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What `make` returns, made at the first call with this key."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made

    def rng(self, *key: str) -> np.random.Generator:
        """A generator seeded by the run's seed and `key` alone."""
        digest = sha256("\x1f".join((str(self._seed), *key)).encode()).digest()
        return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))
