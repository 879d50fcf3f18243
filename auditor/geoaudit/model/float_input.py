"""An integer picture that is only moved about and cast may be given as floating-point numbers."""

from __future__ import annotations

from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from geoaudit.model import graph

_MOVES = (
    "Transpose", "Reshape", "Identity", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather", "Split", "Expand",
    "Tile", "DepthToSpace", "SpaceToDepth",
)  # fmt: skip
_INTEGERS = (TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16, TensorProto.INT32,
             TensorProto.INT64)  # fmt: skip


def with_float_input(proto: ModelProto) -> ModelProto:
    """An integer image input that is only moved about and then cast is declared float32; otherwise `proto` itself.

    At whole pixel values nothing changes; between them, where paths and finite differences walk, the output
    is now the graph's own continuation instead of a staircase.

    Args:
        proto: the model, its nodes in order; not changed.
    """
    value = graph.data_inputs(proto.graph)[0]
    if value.type.tensor_type.elem_type not in _INTEGERS:
        return proto
    moved = _moved_until_cast(proto.graph, value.name)
    if moved is None:
        return proto
    changed = graph.copy(proto)
    declared = (*changed.graph.input, *changed.graph.value_info, *changed.graph.output)
    for entry in (entry for entry in declared if entry.name in moved):
        entry.type.tensor_type.elem_type = TensorProto.FLOAT
    return changed


def _moved_until_cast(main: GraphProto, name: str) -> set[str] | None:
    """`name` and every tensor that is its numbers in another order; None if anything but a Cast computes with one."""
    nested = {used for node in main.node for inner in graph.subgraphs(node) for used in graph.used_names(inner)}
    given = {value.name for value in main.output}
    found, casts = {name}, 0
    for node in main.node:
        if found.isdisjoint(node.input):
            continue
        if _moves(node, found):
            found.update(node.output)
        elif node.op_type == "Cast":
            casts += 1
        elif node.op_type not in ("Shape", "Size"):
            return None
    return found if casts and found.isdisjoint(nested | given) else None


def _moves(node: NodeProto, found: set[str]) -> bool:
    """Whether the node only moves the numbers of `found`."""
    if node.op_type == "Concat":
        return found.issuperset(node.input)
    return node.op_type in _MOVES and node.input[0] in found and found.isdisjoint(node.input[1:])
