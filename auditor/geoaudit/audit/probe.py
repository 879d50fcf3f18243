"""The probe that plugins get: outputs from onnxruntime, gradients from the converted model, all counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from geoaudit.api import Attributions, Cost, Floats, Ints, Problems, Quadrature
from geoaudit.errors import PluginError
from geoaudit.model import explain
from geoaudit.model.explain import Space
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit.paths.integrator import integrate
from geoaudit.paths.walk import straight_line

Array = npt.NDArray[np.float64]


class ModelProbe:
    """A `Probe` over a real model.

    Args:
        runtime: onnxruntime on the audited file.
        twin: its differentiable twin; None in a gradient-free audit.
        space: the explained scalar.
        tail: the operator that follows the logits in the file, if any.
        quadrature: tolerance and limits of the integrator.
        seed: the run's seed.
    """

    def __init__(
        self, runtime: Runtime, twin: Twin | None, space: Space, tail: str | None, quadrature: Quadrature, seed: int
    ) -> None:
        self._runtime = runtime
        self._twin = twin
        self._space: Space = space
        self._tail = tail
        self.quadrature = quadrature
        self._seed = seed
        self.spent = Cost()
        self._lines: dict[tuple[str, ...], Attributions] | None = None

    def outputs(self, points: Floats, targets: Ints) -> Array:
        """The explained output at `points` (m, *shape) for `targets` (m,), from onnxruntime; (m,)."""
        self.spent += Cost(forwards=len(points))
        return explain.values(self._runtime.logits(points), targets, self._space, self._tail)

    def probabilities(self, points: Floats, targets: Ints) -> Array:
        """The targets' probabilities at `points`, from onnxruntime, in [0, 1]; (m,)."""
        self.spent += Cost(forwards=len(points))
        rows = explain.probabilities(self._runtime.logits(points), self._tail)
        chosen: Array = rows[np.arange(len(points)), targets]
        return chosen

    def value_and_gradient(self, points: Floats, targets: Ints) -> tuple[Array, Floats]:
        """The explained output (m,) and its gradient (m, *shape), from torch.

        Raises:
            PluginError: the audit is gradient-free.
        """
        if self._twin is None:
            raise PluginError(
                "gradients", "were asked for in a gradient-free audit",
                'A plugin that asks for them declares needs = frozenset({"gradients"}); it is not run then.',
            )  # fmt: skip
        self.spent += Cost(gradients=len(points))
        return self._twin.value_and_gradient(points, targets, self._space)

    def straight_line(self, problems: Problems) -> Attributions:
        """Integrated gradients along the straight line; computed once within `sharing`."""
        if self._lines is None:
            return integrate(straight_line(problems), problems, self)
        if problems.ids not in self._lines:
            self._lines[problems.ids] = integrate(straight_line(problems), problems, self)
        return self._lines[problems.ids]

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Within this context straight lines are kept for whoever asks next."""
        self._lines = {}
        try:
            yield
        finally:
            self._lines = None

    def rng(self, *key: str) -> np.random.Generator:
        """A generator seeded by the run's seed and `key` alone."""
        digest = sha256("\x1f".join((str(self._seed), *key)).encode()).digest()
        return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))
