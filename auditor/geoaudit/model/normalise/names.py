"""Names for new tensors."""

from __future__ import annotations

from onnx import GraphProto

from geoaudit.model import graph


def fresh_name(wanted: str, taken: set[str]) -> str:
    """`wanted`, or with a number after it the first name that is not in `taken`; it is added there."""
    name, number = wanted, 1
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    taken.add(name)
    return name


def all_names(graph_proto: GraphProto) -> set[str]:
    """Every tensor name that occurs in `graph_proto` and the graphs nested in it."""
    names = {v.name for v in (*graph_proto.input, *graph_proto.output)} | {t.name for t in graph_proto.initializer}
    for node in graph_proto.node:
        names.update(node.input, node.output)
        for inner in graph.subgraphs(node):
            names |= all_names(inner)
    return names
