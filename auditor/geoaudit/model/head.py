"""The explained output: the scores before any Softmax or Sigmoid at the graph's end."""

from __future__ import annotations

from dataclasses import dataclass

from onnx import ModelProto, NodeProto

from geoaudit.audit.result import TensorInfo
from geoaudit.errors import ModelError
from geoaudit.model import graph
from geoaudit.model.artifact import Artifact

_TAILS = ("Softmax", "LogSoftmax", "Sigmoid")
_PASSIVE = ("Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout")
_CHOICES = ("ArgMax", "TopK", "ZipMap")
_FLOATS = ("float16", "float32", "float64", "bfloat16")
_WAY_OUT = "Export the model so that one row of scores, one a class, is its only floating-point output."


@dataclass(frozen=True)
class Head:
    """Where the scores are read.

    Attributes:
        output: the graph output that leads there.
        logits: the tensor that is read, float, shape (n, classes) up to axes of size 1.
        tail: "Softmax", "LogSoftmax" or "Sigmoid" if such an operator follows and is left out, else None.
        classes: number of classes, at least 2.
    """

    output: str
    logits: str
    tail: str | None
    classes: int


def find(artifact: Artifact) -> Head:
    """The explained output of `artifact`.

    From every output the graph is walked back over operators that only choose or reshape.  If that meets
    a Softmax, LogSoftmax or Sigmoid over the classes, the tensor before it is taken; so a model that gives
    logits, probabilities and the best class as three outputs has one explained output, not three.

    Raises:
        ModelError: no output is one row of at least two scores, or several different ones are.
    """
    known = graph.shapes(artifact.proto)
    makers = graph.producers(artifact.proto.graph)
    found: dict[str, Head] = {}
    for value in artifact.proto.graph.output:
        tensor, tail = _walk_back(value.name, makers, known)
        info = known.get(tensor)
        classes = _classes(info)
        if info is None or classes == 1 or info.dtype not in (*_FLOATS, "unknown"):
            continue
        if classes is None:
            classes = _declared_classes(known.get(value.name)) or _measured_classes(artifact, value.name)
        if classes is not None and classes >= 2 and (tensor not in found or found[tensor].tail is None):
            found[tensor] = Head(value.name, tensor, tail, classes)
    if len(found) == 1:
        return next(iter(found.values()))
    outputs = graph.describe(artifact.outputs)
    if not found:
        raise ModelError(
            str(artifact.path),
            f"no output is one row of two or more class scores; its outputs: {outputs}",
            _WAY_OUT,
        )
    names = ", ".join(f"'{h.output}' ({h.classes} numbers)" for h in found.values())
    raise ModelError(
        str(artifact.path),
        f"more than one output could be the class scores: {names}; its outputs: {outputs}",
        _WAY_OUT,
    )


def _walk_back(name: str, makers: dict[str, NodeProto], known: dict[str, TensorInfo]) -> tuple[str, str | None]:
    """The tensor to read for output `name`, and the tail that was passed."""
    start, tensor = name, name
    while (node := makers.get(tensor)) is not None:
        if node.op_type in _TAILS and _over_classes(node, known.get(node.input[0])):
            return node.input[0], node.op_type
        if node.op_type in _CHOICES:
            start = node.input[0]  # the best class is no score; what it was chosen from may be
        elif node.op_type not in _PASSIVE:
            break
        tensor = node.input[0]
    return start, None


def _over_classes(node: NodeProto, info: TensorInfo | None) -> bool:
    """Whether the tail normalises over the classes (a Sigmoid works on each number alone)."""
    if node.op_type == "Sigmoid" or info is None or not info.shape:
        return True
    rank = len(info.shape)
    # The default axis was 1 before operator set 13 and has been the last one since.
    axes = [a.i % rank for a in node.attribute if a.name == "axis"] or [1, rank - 1]
    return any(axis > 0 and all(d == 1 for i, d in enumerate(info.shape) if i not in (0, axis)) for axis in axes)


def _classes(info: TensorInfo | None) -> int | None:
    """The number of scores in one row; None where it is not declared; 1 for what is no row of scores."""
    if info is None or (not info.shape and info.dtype != "unknown"):
        return 1
    if not info.shape:
        return None
    sizes = [d for d in info.shape[1:] if d != 1]
    if len(info.shape) < 2 or len(sizes) != 1:
        return 1
    return sizes[0] if isinstance(sizes[0], int) else None


def _declared_classes(info: TensorInfo | None) -> int | None:
    return _classes(info) if info is not None and info.dtype in _FLOATS else None


def _measured_classes(artifact: Artifact, output: str) -> int | None:
    """The row length of `output`, from one evaluation of a blank image; None if that does not work."""
    import numpy as np
    import onnxruntime

    image = artifact.inputs[0]
    guess = (1, 3, 224, 224) if image.shape[3] != 3 else (1, 224, 224, 3)
    shape = [d if isinstance(d, int) and d > 0 else g for d, g in zip(image.shape, guess, strict=True)]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(artifact.path), options, providers=["CPUExecutionProvider"])
        row = np.asarray(session.run([output], {image.name: np.zeros(shape, dtype=image.dtype)})[0])
    except Exception:  # a model that does not run is reported where it is run
        return None
    return int(row.size // shape[0]) if row.ndim >= 2 and row.shape[0] == shape[0] else None


def with_output(proto: ModelProto, tensor: str) -> ModelProto:
    """`proto` with `tensor` among its outputs; `proto` itself if it is one already."""
    if any(value.name == tensor for value in proto.graph.output):
        return proto
    changed = graph.copy(proto)
    changed.graph.output.add(name=tensor)  # the type is left to the runtime's own inference
    return changed
