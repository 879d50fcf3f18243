"""Constant nodes become initializers."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from geoaudit.model import graph
from geoaudit.model.normalise.dialect import dense


def constants_to_initializers(proto: ModelProto) -> ModelProto:
    """Move the value of every numeric Constant node of the main graph into the initializers.

    Converters look for weights among the initializers only; some exporters write weights as Constant nodes.
    """
    if not any(_tensor(node) is not None for node in proto.graph.node):
        return proto
    changed = graph.copy(proto)
    nodes = list(changed.graph.node)
    del changed.graph.node[:]
    for node in nodes:
        tensor = _tensor(node)
        if tensor is None:
            changed.graph.node.append(node)
        else:
            changed.graph.initializer.append(tensor)
    return changed


def _tensor(node: NodeProto) -> TensorProto | None:
    """The node's value as a tensor named as its output; None if it is no numeric Constant."""
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx") or len(node.attribute) != 1:
        return None
    attribute = node.attribute[0]
    name = node.output[0]
    match attribute.name:
        case "value":
            tensor = TensorProto()
            tensor.CopyFrom(attribute.t)
            tensor.name = name
            return tensor
        case "value_float":
            return numpy_helper.from_array(np.asarray(attribute.f, dtype=np.float32), name)
        case "value_floats":
            return numpy_helper.from_array(np.asarray(attribute.floats, dtype=np.float32), name)
        case "value_int":
            return numpy_helper.from_array(np.asarray(attribute.i, dtype=np.int64), name)
        case "value_ints":
            return numpy_helper.from_array(np.asarray(attribute.ints, dtype=np.int64), name)
        case "sparse_value":
            return dense(attribute.sparse_tensor, name)
    return None
