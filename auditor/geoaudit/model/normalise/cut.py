"""The graph ends at the explained tensor."""

from __future__ import annotations

from onnx import ModelProto

from geoaudit.model import graph


def cut_at(proto: ModelProto, tensor: str) -> ModelProto:
    """Make `tensor` the only output; what only served the old outputs is left for `remove_dead`."""
    if [value.name for value in proto.graph.output] == [tensor]:
        return proto
    changed = graph.copy(proto)
    declared = [v for v in (*changed.graph.output, *changed.graph.value_info) if v.name == tensor]
    del changed.graph.output[:]
    if declared:
        changed.graph.output.append(declared[0])
    else:
        changed.graph.output.add(name=tensor)
    return changed
