"""Small questions about an ONNX graph that several modules ask."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from geoaudit.audit.result import TensorInfo

MAX_MESSAGE = 2**31 - 2**24
"""Largest model, in bytes, that is handled as one protobuf message (the format ends at 2 GiB)."""
_SMALL = 1024


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
    graph = inferred(proto).graph
    return {v.name: tensor_info(v) for v in (*graph.value_info, *graph.input, *graph.output)}


def inferred(proto: ModelProto) -> ModelProto:
    """The model after ONNX shape inference, without its large weights, which stand among the inputs."""
    small = skeleton(proto)
    try:
        return onnx.shape_inference.infer_shapes(small, data_prop=True)
    except Exception:  # inference raises bare Exceptions of several kinds; declared shapes still hold
        return small


def skeleton(proto: ModelProto) -> ModelProto:
    """A copy whose initializers of more than 1,024 elements are declared as inputs instead, after the others.

    It is small whatever the model's size, and shape inference needs no more.
    """
    small = ModelProto(ir_version=max(4, proto.ir_version))
    small.opset_import.extend(proto.opset_import)
    small.functions.extend(proto.functions)
    for name in ("node", "input", "output", "value_info"):
        getattr(small.graph, name).extend(getattr(proto.graph, name))
    small.graph.name = proto.graph.name or "graph"
    listed = {value.name for value in proto.graph.input}
    for tensor in proto.graph.initializer:
        if math.prod(tensor.dims) <= _SMALL:
            small.graph.initializer.append(tensor)
        elif tensor.name not in listed:
            small.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return small


def tensor_bytes(tensor: TensorProto) -> int:
    """Size of the tensor's elements in bytes, from its type and dimensions alone."""
    try:
        size = int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except (KeyError, ValueError, TypeError):
        size = 1
    return int(math.prod(tensor.dims)) * size


def fits_one_message(proto: ModelProto) -> bool:
    """Whether the model can be handled as one protobuf message; found without writing out a model that cannot."""
    if sum(tensor_bytes(tensor) for tensor in proto.graph.initializer) >= MAX_MESSAGE:
        return False
    try:
        return bool(proto.ByteSize() < MAX_MESSAGE)
    except Exception:  # protobuf's implementations differ in what they raise past 2 GiB
        return False


def reads(node: NodeProto) -> set[str]:
    """Every tensor that `node` needs, those that its nested graphs take from outside included."""
    names = set(node.input)
    for inner in subgraphs(node):
        names |= captured(inner)
    return names - {""}


def captured(graph: GraphProto) -> set[str]:
    """Tensors that a nested graph takes from the graphs around it."""
    own = {v.name for v in graph.input} | {t.name for t in graph.initializer}
    for node in graph.node:
        own.update(node.output)
    names = {v.name for v in graph.output}
    for node in graph.node:
        names |= reads(node)
    return names - own - {""}


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """The value of an attribute as `onnx.helper` gives it (text as bytes), or `default`."""
    for found in node.attribute:
        if found.name == name:
            return helper.get_attribute_value(found)
    return default


def opset(proto: ModelProto, domain: str = "") -> int:
    """The version of a domain's operator set that the model uses; 1 if it names none."""
    return next((int(o.version) for o in proto.opset_import if o.domain == domain), 1)


def data_inputs(graph: GraphProto) -> list[ValueInfoProto]:
    """The graph's inputs without the initializers that IR version 3 lists among them."""
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every tensor that the graph holds: initializers and tensor attributes, nested graphs included."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
        for inner in subgraphs(node):
            yield from tensors(inner)


def holds_type(proto: ModelProto, elem_type: int) -> bool:
    """Whether a declared tensor, a weight or a cast of the main graph has the element type."""
    values = (*proto.graph.input, *proto.graph.output, *proto.graph.value_info)
    return (
        any(v.type.tensor_type.elem_type == elem_type for v in values)
        or any(t.data_type == elem_type for t in tensors(proto.graph))
        or any(a.name == "to" and a.i == elem_type for n in proto.graph.node for a in n.attribute)
    )
