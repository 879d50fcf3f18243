"""Tensor sizes for a very particular batch size, node by node, so that the batch is recognised wherever it goes."""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, TypeProto, defs, helper, numpy_helper

from geoaudit.model import graph
from geoaudit.model.normalise import values
from geoaudit.model.normalise.values import Value

MARK = 7919
"""A prime that no layer has as a size: a size that it divides counts images."""
_SMALL = 1024


class BatchWalk:
    """What is known of the tensors of `proto` if its batch is `MARK` times `batch`.

    Args:
        proto: the model; its image is its first input that is no initializer.
        batch: the batch size that the graph is written for.
    """

    def __init__(self, proto: ModelProto, batch: int) -> None:
        self._versions = {o.domain: int(o.version) for o in proto.opset_import}
        self._opsets = list(proto.opset_import)
        self._ir = int(proto.ir_version)
        self._types: dict[str, TypeProto] = {}
        self._values: dict[str, Value] = values.initial(proto)
        self._small = {t.name: t for t in proto.graph.initializer if math.prod(t.dims) <= _SMALL}
        self.constants = {tensor.name for tensor in proto.graph.initializer}
        for tensor in proto.graph.initializer:
            self._types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        for position, value in enumerate(graph.data_inputs(proto.graph)):
            self._types[value.name] = TypeProto()
            self._types[value.name].CopyFrom(value.type)
            if position == 0:
                self._types[value.name].tensor_type.shape.dim[0].dim_value = MARK * batch

    def add_constant(self, tensor: TensorProto) -> None:
        """Make a new initializer known."""
        self.constants.add(tensor.name)
        self._types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        self._small[tensor.name] = tensor
        if tensor.data_type == TensorProto.INT64:
            self._values[tensor.name] = numpy_helper.to_array(tensor).astype(object)

    def dims(self, name: str) -> list[int | None] | None:
        """Sizes of a tensor, None for unknown ones; None if its rank is unknown."""
        kind = self._types.get(name)
        if kind is None or not kind.tensor_type.HasField("shape"):
            return None
        return [int(d.dim_value) if d.HasField("dim_value") else None for d in kind.tensor_type.shape.dim]

    def follow(self, node: NodeProto) -> None:
        """Find out about the outputs of `node`; those of the nodes before it are known."""
        value = values.evaluate(node, self._values, self.dims(node.input[0]) if node.input else None)
        if value is not None:
            self._values[node.output[0]] = value
        names = [name for name in node.input if name]
        if any(name not in self._types for name in names) or any(True for _ in graph.subgraphs(node)):
            return
        data = {name: tensor for name in names if (tensor := self._data(name)) is not None}
        try:
            schema = defs.get_schema(node.op_type, self._versions.get(node.domain, 1), node.domain)
            found = onnx.shape_inference.infer_node_outputs(
                schema, node, {name: self._types[name] for name in names}, data, None, self._opsets, self._ir
            )
        except Exception:  # the graph may not take this batch, and inference raises bare Exceptions
            return
        self._types.update(found)

    def _data(self, name: str) -> TensorProto | None:
        value = self._values.get(name)
        if value is not None and values.known(value):
            return numpy_helper.from_array(np.asarray(value, dtype=np.int64), name)
        return self._small.get(name)
