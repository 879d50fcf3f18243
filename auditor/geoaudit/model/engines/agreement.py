"""Does an engine give the gradients of the plain one, whatever stands beside an image in its batch?

Reference is torch on contiguous float32 tensors, on audited pictures, a dark one, as paths meet it, a bright one and
noise.  Two correct float32 engines add in other orders.  Where a rectifier's input is a rounding error away from 0 that
switches a path on or off, so their gradients may differ by far more than their outputs do: of EfficientNet-Lite0's on
photographs half differ by 1e-6 and half by .01 to 2 %, torch's own in float32 and in float64 as well; on networks with
random weights by 2 to 3 %.  A wrong rule is wrong on every
picture and a switched path on some, so the lower quartile decides: it may differ by `TOLERANCE`, or by `TIMES` as much
as the reference's own does from torch in float64, which is asked where the first is exceeded; and no picture may differ
by more than `MOST`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Ints
from geoaudit.model.companions import DISTINCT, companions
from geoaudit.model.engine import Setting
from geoaudit.model.engines.base import EngineRefused, GradientEngine
from geoaudit.model.engines.batches import fill, in_batches
from geoaudit.model.engines.room import EngineRoom, Placed
from geoaudit.model.explain import Space

TOLERANCE = 2e-3
"""Allowed lower quartile of the pictures' relative L2 differences of the gradient.  A planted error of 1 % is out."""
OF_VALUES = 1e-3
"""Allowed relative L2 difference of the values, which have no kinks."""
TIMES = 3.0
"""As many times the reference's own error is allowed: an engine that is up to twice as far from float64 as the
reference is differs from it by no more."""
MOST = 0.05
"""No picture's gradient may differ by more: what the parity certificate allows against onnxruntime's slopes."""
_ROWS = 8  # fewer, and all of them may have a switched path
_BATCH = 4  # images that the reference evaluates together
PICTURES = 3
"""Audited pictures that a comparison uses."""
_ORDER = (2, 3, 0, 0, 1, 1, 3, 2, 7, 4, 5, 6)  # of the rows, so that each has another place and other neighbours

Pair = tuple[npt.NDArray[np.float64], Floats]
Exact = Callable[[Floats, Ints, Space], Floats]
"""Gradients in float64 at points, int64 targets beside them."""


@dataclass(frozen=True)
class Agreement:
    """What a comparison found.

    Attributes:
        difference: lower quartile of the pictures' relative L2 differences of the gradient.
        worst: of the worst picture's.
        of_values: relative L2 difference of the values.
        allowed: largest `difference` that is accepted.
        stable: every picture had the same bits in another place and beside others; None where it was not tried.
    """

    difference: float
    worst: float
    of_values: float
    allowed: float
    stable: bool | None = None

    @property
    def close(self) -> bool:
        """Whether the numbers agree."""
        return self.difference <= self.allowed and self.worst <= MOST and self.of_values <= OF_VALUES

    @property
    def accepted(self) -> bool:
        """Whether the engine may serve."""
        return self.close and bool(self.stable)

    @property
    def reason(self) -> str:
        """Why it may not, as a clause."""
        if not self.of_values <= OF_VALUES:
            return f"its values differ from torch's by {self.of_values:.2g} of their size, {OF_VALUES:g} is allowed"
        if not self.difference <= self.allowed:
            return f"its gradients differ from torch's by {self.difference:.2g}, {self.allowed:.2g} is allowed"
        if not self.worst <= MOST:
            return f"its gradient differs from torch's by {self.worst:.2g} on one picture, {MOST:g} is allowed"
        return "an image's numbers change with the images beside it"


class Reference:
    """The plain engine's answers on some pictures, computed once for each explained scalar.

    Args:
        engine: torch on contiguous float32 tensors.
        points: the audited pictures, model input, shape (m, *shape), m >= 1; the first three are used.
        targets: explained classes, int64, shape (m,).
        batch_size: images that the reference evaluates together.
        exact: gives gradients in float64; raises `EngineRefused` where the graph cannot.
    """

    def __init__(self, engine: GradientEngine, points: Floats, targets: Ints, batch_size: int, exact: Exact) -> None:
        first = points[:PICTURES]
        self.points: Floats = np.concatenate([first, _strangers(first[0], _ROWS - len(first))])
        self.targets: Ints = np.resize(np.asarray(targets[: len(first)], dtype=np.int64), _ROWS)
        self._engine = engine
        self._batch_size = batch_size
        self._answers: dict[Space, Pair] = {}
        self._exact = exact
        self._errors: dict[Space, float] = {}

    def answers(self, space: Space) -> Pair:
        """Values (8,) and gradients (8, *shape)."""
        if space not in self._answers:
            self._answers[space] = in_batches(self._engine, self.points, self.targets, space, self._batch_size)
        return self._answers[space]

    def allowed(self, space: Space) -> float:
        """The largest lower quartile that rounding explains, in [`TOLERANCE`, `MOST`]."""
        if space not in self._errors:
            try:
                exact = self._exact(self.points.astype(np.float64), self.targets, space)
                self._errors[space] = _typical(differences(exact, self.answers(space)[1]))
            except EngineRefused:
                self._errors[space] = 0.0
        return float(np.clip(TIMES * self._errors[space], TOLERANCE, MOST))


class Judge:
    """Compares settings with the plain engine on the same pictures.

    Args:
        room: the model's engines.
        points: the audited pictures, model input, shape (m, *shape), m >= 1; the first three are used.
        sizes: batch sizes that the model takes.
    """

    def __init__(self, room: EngineRoom, points: Floats, sizes: Sequence[int]) -> None:
        self._room = room
        self._points = points
        self._size = sizes[0] if len(sizes) == 1 else _BATCH
        self._reference: Reference | None = None

    def __call__(self, setting: Setting, space: Space) -> Agreement:
        """Compare one setting, for one explained scalar.

        Raises:
            EngineRefused: the setting's engine cannot serve the model.
        """
        if self._reference is None:
            first = self._points[:PICTURES]
            scores = [self._room.plain.logits(fill(one[None], self._size))[0] for one in first]
            targets = np.argmax(scores, axis=1)
            plain = Placed(self._room, Setting(channels_last=False, batch_size=self._size))
            self._reference = Reference(plain, first, targets, self._size, self._exact)
        return compare(Placed(self._room, setting), self._reference, space, setting.batch_size)

    def _exact(self, points: Floats, targets: Ints, space: Space) -> Floats:
        alone = 1 if self._size == _BATCH else self._size  # float64 takes twice the memory
        return in_batches(self._room.plain.doubled(), points, targets, space, alone)[1]


def compare(engine: GradientEngine, reference: Reference, space: Space, batch_size: int) -> Agreement:
    """Compare an engine with the reference.

    Args:
        engine: the candidate.
        reference: the plain engine's answers.
        space: the explained scalar.
        batch_size: images that the candidate is to evaluate together.
    """
    points, targets = reference.points, reference.targets
    found = in_batches(engine, points, targets, space, batch_size)
    values, gradients = reference.answers(space)
    each = differences(gradients, found[1])
    of_values = np.linalg.norm(found[0] - values) / max(float(np.linalg.norm(values)), 1e-30)
    typical = _typical(each)
    allowed = TOLERANCE if typical <= TOLERANCE else reference.allowed(space)
    agreement = Agreement(typical, float(each.max()), float(np.nan_to_num(of_values, nan=np.inf)), allowed)
    if not agreement.close:
        return agreement
    order = np.resize(_ORDER, max(len(_ORDER), batch_size))
    again = in_batches(engine, points[order], targets[order], space, batch_size)
    stable = all(np.array_equal(a, b[order]) for a, b in zip(again, found, strict=True))
    return replace(agreement, stable=stable)


def _typical(each: npt.NDArray[np.float64]) -> float:
    """The lower quartile: of the pictures in which no path is switched."""
    return float(np.quantile(each, 0.25, method="higher"))


def _strangers(point: Floats, count: int) -> Floats:
    """A dark, a bright and a negative picture, and noise of the same range."""
    kinds = companions(point, DISTINCT)[1:]
    rng = np.random.default_rng(1)
    noise = rng.uniform(point.min(), point.max(), (max(0, count - len(kinds)), *point.shape)).astype(point.dtype)
    strangers: Floats = np.concatenate([kinds, noise])[:count]
    return strangers


def differences(expected: Floats, found: Floats) -> npt.NDArray[np.float64]:
    """Relative L2 difference of each image's gradient, float64 (m,); infinite for NaN.

    A gradient that is next to nothing beside the others' is measured against them.

    Args:
        expected: gradients, shape (m, *shape).
        found: the same images' by another engine.
    """
    gradients = np.asarray(expected, dtype=np.float64).reshape(len(expected), -1)
    norms = np.linalg.norm(gradients, axis=1)
    apart = np.linalg.norm(np.asarray(found, dtype=np.float64).reshape(gradients.shape) - gradients, axis=1)
    relative = apart / np.maximum(np.maximum(norms, 1e-3 * norms.max()), 1e-30)
    return np.asarray(np.nan_to_num(relative, nan=np.inf, posinf=np.inf))
