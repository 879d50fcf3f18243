"""The only way to the model, and what evaluations cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from geoaudit.api.problems import Floats, Ints, Problems
from geoaudit.api.walks import Attributions, Recorded

Need = Literal["gradients", "layers"]
"""What a method or check may need of the model besides its outputs; a gradient-free audit has neither."""
T = TypeVar("T")


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

    @property
    def curve(self) -> Cost:
        """Expected evaluations for a curve: the first nodes and a quarter more, as on average on photographs."""
        nodes = 1.25 * self.first_nodes
        return Cost(gradients=nodes, forwards=self.scan + 0.25 * nodes)


@dataclass(frozen=True)
class Calibration:
    """Pictures of the kind that the model meets, for methods that learn from data; the same for the whole run.

    Attributes:
        source: where they come from, in words for the report.
        ids: the pictures' ids.
        load: the pictures at some indices, in model input space, shape (k, *space.shape).
    """

    source: str
    ids: tuple[str, ...]
    load: Callable[[Sequence[int]], Floats]

    def __len__(self) -> int:
        return len(self.ids)

    def points(self, indices: Sequence[int] | None = None) -> Floats:
        """The pictures at `indices`, all of them by default, in model input space, shape (k, *space.shape)."""
        return self.load(range(len(self)) if indices is None else indices)

    def batches(self, size: int) -> Iterator[Floats]:
        """All pictures, `size` at a time: a set may be larger than memory."""
        for start in range(0, len(self), size):
            yield self.load(range(start, min(start + size, len(self))))


class Autoencoder(Protocol):
    """An encoder and a decoder of model inputs, given by the user."""

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of one code."""
        ...

    def encode(self, points: Floats) -> Floats:
        """The codes (m, *code_shape) of points (m, *shape)."""
        ...

    def decode(self, codes: Floats) -> Floats:
        """The points (m, *shape) of codes (m, *code_shape)."""
        ...

    def pull_back(self, codes: Floats, gradients: Floats) -> Floats:
        """Gradients with respect to the decoder's output (m, *shape) carried back to the codes (m, *code_shape)."""
        ...


@dataclass(frozen=True)
class Layers:
    """The converted graph, for methods that look inside.

    Attributes:
        module: a private copy, a `torch.fx.GraphModule` in evaluation mode: its owner may change it.  Every node
            that calls a module has `onnx_mapping` (names of its tensors in the ONNX graph), `op_type`,
            `node_name` and `settings` (its attributes by their ONNX names); weights are buffers.
        weights: for each ONNX initializer the name of the buffer that holds it.
    """

    module: Any
    weights: Mapping[str, str]


@dataclass(frozen=True)
class Equivalent:
    """Another graph of the same function.

    Attributes:
        probe: over that graph; it counts into the probe that it came from.
        changed: whether its operators differ at all from those of the graph it came from.
        description: how the two graphs differ, in a sentence.
    """

    probe: Probe
    changed: bool
    description: str


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

    @property
    def calibration(self) -> Calibration:
        """The calibration set: the user's, or else the audited images."""
        ...

    @property
    def autoencoder(self) -> Autoencoder | None:
        """The user's autoencoder, if one was given."""
        ...

    def outputs(self, points: Floats, targets: Ints) -> npt.NDArray[np.float64]:
        """The explained output at `points` (m, *shape) for `targets` (m,), from onnxruntime; shape (m,)."""
        ...

    def probabilities(self, points: Floats, targets: Ints) -> npt.NDArray[np.float64]:
        """The targets' probabilities at `points`, from onnxruntime, in [0, 1]; shape (m,)."""
        ...

    def class_probabilities(self, points: Floats) -> npt.NDArray[np.float64]:
        """Every class' probability at `points`, from onnxruntime, in [0, 1]; shape (m, classes).

        Counted as one forward a point, as `probabilities` is.
        """
        ...

    def scores(self, points: Floats) -> npt.NDArray[np.float64]:
        """Every class' score at `points` (m, *shape), before any softmax, from onnxruntime; shape (m, classes).

        Counted as one forward a point, as `outputs` is.
        """
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

    def recorded_line(self, problems: Problems) -> Recorded:
        """The nodes of `straight_line` with their values and gradients, both ends included; evaluated once.

        The arrays may lie on disk: read each once, in order.

        Raises:
            PluginError: as for `value_and_gradient`.
        """
        ...

    def layers(self) -> Layers:
        """The converted graph, a new copy at each call.

        Raises:
            PluginError: there is none; a plugin that asks declares the need "layers".
        """
        ...

    def with_layers(self, module: Any, numbers: int | None = None, *, lasting: bool = False) -> Probe:
        """A probe over a changed copy of the converted graph: outputs and gradients are the changed graph's.

        It counts into this probe.  Nothing is shared with the unchanged model's straight lines.

        Args:
            module: the changed copy, or a module around it.
            numbers: None where it still gives the model's scores, explained as the run explains them.  Else how
                many numbers it gives for a picture (a layer's features, a distance): `scores` are then these
                numbers, and `outputs` and gradients are of the one that a target counts from 0.
            lasting: this very module will be shown again and again, and is not changed any more: faster engines are
                made for it, once, and kept with it until the run ends.
        """
        ...

    def with_quadrature(self, quadrature: Quadrature) -> Probe:
        """This probe with another tolerance and other limits; it counts into this one.

        Its straight lines are integrated anew at each call and not kept: the way to lines that nobody else will ask
        for, with the probe's own quadrature too.
        """
        ...

    def reseeded(self, seed: int) -> Probe:
        """This probe with another seed: what is random comes out differently, everything else is shared."""
        ...

    def shifted(self, shift: Floats) -> Probe:
        """A probe over f(x - shift): the same function of a moved input; it counts into this one.

        Calibration pictures and the autoencoder move along; what was learned once is its own.  Shifts add up: where
        they add up to 0 the model is this one again.

        Args:
            shift: what every picture is moved by, in model input units, shape (*space.shape).
        """
        ...

    def equivalent(self) -> Equivalent:
        """The same function by another graph of the file, converted anew: as exported, if the one in use is optimised.

        Where optimisation left the exported graph as it is, it is what onnxruntime's basic optimisation makes of it.

        Raises:
            NotApplicable: there is none, or it cannot be converted; the reason is in the message.
        """
        ...

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What `make` returns, made at the first call with this key and kept for the run.

        For what is learned from the calibration set or the model alone, so that whoever asks next gets the same.
        """
        ...

    def rng(self, *key: str) -> np.random.Generator:
        """A generator seeded by the run's seed and `key` alone: the order of images does not matter."""
        ...
