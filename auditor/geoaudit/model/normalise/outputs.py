"""Optional node outputs that nobody reads are removed."""

from __future__ import annotations

from onnx import ModelProto, NodeProto, defs

from geoaudit.model import graph


def trim_outputs(proto: ModelProto) -> ModelProto:
    """Drop trailing optional outputs that nothing reads, such as Dropout's mask.

    What nobody reads need not be computed.
    """
    used, opset = graph.used_names(proto.graph), graph.opset(proto)
    if all(_wanted(node, used, opset) == len(node.output) for node in proto.graph.node):
        return proto
    changed = graph.copy(proto)
    for node in changed.graph.node:
        del node.output[_wanted(node, used, opset) :]
    return changed


def _wanted(node: NodeProto, used: set[str], opset: int) -> int:
    """How many of the node's outputs must stay."""
    count = len(node.output)
    if count < 2 or not defs.has(node.op_type, node.domain):
        return count
    if node.op_type == "BatchNormalization" and opset < 14:
        return count  # before version 14 further outputs are what says that the batch's own statistics are used
    formal = defs.get_schema(node.op_type, node.domain).outputs
    while count > 1 and node.output[count - 1] not in used and count <= len(formal):
        if formal[count - 1].option != defs.OpSchema.FormalParameterOption.Optional:
            break
        count -= 1
    return count
