"""Old or unusual ways of writing the same model are brought to the usual one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, numpy_helper

from geoaudit.model import graph

_OLDEST_IR = 4


def default_domain(proto: ModelProto) -> ModelProto:
    """Write the default operator domain as the empty text where the model spells it "ai.onnx"."""
    named = [o for o in proto.opset_import if o.domain == "ai.onnx"]
    if not named and not any(node.domain == "ai.onnx" for node in _nodes(proto.graph)):
        return proto
    changed = graph.copy(proto)
    for node in _nodes(changed.graph):
        if node.domain == "ai.onnx":
            node.domain = ""
    versions = {("" if o.domain == "ai.onnx" else o.domain): int(o.version) for o in proto.opset_import}
    del changed.opset_import[:]
    for domain, version in versions.items():
        changed.opset_import.add(domain=domain, version=version)
    return changed


def raise_ir(proto: ModelProto) -> ModelProto:
    """Raise the IR version to 4, the first in which weights need not be inputs."""
    if proto.ir_version >= _OLDEST_IR:
        return proto
    changed = graph.copy(proto)
    changed.ir_version = _OLDEST_IR
    return changed


def dense_initializers(proto: ModelProto) -> ModelProto:
    """Write sparse weights of the main graph as dense ones."""
    if not proto.graph.sparse_initializer:
        return proto
    changed = graph.copy(proto)
    del changed.graph.sparse_initializer[:]
    changed.graph.initializer.extend(dense(sparse) for sparse in proto.graph.sparse_initializer)
    return changed


def dense(sparse: SparseTensorProto, name: str | None = None) -> TensorProto:
    """The dense tensor of the same elements; it is named as the sparse one's values unless `name` is given.

    Indices are positions in the flattened tensor, int64 (n,), or coordinates, int64 (n, rank).
    """
    values = numpy_helper.to_array(sparse.values)
    indices = numpy_helper.to_array(sparse.indices)
    full = np.zeros(tuple(sparse.dims), dtype=values.dtype)
    if indices.ndim == 2:
        full[tuple(indices.T)] = values
    else:
        full.reshape(-1)[indices] = values
    return numpy_helper.from_array(full, name or sparse.values.name)


def _nodes(graph_proto: GraphProto) -> Iterator[NodeProto]:
    for node in graph_proto.node:
        yield node
        for inner in graph.subgraphs(node):
            yield from _nodes(inner)
