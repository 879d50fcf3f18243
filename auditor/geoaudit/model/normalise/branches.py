"""An If whose condition is a constant is replaced by the branch that it takes."""

from __future__ import annotations

from onnx import ModelProto, NodeProto, helper, numpy_helper

from geoaudit.model import graph
from geoaudit.model.normalise.names import all_names
from geoaudit.model.normalise.splice import splice


def inline_branches(proto: ModelProto) -> ModelProto:
    """Inline the chosen branch of every If of the main graph whose condition is an initializer."""
    conditions = {node.input[0] for node in proto.graph.node if node.op_type == "If" and node.domain == ""}
    chosen = {
        tensor.name: bool(numpy_helper.to_array(tensor).reshape(-1)[0])
        for tensor in proto.graph.initializer
        if tensor.name in conditions
    }
    if not chosen:
        return proto
    changed = graph.copy(proto)
    taken = all_names(changed.graph)
    nodes: list[NodeProto] = []
    for position, node in enumerate(proto.graph.node):
        if node.op_type != "If" or node.domain or node.input[0] not in chosen:
            nodes.append(node)
            continue
        branch = graph.attribute(node, "then_branch" if chosen[node.input[0]] else "else_branch")
        part = splice(branch, {}, f"{node.name or 'If'}_{position}", taken)
        nodes += part.nodes
        changed.graph.initializer.extend(part.weights)
        nodes += [
            helper.make_node("Identity", [inner], [outer])
            for inner, outer in zip(part.outputs, node.output, strict=True)
            if outer
        ]
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    return changed
