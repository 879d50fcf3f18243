"""The reverse-mode graph: the model, and behind it the derivative of the explained scalar back to the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, TensorProto, helper, version_converter

from geoaudit.model import graph
from geoaudit.model.adjoint.explained import CHOSEN, seed
from geoaudit.model.adjoint.rules import Site, rules
from geoaudit.model.adjoint.tape import LEAST_OPSET, Move, Tape
from geoaudit.model.adjoint.unsupported import Unsupported
from geoaudit.model.explain import Space
from geoaudit.model.head import Head
from geoaudit.model.normalise.constants import constants_to_initializers


@dataclass(frozen=True)
class Adjoint:
    """A model and its adjoint.

    Attributes:
        proto: takes the image and `explained.CHOSEN`; gives the model's own output, and the derivative of the explained
            scalars' sum with respect to the image.
        moves: nodes in it that move elements apart.
    """

    proto: ModelProto
    moves: tuple[Move, ...]


_STEPS = frozenset(
    {
        "And",
        "ArgMax",
        "ArgMin",
        "Cast",
        "Equal",
        "Greater",
        "GreaterOrEqual",
        "IsInf",
        "IsNaN",
        "Less",
        "LessOrEqual",
        "MaxPool",
        "NonZero",
        "Not",
        "Or",
        "Shape",
        "Size",
        "TopK",
        "Xor",
    }
)
"""Operators whose whole numbers and conditions carry no derivative; any other
operator's may stand for real numbers."""


def value_and_gradient_graph(proto: ModelProto, head: Head, space: Space, image: Sequence[int]) -> Adjoint:
    """A model that takes images and their targets and gives scores and gradients.

    Args:
        proto: a normalised model; its first input is the image, its one output holds the scores.
        head: how the scores are read.
        space: the explained scalar.
        image: the images' shape, batch included.

    Returns:
        The model and its adjoint in one graph.

    Raises:
        Unsupported: an operator on the way has no adjoint.
    """
    proto = _modern(proto)
    tape = Tape(proto, image)
    source, output = graph.data_inputs(proto.graph)[0].name, proto.graph.output[0].name
    forward = list(tape.nodes)
    reached = reached_by_image(tape, forward, source)
    if output not in reached:
        raise Unsupported("a model whose scores do not depend on the image")
    needed = _leading_to(forward, output) & reached
    cotangents: dict[str, list[str]] = {output: [seed(tape, output, head, space)]}
    for node in reversed(forward):
        if any(name in needed and name in cotangents for name in node.output):
            _step_back(tape, node, needed, cotangents)
    if source not in cotangents:
        raise Unsupported("a model whose scores do not depend on the image")
    gradient = _total(tape, cotangents[source])
    chosen = helper.make_tensor_value_info(CHOSEN, TensorProto.DOUBLE, [image[0], head.classes])
    return Adjoint(tape.model([output, gradient], [chosen], image), tuple(tape.moves))


def _modern(proto: ModelProto) -> ModelProto:
    """The model in an operator set that the rules are written for."""
    if graph.opset(proto) >= LEAST_OPSET:
        return proto
    try:
        # What was an attribute becomes an input, and the converter writes that as a Constant node.
        return constants_to_initializers(version_converter.convert_version(proto, LEAST_OPSET))
    except Exception as error:  # the converter raises bare Exceptions of several kinds
        raise Unsupported(f"operator set {graph.opset(proto)}") from error


def reached_by_image(tape: Tape, nodes: Sequence[NodeProto], source: str) -> set[str]:
    """The tensors through which the image's derivative flows: not conditions, and not indices."""
    found = {source}
    for node in nodes:
        if not found.isdisjoint(graph.reads(node)):
            stops = node.op_type in _STEPS
            found.update(name for name in node.output if name and not (stops and not tape.is_float(name)))
    return found


def _leading_to(nodes: Sequence[NodeProto], output: str) -> set[str]:
    found = {output}
    for node in reversed(nodes):
        if not found.isdisjoint(node.output):
            found |= graph.reads(node)
    return found


def _step_back(tape: Tape, node: NodeProto, needed: set[str], cotangents: dict[str, list[str]]) -> None:
    rule = rules().get((node.domain if node.domain != "ai.onnx" else "", node.op_type))
    if rule is None:
        raise Unsupported(f"{node.domain + '.' if node.domain else ''}{node.op_type}")
    wanted = [name in needed for name in node.input]
    if not any(wanted):
        return
    for name in (*node.input, *node.output):
        if name in needed and not tape.is_float(name):
            raise Unsupported(f"{node.op_type} with elements that are neither float32 nor float64")
    behind = [_total(tape, cotangents.pop(name)) if name in cotangents else None for name in node.output]
    made = rule(Site(node, tape, behind, wanted))
    for name, wants, cotangent in zip(node.input, wanted, made, strict=True):
        if wants and cotangent is not None:
            cotangents.setdefault(name, []).append(cotangent)


def _total(tape: Tape, parts: list[str]) -> str:
    total = parts[0]
    for part in parts[1:]:
        total = tape.op("Add", total, part)
    return total
