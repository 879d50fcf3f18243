"""Loops whose number of rounds is a constant are written out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from geoaudit.model import graph
from geoaudit.model.normalise.names import all_names, fresh_name
from geoaudit.model.normalise.splice import splice

_ROUNDS = 256
_NODES = 20_000


@dataclass
class Writer:
    """The graph being written.

    Attributes:
        nodes: new nodes, in order.
        weights: new initializers.
        taken: names in use.
        opset: version of the default domain.
    """

    nodes: list[NodeProto]
    weights: list[TensorProto]
    taken: set[str]
    opset: int

    def constant(self, value: object, dtype: type, name: str) -> str:
        """A new initializer's name."""
        name = fresh_name(name, self.taken)
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def body(self, inner: GraphProto, bound: dict[str, str], prefix: str) -> list[str]:
        """One round; the names of its outputs."""
        part = splice(inner, bound, prefix, self.taken)
        self.nodes += part.nodes
        self.weights += part.weights
        return part.outputs

    def name(self, source: str, target: str) -> None:
        """Let `target` be the tensor `source`."""
        if target:
            self.nodes.append(helper.make_node("Identity", [source], [target]))

    def stack(self, rows: list[str], target: str, prefix: str, axis: int = 0) -> None:
        """Let `target` be `rows` stacked along a new axis."""
        if not target:
            return
        parts = [fresh_name(f"{prefix}/row_{i}", self.taken) for i in range(len(rows))]
        self.nodes += [self._unsqueeze(row, part, axis) for row, part in zip(rows, parts, strict=True)]
        self.nodes.append(helper.make_node("Concat", parts, [target], axis=axis))

    def _unsqueeze(self, row: str, part: str, axis: int) -> NodeProto:
        if self.opset < 13:
            return helper.make_node("Unsqueeze", [row], [part], axes=[axis])
        return helper.make_node("Unsqueeze", [row, self.constant([axis], np.int64, f"{part}/axis")], [part])


def unroll_loops(proto: ModelProto) -> ModelProto:
    """Write out every Loop of the main graph that runs a constant number of rounds, at most 256.

    The number of rounds is an initializer, and the condition is absent or constantly true, inside as at the start.
    """
    constants = {t.name: t for t in proto.graph.initializer if np.prod(t.dims, dtype=np.int64) <= 1}
    rounds = {
        position: count
        for position, node in enumerate(proto.graph.node)
        if node.op_type == "Loop" and node.domain == "" and (count := _rounds(node, constants)) is not None
    }
    if not rounds:
        return proto
    writer = Writer([], [], all_names(proto.graph), graph.opset(proto))
    for position, node in enumerate(proto.graph.node):
        if position in rounds:
            _unroll(node, rounds[position], writer, f"{node.name or 'Loop'}_{position}")
        else:
            writer.nodes.append(node)
    return written(proto, writer)


def written(proto: ModelProto, writer: Writer) -> ModelProto:
    """A copy of `proto` with the writer's nodes, and its weights added."""
    changed = graph.copy(proto)
    del changed.graph.node[:]
    changed.graph.node.extend(writer.nodes)
    changed.graph.initializer.extend(writer.weights)
    return changed


def affordable(inner: GraphProto, rounds: int) -> bool:
    """Whether `rounds` copies of a body, at least one, may be written out."""
    return 1 <= rounds <= _ROUNDS and rounds * len(inner.node) <= _NODES


def _rounds(node: NodeProto, constants: dict[str, TensorProto]) -> int | None:
    body: GraphProto = graph.attribute(node, "body")
    condition = node.input[1] if len(node.input) > 1 else ""
    if node.input[0] not in constants or (condition and not _true(constants.get(condition))):
        return None
    count = int(numpy_helper.to_array(constants[node.input[0]]).reshape(-1)[0])
    return count if affordable(body, count) and _goes_on(body, constants) else None


def _true(tensor: TensorProto | None) -> bool:
    return tensor is not None and bool(numpy_helper.to_array(tensor).all())


def _goes_on(body: GraphProto, constants: dict[str, TensorProto]) -> bool:
    """Whether the condition that a round hands to the next is true whatever happens."""
    makers = graph.producers(body)
    inside = {tensor.name: tensor for tensor in body.initializer}
    name = body.output[0].name
    while name in makers and makers[name].op_type == "Identity":
        name = makers[name].input[0]
    if name in makers:
        return makers[name].op_type == "Constant" and _true(graph.attribute(makers[name], "value"))
    return name == body.input[1].name or _true(inside.get(name, constants.get(name)))


def _unroll(node: NodeProto, rounds: int, writer: Writer, prefix: str) -> None:
    body: GraphProto = graph.attribute(node, "body")
    carried = list(node.input[2:])
    rows: list[list[str]] = []
    true = writer.constant(True, np.bool_, f"{prefix}/true")
    for index in range(rounds):
        number = writer.constant(index, np.int64, f"{prefix}/round_{index}")
        inputs = (value.name for value in body.input)
        bound = dict(zip(inputs, (number, true, *carried), strict=True))
        outputs = writer.body(body, bound, f"{prefix}/{index}")[1:]
        carried, row = outputs[: len(carried)], outputs[len(carried) :]
        rows.append(row)
    for source, target in zip(carried, node.output, strict=False):
        writer.name(source, target)
    for stacked, target in zip(_columns(rows), node.output[len(carried) :], strict=True):
        writer.stack(stacked, target, f"{prefix}/{target}")


def _columns(rows: list[list[str]]) -> Iterator[list[str]]:
    return (list(column) for column in zip(*rows, strict=True))
