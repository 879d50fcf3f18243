"""The function whose exact gradient a straight-through gradient is, run by onnxruntime.

A quantised network is a staircase: its slopes are zero almost everywhere.  Its straight-through gradient at an image
is the gradient of another function, in which every rounding keeps what it did at that image: where round(a) was within
the limits of its type the rounding adds the constant round(a) - a, where it was beyond them it gives that limit.  That
function equals the quantised network at the image and has slopes that can be measured.

Two correct engines do not round alike.  On EfficientNet-Lite0 with 8 bits the last bits of float32 decide two of a
million roundings otherwise in the first layer; each changes what the next one rounds, and in the last layers half the
numbers are one level apart, though the scores differ by less than one percent.  So the roundings of the converted model
itself are frozen, after onnxruntime has confirmed each from the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial

import numpy as np
import onnxruntime
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from geoaudit.api import Floats
from geoaudit.model import explain, graph
from geoaudit.model.boundary import own_shape
from geoaudit.model.frozen_pieces import Array, Arrays, Piece, constants, pieces
from geoaudit.model.normalise.dead import remove_dead
from geoaudit.model.recording import recordable, recorded
from geoaudit.model.sessions import brief
from geoaudit.model.spelled import NotSpelledError, Rounding, Spelled, spell
from geoaudit.model.twin import Twin

Scores = Callable[[Floats], Floats]
_BATCH = 8
_SLACK = 2e-4
"""How far beyond half a level a number may be that rounds to another one, as a share of all levels: the last bits of
float32 sums.  A twentieth of a level for 8 bits."""


class NotFrozenError(Exception):
    """The model's rounding cannot be frozen: a clause that says why."""


class FrozenRounding:
    """A quantised model with its rounding frozen at one image after another.

    Args:
        twin: the converted model with its normalised graph.

    Raises:
        NotFrozenError: an operator rounds inside, or onnxruntime cannot run the graph written out in floating point.
    """

    def __init__(self, twin: Twin) -> None:
        proto = twin.normalised.proto
        if not graph.fits_one_message(proto):
            raise NotFrozenError("the model is larger than one protobuf message")
        try:
            spelled = spell(proto)
        except NotSpelledError as reason:
            raise NotFrozenError(str(reason)) from reason
        main, self._pieces = pieces(spelled)
        self._twin = twin
        self._recorded = _recorded(spelled, recordable(twin))
        self._roundings = [r for r in spelled.roundings if r.made in self._recorded]
        image = graph.tensor_info(graph.data_inputs(main)[0])
        self._head = twin.head
        self._image = image
        self._fixed = image.shape[0] if isinstance(image.shape[0], int) and image.shape[0] > 0 else None
        measured = _measured(spelled.proto, main, self._pieces, self._recorded)
        self._measured = _session(measured, twin.threads, optimise=False)
        self._frozen = _session(_frozen(spelled.proto, main, self._pieces), twin.threads, optimise=True)

    def recording(self) -> AbstractContextManager[Arrays]:
        """While it lasts, what `at` needs is kept of every evaluation of the twin."""
        return recorded(self._twin, self._recorded, whole=self._fixed is not None)

    def at(self, point: Floats, seen: Arrays, expected: Floats, allowed: float) -> Scores:
        """The scores as a function of points near an image, the rounding frozen at that image.

        Args:
            point: the image in model input space, shape (*shape).
            seen: what `recording` holds after the twin computed the image's gradient, alone or first in a batch.
            expected: the audited file's scores there, shape (classes,).
            allowed: largest difference from them.

        Returns:
            A function of points (m, *shape) that gives scores (m, classes).

        Raises:
            NotFrozenError: onnxruntime rounds the same numbers otherwise, gives other scores at the image itself, or
                cannot run the graph.
        """
        frozen = constants(self._pieces, self._state(point, seen))
        alone = self._fixed or 1
        for size in dict.fromkeys((self._fixed or _BATCH, alone)):
            try:
                found = self._scores(np.repeat(point[None], size, axis=0), frozen, size)
            except NotFrozenError:
                if size == alone:
                    raise
                continue  # the picture's size, or a batch of one, is baked into the graph
            if np.abs(found - expected).max() <= allowed:
                return partial(self._scores, constants=frozen, size=size)
        raise NotFrozenError("with the rounding frozen onnxruntime gives other scores")

    def _state(self, point: Floats, seen: Arrays) -> Arrays:
        """Every tensor that the pieces read, at one image: recorded ones, and what follows from them."""
        count = self._fixed or 1
        feed = {name: array.astype(np.float32, copy=False) for name, array in seen.items()}
        names = [value.name for value in self._measured.get_outputs()]
        given = self._run(self._measured, names, np.repeat(point[None], count, axis=0), feed)
        state = dict(zip(names, given, strict=True)) | feed
        if count > 1:  # the rows of one batch are one image
            state = {k: v[:1] if v.ndim and len(v) == count else v for k, v in state.items()}
        for rounding in self._roundings:
            _confirm(rounding, state)
        return state

    def _scores(self, points: Floats, constants: Arrays, size: int) -> Floats:
        rows = []
        for start in range(0, len(points), size):
            part = points[start : start + size]
            full = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            (out,) = self._run(self._frozen, None, full, constants)
            if out.size != size * self._head.numbers:
                raise NotFrozenError(f"its scores have shape {out.shape} for {size} images")
            rows.append(out.reshape(size, -1)[: len(part)])
        return explain.rows(np.concatenate(rows), self._head.kind == "binary", self._head.tail)

    def _run(
        self, session: onnxruntime.InferenceSession, names: list[str] | None, points: Floats, constants: Arrays
    ) -> list[Array]:
        shaped = points.reshape(len(points), *own_shape(points.shape[1:], len(self._image.shape)))
        try:
            return list(session.run(names, {self._image.name: shaped.astype(self._image.dtype), **constants}))
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise NotFrozenError(f"onnxruntime cannot run it with its rounding frozen ({brief(error)})") from error


def _confirm(rounding: Rounding, state: Arrays) -> None:
    """Raise NotFrozenError if the recorded numbers are not what `rounding` makes of its input."""
    given, made = state[rounding.given], state[rounding.made]
    least, most = rounding.limits
    unrounded = np.clip(given + (state[rounding.moved] - np.rint(given)), least, most)
    if not (given.shape == made.shape and np.abs(made - unrounded).max(initial=0) <= 0.5 + _SLACK * (most - least)):
        raise NotFrozenError(f"the converted model rounds '{rounding.made}' otherwise than onnxruntime")


def _recorded(spelled: Spelled, available: set[str]) -> set[str]:
    """What is taken from the converted model; scales that are computed only all together."""
    present = {name for node in spelled.proto.graph.node for name in node.output}
    held = present.intersection(spelled.held)
    return (present & available).intersection(r.made for r in spelled.roundings) | (
        held if held <= available else set()
    )


def _measured(proto: ModelProto, main: GraphProto, found: Sequence[Piece], given: set[str]) -> ModelProto:
    """The graph with real rounding, `given` tensors among its inputs, whose outputs are what the pieces read."""
    read = dict.fromkeys(name for piece in found for name in piece.reads if name not in given)
    nodes = [node for node in main.node if given.isdisjoint(node.output)]
    inputs = [*main.input, *(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in sorted(given))]
    return remove_dead(_model(proto, main, nodes, inputs, [ValueInfoProto(name=name) for name in read]))


def _frozen(proto: ModelProto, main: GraphProto, found: Sequence[Piece]) -> ModelProto:
    """The graph with the pieces in place, their constants among its inputs."""
    replaced = {piece.made: piece for piece in found}
    nodes = []
    for node in main.node:
        instead = [replaced[name] for name in node.output if name in replaced]
        nodes += [new for piece in instead for new in piece.nodes] if instead else [node]
    inputs = [
        *main.input,
        *(helper.make_tensor_value_info(name, kind, None) for piece in found for name, kind in piece.inputs.items()),
    ]
    return remove_dead(_model(proto, main, nodes, inputs, list(main.output)))


def _model(
    proto: ModelProto, main: GraphProto, nodes: list[NodeProto], inputs: list[ValueInfoProto],
    outputs: list[ValueInfoProto],
) -> ModelProto:  # fmt: skip
    made = helper.make_graph(nodes, main.name, inputs, outputs, list(main.initializer))
    model = helper.make_model(made, opset_imports=list(proto.opset_import), ir_version=proto.ir_version)
    model.functions.extend(proto.functions)
    return model


def _session(proto: ModelProto, threads: int, optimise: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise NotFrozenError(f"onnxruntime cannot load the graph in floating point ({brief(error)})") from error
