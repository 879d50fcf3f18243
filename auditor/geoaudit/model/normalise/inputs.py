"""Weights that the graph lists as inputs become constants."""

from __future__ import annotations

from onnx import ModelProto

from geoaudit.model import graph


def initializers_out_of_inputs(proto: ModelProto) -> ModelProto:
    """Remove initializers from the inputs.

    IR version 3 demanded that every initializer be an input too; such a weight counts as one that the caller
    may override, so that nothing computed from it is constant.  IR version 4 lifted the demand.
    """
    keep = graph.data_inputs(proto.graph)
    if len(keep) == len(proto.graph.input):
        return proto
    changed = graph.copy(proto)
    del changed.graph.input[:]
    changed.graph.input.extend(keep)
    changed.ir_version = max(4, changed.ir_version)
    return changed
