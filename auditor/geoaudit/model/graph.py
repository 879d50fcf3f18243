"""Small questions about an ONNX graph that several modules ask."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from geoaudit.audit.result import TensorInfo

MAX_MESSAGE = 2**31 - 2**24
"""Largest model, in bytes, that is handled as one protobuf message (the format ends at 2 GiB)."""


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs that `node` carries in its attributes (If, Loop, Scan)."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def used_names(graph: GraphProto) -> set[str]:
    """Every tensor name that a node or an output of `graph`, nested graphs included, reads."""
    names = {value.name for value in graph.output}
    for node in graph.node:
        names.update(node.input)
        for inner in subgraphs(node):
            names |= used_names(inner)
    return names - {""}


def producers(graph: GraphProto) -> dict[str, NodeProto]:
    """The node that makes each tensor, by tensor name."""
    return {name: node for node in graph.node for name in node.output if name}


def copy(proto: ModelProto) -> ModelProto:
    """A deep copy."""
    duplicate = ModelProto()
    duplicate.CopyFrom(proto)
    return duplicate


def tensor_info(value: ValueInfoProto) -> TensorInfo:
    """Name, numpy dtype name (or kind, for what is no tensor) and shape; unknown sizes are "?"."""
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return TensorInfo(name=value.name, dtype=(kind or "unknown").removesuffix("_type"), shape=[])
    tensor = value.type.tensor_type
    shape: list[int | str] = [
        int(d.dim_value) if d.HasField("dim_value") else (d.dim_param or "?") for d in tensor.shape.dim
    ]
    return TensorInfo(name=value.name, dtype=dtype_name(tensor.elem_type), shape=shape)


def dtype_name(elem_type: int) -> str:
    """The numpy name of an ONNX element type; "unknown" for one that is not declared."""
    if elem_type == TensorProto.UNDEFINED:
        return "unknown"
    if elem_type == TensorProto.STRING:
        return "string"
    try:
        return np.dtype(helper.tensor_dtype_to_np_dtype(elem_type)).name
    except (KeyError, ValueError, TypeError):
        return "unknown"


def describe(values: list[TensorInfo] | tuple[TensorInfo, ...]) -> str:
    """The tensors as one text: name, dtype and shape of each."""
    return ", ".join(f"'{v.name}' {v.dtype} [{', '.join(map(str, v.shape))}]" for v in values) or "none"


def shapes(proto: ModelProto) -> dict[str, TensorInfo]:
    """What is known of every tensor after ONNX shape inference, or declared where that cannot run."""
    inferred = proto
    if proto.ByteSize() < MAX_MESSAGE:
        try:
            inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True)
        except Exception:  # inference raises bare Exceptions of several kinds; declared shapes still hold
            inferred = proto
    graph = inferred.graph
    return {v.name: tensor_info(v) for v in (*graph.value_info, *graph.input, *graph.output)}


def data_inputs(graph: GraphProto) -> list[ValueInfoProto]:
    """The graph's inputs without the initializers that IR version 3 lists among them."""
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def with_float_input(proto: ModelProto) -> ModelProto:
    """An integer image input that is only ever cast is declared float32; otherwise `proto` itself.

    At whole pixel values nothing changes; between them, where paths and finite differences walk, the output
    is now the graph's own continuation instead of a staircase.
    """
    value = data_inputs(proto.graph)[0]
    integer = (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32, TensorProto.INT64)
    if value.type.tensor_type.elem_type not in integer:
        return proto
    readers = [node for node in proto.graph.node if value.name in node.input]
    nested = any(value.name in used_names(g) for node in proto.graph.node for g in subgraphs(node))
    if nested or not readers or any(node.op_type != "Cast" for node in readers):
        return proto
    changed = copy(proto)
    data_inputs(changed.graph)[0].type.tensor_type.elem_type = TensorProto.FLOAT
    return changed
