"""The probe that plugins get: outputs from onnxruntime, gradients from the converted model, all counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
    Equivalent,
    Floats,
    Ints,
    Layers,
    Problems,
    Quadrature,
    Recorded,
)
from geoaudit.audit.moved import MovedAutoencoder, moved_calibration
from geoaudit.errors import NotApplicable, PluginError
from geoaudit.memory import ARRAYS
from geoaudit.model import explain
from geoaudit.model import shift as shifting
from geoaudit.model.explain import Space
from geoaudit.model.optimised import Rewritten
from geoaudit.model.parity import OUTPUT_TOLERANCE
from geoaudit.model.reweighted import Reweighted
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit.paths.integrator import integrate
from geoaudit.paths.line_store import LineStore
from geoaudit.paths.strand import Strand
from geoaudit.paths.walk import straight_line

Array = npt.NDArray[np.float64]
T = TypeVar("T")
_COMPARED = 4
"""Pictures on which two graphs of one function are compared."""


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
        rewriting: makes another graph of the same function; None: there is none.

    Attributes:
        memory: bytes that one method's working arrays may take.
    """

    def __init__(
        self, runtime: Runtime, twin: Twin | None, space: Space, tail: str | None, quadrature: Quadrature, seed: int,
        calibration: Calibration | None = None, autoencoder: Autoencoder | None = None,
        rewriting: Callable[[], Rewritten] | None = None,
    ) -> None:  # fmt: skip
        self._runtime = runtime
        self._twin = twin
        self._space: Space = space
        self._tail = tail
        self.quadrature = quadrature
        self._seed = seed
        self.calibration = calibration or Calibration("no pictures", (), lambda _: np.empty((0, 0, 0, 0)))
        self.autoencoder = autoencoder
        self.memory = ARRAYS
        self._spent = [Cost()]  # shared with the probes derived from this one
        self._lines: LineStore | None = None
        self._made: dict[str, Any] = {}
        self._scope: str | None = (
            ""  # of the names under which what is made once is paid for; None: paid by whoever asks
        )
        self._once: dict[str, Cost] = {}  # shared with the probes derived from this one
        self._changed: Twin | Reweighted | None = None
        self._lasting: dict[Any, Reweighted] = {}  # by module; shared likewise
        self._rewriting = rewriting
        self._shift: Floats | None = None
        self._subtracting: Twin | None = None

    @property
    def spent(self) -> Cost:
        """What has been evaluated so far."""
        return self._spent[0]

    @property
    def spent_once(self) -> Mapping[str, Cost]:
        """The part of `spent` behind what `once` has made for the whole run, by name, in the order of making."""
        return self._once

    def outputs(self, points: Floats, targets: Ints) -> Array:
        """The explained output at `points` (m, *shape) for `targets` (m,), from onnxruntime; (m,)."""
        return explain.values(self._logits(points), targets, self._space, self._tail)

    def scores(self, points: Floats) -> Array:
        """Every class' score at `points`, before any softmax, from onnxruntime; (m, classes)."""
        return self._logits(points).astype(np.float64)

    def probabilities(self, points: Floats, targets: Ints) -> Array:
        """The targets' probabilities at `points`, from onnxruntime, in [0, 1]; (m,)."""
        chosen: Array = self.class_probabilities(points)[np.arange(len(points)), targets]
        return chosen

    def class_probabilities(self, points: Floats) -> Array:
        """Every class' probability at `points`, from onnxruntime, in [0, 1]; (m, classes)."""
        return explain.probabilities(self._logits(points), self._tail)

    def _logits(self, points: Floats) -> Floats:
        """The scores, counted: from onnxruntime, or from the changed graph where it was changed."""
        self._spent[0] += Cost(forwards=len(points))
        return (self._changed or self._runtime).logits(self._unmoved(points))

    def value_and_gradient(self, points: Floats, targets: Ints) -> tuple[Array, Floats]:
        """The explained output (m,) and its gradient (m, *shape), from the engine that was chosen for gradients.

        Raises:
            PluginError: the audit is gradient-free.
        """
        engine = self._changed or self._unshifted()
        self._spent[0] += Cost(gradients=len(points))
        return engine.value_and_gradient(self._unmoved(points), targets, self._space)

    def _unmoved(self, points: Floats) -> Floats:
        """The points moved back, in their own dtype; the derivative with respect to them is the same."""
        return points if self._shift is None else points - self._shift.astype(points.dtype, copy=False)

    def _twinned(self) -> Twin:
        """The converted graph, with a subtraction in front where the input is moved."""
        if self._shift is None:
            return self._unshifted()
        if self._subtracting is None:
            self._subtracting = shifting.shifted(self._unshifted(), self._shift)
        return self._subtracting

    def _unshifted(self) -> Twin:
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

    def with_layers(self, module: Any, numbers: int | None = None, *, lasting: bool = False) -> ModelProbe:
        """A probe over a changed copy of the converted graph; it counts into this one."""
        other, twin = copy(self), self._twinned()
        if numbers is not None:
            other._space, other._tail = "logit", None
        if numbers is None and self._shift is None:
            other._changed = self._reweighted(module, twin, lasting=lasting)
            other._twin = other._changed.twin
        else:
            other._twin = other._changed = twin.with_module(module, numbers)
        other._lines, other._made, other._scope = None, {}, None
        other._shift = other._subtracting = None  # a shift is part of the changed graph
        return other

    def _reweighted(self, module: Any, twin: Twin, *, lasting: bool) -> Reweighted:
        if not lasting:
            return Reweighted(module, twin, self._runtime)
        if module not in self._lasting:
            self._lasting[module] = Reweighted(module, twin, self._runtime, lasting=True)
        return self._lasting[module]

    def reseeded(self, seed: int) -> ModelProbe:
        """This probe with another seed: what is random comes out differently, everything else is shared."""
        other = copy(self)
        other._seed, other._made, other._scope = seed, {}, None
        return other

    def shifted(self, shift: Floats) -> ModelProbe:
        """A probe over f(x - shift): the same function of a moved input, calibration pictures moved along.

        Outputs and gradients are those of f at the points moved back, which is what a subtraction in front of the graph
        computes.  `layers` is the converted graph with that subtraction; where shifts add up to 0, without one.
        Pictures keep their dtype, so that moving them rounds.

        Args:
            shift: what every picture is moved by, in model input units, shape (*space.shape).
        """
        other = copy(self)
        total = np.array(shift if self._shift is None else self._shift + shift)
        other._shift, other._subtracting = (total if total.any() else None), None
        other.calibration = moved_calibration(self.calibration, shift)
        if self.autoencoder is not None:
            other.autoencoder = MovedAutoencoder(self.autoencoder, shift)
        other._lines, other._made, other._scope = None, {}, None
        return other

    def equivalent(self) -> Equivalent:
        """The file by another graph, see `geoaudit.model.optimised`; converted once a run.

        Outputs stay those of onnxruntime on the file itself; gradients and layers are the other graph's.

        Raises:
            NotApplicable: there is none, it cannot be converted, or the two graphs differ in what they compute.
        """
        if self._rewriting is None or self._changed is not None or self._shift is not None:
            raise NotApplicable("another graph", "this probe is not over a file's own graph: there is no other of it")
        made = self._rewriting()
        key = "another graph"
        if key not in self._made:
            before = self.spent
            self._compare(made)
            if self._scope is not None:
                self._once[self._scope + key] = self.spent + before * -1.0
            other = copy(self)
            other._twin = made.twin
            other._lines, other._made = None, {}
            other._scope = None if self._scope is None else f"{self._scope}{key}/"
            self._made[key] = other
        return Equivalent(self._made[key].with_quadrature(self.quadrature), made.changed, made.description)

    def _compare(self, made: Rewritten) -> None:
        """Both graphs' scores of the first calibration pictures.

        Raises:
            NotApplicable: they differ by more than the parity certificate allows the converted graph.
        """
        points = self.calibration.points(range(min(_COMPARED, len(self.calibration))))
        if not len(points):
            return
        self._spent[0] += Cost(forwards=2 * len(points))
        twin = self._twinned()
        ours, theirs = twin.logits(points), made.twin.logits(points)
        difference, scale = np.abs(ours - theirs).max(), max(float(np.ptp(ours)), 1e-12)
        allowed = OUTPUT_TOLERANCE[twin.normalised.precision]
        if not difference <= allowed * scale:
            raise NotApplicable(
                "another graph",
                f"the file's other graph computes something else: scores of {len(points)} pictures differ by up to "
                f"{difference / scale:.2g} of their range, {allowed:.2g} is allowed",
            )

    def with_quadrature(self, quadrature: Quadrature) -> ModelProbe:
        """This probe with another tolerance and other limits; its straight lines are not kept."""
        other = copy(self)
        other.quadrature, other._lines = quadrature, None
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
            before, known = self.spent, _total(self._once)
            self._made[key] = make()
            if self._scope is not None:  # what `make` in turn had made once is paid for under its own name
                within = _total(self._once) + known * -1.0
                self._once[self._scope + key] = self.spent + (before + within) * -1.0
        made: T = self._made[key]
        return made

    def rng(self, *key: str) -> np.random.Generator:
        """A generator seeded by the run's seed and `key` alone."""
        digest = sha256("\x1f".join((str(self._seed), *key)).encode()).digest()
        return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def _total(costs: Mapping[str, Cost]) -> Cost:
    return sum(costs.values(), Cost())
