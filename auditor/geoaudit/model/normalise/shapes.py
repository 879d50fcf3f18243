"""Shapes that the declared picture size settles become constants."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper

from geoaudit.model import graph
from geoaudit.model.normalise import values
from geoaudit.model.normalise.dead import remove_dead
from geoaudit.model.normalise.names import all_names, fresh_name
from geoaudit.model.normalise.values import Value


def static_shapes(proto: ModelProto) -> ModelProto:
    """Replace arithmetic of shapes by its result where that is known without an image.

    A Reshape's shape of which one number is unknown, as the batch size is, gets -1 there.
    """
    if not any(node.op_type in ("Shape", "Size") for node in proto.graph.node):
        return proto
    inferred = graph.inferred(proto)
    dims = _dims(inferred)
    kinds = {v.name: v.type.tensor_type.elem_type for v in inferred.graph.value_info}
    found = values.initial(proto)
    constants = set(found)
    for node in proto.graph.node:
        value = values.evaluate(node, found, dims.get(node.input[0]) if node.input else None)
        if value is not None:
            found[node.output[0]] = value
    made = {name: value for name, value in found.items() if name not in constants}
    whole = {name: value for name, value in made.items() if values.known(value)}
    read = {n for node in proto.graph.node if node.output[0] not in whole for n in graph.reads(node)}
    read |= {value.name for value in proto.graph.output}
    whole = {name: value for name, value in whole.items() if name in read}
    shapes = _reshapes(proto, made)
    if not whole and not shapes:
        return proto
    changed = graph.copy(proto)
    taken = all_names(proto.graph)
    for position, shape in shapes.items():
        node = changed.graph.node[position]
        node.input[1] = fresh_name(f"{node.output[0]}/shape", taken)
        changed.graph.initializer.append(numpy_helper.from_array(np.array(shape, dtype=np.int64), node.input[1]))
    _put(changed, whole, kinds)
    return remove_dead(changed)


def _dims(inferred: ModelProto) -> dict[str, list[int | None]]:
    """Sizes of every tensor of known rank."""
    return {
        value.name: [int(d.dim_value) if d.HasField("dim_value") else None for d in value.type.tensor_type.shape.dim]
        for value in (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
        if value.type.tensor_type.HasField("shape")
    }


def _put(changed: ModelProto, whole: dict[str, Value], kinds: dict[str, int]) -> None:
    """Let initializers take the place of the nodes that make the tensors of `whole`, in place."""
    kept = [node for node in changed.graph.node if node.output[0] not in whole]
    del changed.graph.node[:]
    changed.graph.node.extend(kept)
    for name, value in whole.items():
        dtype = np.int32 if kinds.get(name) == TensorProto.INT32 else np.int64
        changed.graph.initializer.append(numpy_helper.from_array(value.astype(dtype), name))


def _reshapes(proto: ModelProto, made: dict[str, Value]) -> dict[int, list[int]]:
    """Constant shapes with one -1 for Reshapes, by position."""
    found = {}
    for position, node in enumerate(proto.graph.node):
        if node.op_type == "Reshape" and node.domain == "" and len(node.input) == 2:
            shape = _with_one_free(made.get(node.input[1]))
            if shape is not None:
                found[position] = shape
    return found


def _with_one_free(value: Value | None) -> list[int] | None:
    """The shape with -1 for its one unknown number; None if it has none or several, or a 0 or -1 already."""
    if value is None or value.ndim != 1 or sum(v is None for v in value) != 1:
        return None
    if any(v is not None and v <= 0 for v in value):
        return None
    return [-1 if v is None else int(v) for v in value]
