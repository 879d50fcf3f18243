"""Nodes get names of their own."""

from __future__ import annotations

from onnx import ModelProto

from geoaudit.model import graph


def distinct_names(proto: ModelProto) -> ModelProto:
    """Rename nodes that onnx2torch would take for one another.

    It drops signs such as a leading slash and numbers those that are equal then, so that of the three nodes "Gather",
    "/Gather" and "/Gather_1" one is lost, silently.  A node without a name counts as called by its operator.
    """
    from geoaudit.model.onnx2torch_import import load_onnx2torch

    load_onnx2torch()
    from onnx2torch.onnx_graph import OnnxGraph

    if len(OnnxGraph(proto.graph).nodes) == len(proto.graph.node):
        return proto
    plain = [OnnxGraph.generate_node_name(node) for node in proto.graph.node]
    taken = set(plain)
    changed = graph.copy(proto)
    seen: set[str] = set()
    for position, (node, name) in enumerate(zip(changed.graph.node, plain, strict=True)):
        while name in seen or (name in taken and name != plain[position]):
            node.name = f"{node.name or node.op_type}_{position}"
            name = OnnxGraph.generate_node_name(node)
        seen.add(name)
    return changed
