"""A nested graph's nodes are moved into the graph around it."""

from __future__ import annotations

from dataclasses import dataclass, field

from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto

from geoaudit.model import graph
from geoaudit.model.normalise.names import fresh_name


@dataclass
class Spliced:
    """What a nested graph becomes outside.

    Attributes:
        nodes: its nodes, in order, with new names.
        weights: its initializers, with new names.
        outputs: names of its outputs, in order; they may be tensors of the graph around it.
    """

    nodes: list[NodeProto] = field(default_factory=list)
    weights: list[TensorProto] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


def splice(inner: GraphProto, bound: dict[str, str], prefix: str, taken: set[str]) -> Spliced:
    """Copies of the nodes of `inner` for the graph around it.

    Args:
        inner: the nested graph; not changed.
        bound: what its inputs are outside, by name.
        prefix: put before every name that it makes itself; what it reads from outside keeps its name.
        taken: names in use; those chosen are added.
    """
    names = dict(bound)
    result = Spliced()
    for tensor in inner.initializer:
        copy = TensorProto()
        copy.CopyFrom(tensor)
        copy.name = names[tensor.name] = fresh_name(f"{prefix}/{tensor.name}", taken)
        result.weights.append(copy)
    for node in inner.node:
        result.nodes.append(_renamed(node, names, prefix, taken))
    result.outputs = [names.get(value.name, value.name) for value in inner.output]
    return result


def _renamed(node: NodeProto, names: dict[str, str], prefix: str, taken: set[str]) -> NodeProto:
    """A copy of `node`; the names of its outputs are added to `names`."""
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.name = f"{prefix}/{node.name}" if node.name else ""
    del copy.input[:], copy.output[:]
    copy.input.extend(names.get(name, name) for name in node.input)
    for inner in graph.subgraphs(copy):
        _rename_graph(inner, names, prefix, taken)
    for name in node.output:
        names[name] = fresh_name(f"{prefix}/{name}", taken) if name else ""
        copy.output.append(names[name])
    return copy


def _rename_graph(inner: GraphProto, outer: dict[str, str], prefix: str, taken: set[str]) -> None:
    """Rename everything in a nested graph, in place: it may be copied many times, and names must not repeat."""
    names = dict(outer)
    values: list[TensorProto | ValueInfoProto] = [*inner.input, *inner.initializer]
    for value in values:
        if value.name not in names or value in inner.input:
            names[value.name] = fresh_name(f"{prefix}/{value.name}", taken)
        value.name = names[value.name]
    nodes = [_renamed(node, names, prefix, taken) for node in inner.node]
    del inner.node[:], inner.value_info[:]
    inner.node.extend(nodes)
    for output in inner.output:
        output.name = names.get(output.name, output.name)
