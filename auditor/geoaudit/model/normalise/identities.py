"""Identity nodes are removed."""

from __future__ import annotations

from onnx import GraphProto, ModelProto

from geoaudit.model import graph


def remove_identities(proto: ModelProto) -> ModelProto:
    """Let every reader of an Identity's output read its input; an Identity that makes a graph output stays."""
    outputs = {value.name for value in proto.graph.output}
    alias: dict[str, str] = {}
    for node in proto.graph.node:
        if node.op_type == "Identity" and node.domain == "" and node.output[0] not in outputs:
            alias[node.output[0]] = alias.get(node.input[0], node.input[0])
    if not alias:
        return proto
    changed = graph.copy(proto)
    kept = [node for node in changed.graph.node if node.op_type != "Identity" or node.output[0] not in alias]
    nodes = list(kept)
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    rename_reads(changed.graph, alias)
    return changed


def rename_reads(graph_proto: GraphProto, names: dict[str, str]) -> None:
    """Rename, in place, what nodes and nested graphs read; what they make keeps its name."""
    for node in graph_proto.node:
        for position, name in enumerate(node.input):
            if name in names:
                node.input[position] = names[name]
        for inner in graph.subgraphs(node):
            rename_reads(inner, names)
            _reroute_outputs(inner, names)


def _reroute_outputs(inner: GraphProto, names: dict[str, str]) -> None:
    for value in inner.output:
        if value.name in names:
            value.name = names[value.name]
