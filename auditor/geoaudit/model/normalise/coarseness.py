"""The element type that a model computes in."""

from __future__ import annotations

from typing import Literal

from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from geoaudit.model import graph
from geoaudit.model.normalise.precision import node_kinds

Precision = Literal["float16", "float32", "float64"]

_COARSENESS: dict[int, Precision] = {
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "float16",
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
}
_SIZES = ("Resize", "Upsample")
_STASH = ("LayerNormalization", "GroupNormalization", "RMSNormalization")
"""Their `stash_type` is that of an intermediate result, float32 in half-precision models."""


def coarsest(proto: ModelProto, tensor: str) -> Precision:
    """The coarsest floating type among weights, inputs, declared tensors and casts that `tensor` is made from.

    bfloat16 counts as "float16"; a model without any floating type counts as "float32".
    """
    nodes, names = _behind(proto.graph, tensor)
    values = (*proto.graph.input, *proto.graph.value_info, *proto.graph.output)
    kinds = {v.type.tensor_type.elem_type for v in values if v.name in names}
    kinds |= {weight.data_type for weight in proto.graph.initializer if weight.name in names}
    for node in nodes:
        kinds |= set() if node.op_type in _STASH else set(node_kinds(node))
    found = {_COARSENESS[kind] for kind in kinds if kind in _COARSENESS}
    ordered: tuple[Precision, ...] = ("float16", "float32", "float64")
    return next((name for name in ordered if name in found), "float32")


def _behind(main: GraphProto, tensor: str) -> tuple[list[NodeProto], set[str]]:
    """The nodes that `tensor` is made by and the data they read; sizes given to Resize are no data."""
    needed = {tensor}
    nodes = []
    for node in reversed(main.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed |= {node.input[0]} if node.op_type in _SIZES else graph.reads(node)
    return nodes, needed
