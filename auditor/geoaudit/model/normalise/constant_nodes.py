"""What does not depend on the image is computed once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper, numpy_helper

from geoaudit.model import graph
from geoaudit.model.normalise.dead import remove_dead

_RANDOM = {
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
}  # fmt: skip
_DOMAINS = ("", "ai.onnx.ml", "com.microsoft")
_GROWTH = 64 * 2**20
_SESSIONS = 64
Array = npt.NDArray[Any]


def fold_nodes(proto: ModelProto) -> ModelProto:
    """Put the value of every node that depends on weights alone into the initializers.

    onnxruntime evaluates all of them in one session that holds only the weights they read: dequantised weights,
    normalised ones, ranges, masks and constant branches.  What onnxruntime cannot evaluate stays, and so does
    what would take 64 MiB more than the weights it is made of.
    """
    nodes = list(proto.graph.node)
    constant = _constant_nodes(proto, nodes)
    wanted = _frontier(proto, nodes, constant)
    if not wanted:
        return proto
    makers = {name: position for position in constant for name in nodes[position].output if name}
    budget = [_SESSIONS]
    results = {
        name: value
        for name, value in _evaluate(proto, makers, wanted, budget).items()
        if value.nbytes <= _GROWTH or value.nbytes <= _GROWTH + _replaced_bytes(proto, makers, name)
    }
    for position in {makers[name] for name in wanted if name not in results}:
        for name in nodes[position].output:  # a node that stays makes its other outputs as well
            results.pop(name, None)
    if not results:
        return proto
    changed = graph.copy(proto)
    del changed.graph.node[:]
    changed.graph.node.extend(node for node in nodes if results.keys().isdisjoint(node.output))
    changed.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in results.items())
    return remove_dead(changed)


def _constant_nodes(proto: ModelProto, nodes: list[NodeProto]) -> list[int]:
    """Positions of the deterministic nodes that read nothing but weights and each other."""
    known = {tensor.name for tensor in proto.graph.initializer}
    found = []
    for position, node in enumerate(nodes):
        if node.domain in _DOMAINS and _deterministic(node) and graph.reads(node) <= known:
            found.append(position)
            known.update(node.output)
    return found


def _deterministic(node: NodeProto) -> bool:
    if node.op_type in _RANDOM or (node.op_type == "Dropout" and len(node.input) > 2):
        return False
    return all(_deterministic(inner) for g in graph.subgraphs(node) for inner in g.node)


def _frontier(proto: ModelProto, nodes: list[NodeProto], constant: list[int]) -> list[str]:
    """Tensors made by the nodes at `constant` that other nodes or the outputs read."""
    inside = set(constant)
    made = {name for position in constant for name in nodes[position].output if name}
    read: set[str] = {value.name for value in proto.graph.output} & made
    for position, node in enumerate(nodes):
        if position not in inside:
            read |= graph.reads(node) & made
    return sorted(read)


def _evaluate(proto: ModelProto, makers: dict[str, int], names: list[str], budget: list[int]) -> dict[str, Array]:
    """The values of `names`; where a session fails its two halves are tried, so that one operator spoils nothing.

    `budget` holds the number of sessions that may still be opened.
    """
    if not names or budget[0] <= 0:
        return {}
    budget[0] -= 1
    try:
        return _run(_extract(proto, makers, names), names)
    except Exception:  # onnxruntime has no common base class for its errors
        if len(names) == 1:
            return {}
    half = len(names) // 2
    return _evaluate(proto, makers, names[:half], budget) | _evaluate(proto, makers, names[half:], budget)


def _run(proto: ModelProto, names: list[str]) -> dict[str, Array]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    types = {value.name: value.type for value in session.get_outputs()}
    tensors = [name for name in names if types[name] in _NUMPY_TYPES]
    return dict(zip(tensors, map(np.asarray, session.run(tensors, {})), strict=True)) if tensors else {}


_NUMPY_TYPES = {
    f"tensor({name})"
    for name in (
        "float16",
        "float",
        "double",
        "bool",
        *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)),
    )
}


def _extract(proto: ModelProto, makers: dict[str, int], names: list[str]) -> ModelProto:
    """A model without inputs that computes `names`; it holds only the nodes and weights that this needs."""
    positions, needed = _ancestors(proto, makers, names)
    part = helper.make_graph(
        [proto.graph.node[position] for position in sorted(positions)],
        "constants",
        [],
        [helper.make_empty_tensor_value_info(name) for name in names],
        [tensor for tensor in proto.graph.initializer if tensor.name in needed],
    )
    return helper.make_model(part, opset_imports=proto.opset_import, ir_version=proto.ir_version)


def _ancestors(proto: ModelProto, makers: dict[str, int], names: list[str]) -> tuple[set[int], set[str]]:
    """Positions of the nodes that `names` are made by, and every tensor that these read."""
    positions: set[int] = set()
    needed: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name in needed:
            continue
        needed.add(name)
        if name in makers:
            positions.add(makers[name])
            queue.extend(graph.reads(proto.graph.node[makers[name]]))
    return positions, needed


def _replaced_bytes(proto: ModelProto, makers: dict[str, int], name: str) -> int:
    needed = _ancestors(proto, makers, [name])[1]
    return sum(graph.tensor_bytes(tensor) for tensor in proto.graph.initializer if tensor.name in needed)
