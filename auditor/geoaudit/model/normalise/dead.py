"""Nodes and weights that no output needs are removed."""

from __future__ import annotations

from onnx import ModelProto

from geoaudit.model import graph


def remove_dead(proto: ModelProto) -> ModelProto:
    """Drop nodes whose outputs nothing reads, then weights that no node reads."""
    needed = {value.name for value in proto.graph.output}
    kept = []
    for node in reversed(proto.graph.node):  # nodes are in topological order, so one sweep backwards is enough
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
            for inner in graph.subgraphs(node):
                needed |= graph.used_names(inner)
    weights = [tensor for tensor in proto.graph.initializer if tensor.name in needed]
    if len(kept) == len(proto.graph.node) and len(weights) == len(proto.graph.initializer):
        return proto
    changed = ModelProto()
    changed.CopyFrom(proto)
    del changed.graph.node[:]
    changed.graph.node.extend(reversed(kept))
    del changed.graph.initializer[:]
    changed.graph.initializer.extend(weights)
    return changed
