"""Nodes in the order in which they can be computed."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from onnx import GraphProto

from geoaudit.errors import ModelError
from geoaudit.model import graph


def put_in_order(thing: str, main: GraphProto) -> None:
    """Sort the nodes of `main`, in place, so that each comes after those it reads.

    ONNX demands this order; onnxruntime does not, but for nested graphs.  A graph in order is left as it is.

    Args:
        thing: the file's name for the message.
        main: the main graph.

    Raises:
        ModelError: nodes need each other's results.
    """
    makers: dict[str, int] = {}
    for position, node in enumerate(main.node):
        for name in filter(None, node.output):
            makers.setdefault(name, position)
    needed = {i: {makers[n] for n in graph.reads(node) if n in makers} for i, node in enumerate(main.node)}
    if all(before < position for position, found in needed.items() for before in found):
        return
    try:
        order = list(TopologicalSorter(needed).static_order())
    except CycleError as error:
        circle = [main.node[i].name or f"-> {main.node[i].output[0]}" for i in error.args[1]]
        raise ModelError(
            thing, f"is no valid ONNX model: nodes need each other's results ({', '.join(circle[:4])})",
            "Export the model again; whatever edited the file has damaged it.",
        ) from error  # fmt: skip
    nodes = [main.node[position] for position in order]
    del main.node[:]
    main.node.extend(nodes)
