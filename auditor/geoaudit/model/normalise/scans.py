"""Scans over axes of constant length are written out."""

from __future__ import annotations

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, helper

from geoaudit.model import graph
from geoaudit.model.normalise.loops import Writer, affordable, written
from geoaudit.model.normalise.names import all_names, fresh_name


def unroll_scans(proto: ModelProto) -> ModelProto:
    """Write out every Scan (operator set 9 and later) of the main graph whose scanned axis has a known length."""
    if not any(node.op_type == "Scan" and node.domain == "" for node in proto.graph.node) or graph.opset(proto) < 9:
        return proto
    known = {name: info.shape for name, info in graph.shapes(proto).items()}
    known |= {tensor.name: list(tensor.dims) for tensor in proto.graph.initializer}
    writer = Writer([], [], all_names(proto.graph), graph.opset(proto))
    before = len(writer.taken)
    for position, node in enumerate(proto.graph.node):
        length = _length(node, known) if node.op_type == "Scan" and node.domain == "" else None
        if length is None:
            writer.nodes.append(node)
        else:
            _unroll(node, length, writer, f"{node.name or 'Scan'}_{position}")
    return proto if len(writer.taken) == before else written(proto, writer)


def _length(node: NodeProto, known: dict[str, list[int | str]]) -> int | None:
    body: GraphProto = graph.attribute(node, "body")
    count = graph.attribute(node, "num_scan_inputs")
    axes = graph.attribute(node, "scan_input_axes", [0] * count)
    shape = known.get(node.input[len(node.input) - count])
    if not shape or not -len(shape) <= axes[0] < len(shape) or any(axis < 0 for axis in axes):
        return None
    length = shape[axes[0]]
    output_axes = graph.attribute(node, "scan_output_axes", [])
    if any(axis < 0 for axis in output_axes):
        return None
    return length if isinstance(length, int) and affordable(body, length) else None


def _unroll(node: NodeProto, length: int, writer: Writer, prefix: str) -> None:
    body: GraphProto = graph.attribute(node, "body")
    count = graph.attribute(node, "num_scan_inputs")
    state, scanned = list(node.input[:-count]), list(node.input[-count:])
    axes = graph.attribute(node, "scan_input_axes", [0] * count)
    backwards = graph.attribute(node, "scan_input_directions", [0] * count)
    rows: list[list[str]] = []
    for index in range(length):
        picked = []
        for name, axis, back in zip(scanned, axes, backwards, strict=True):
            place = writer.constant(length - 1 - index if back else index, np.int64, f"{prefix}/place_{index}")
            picked.append(fresh_name(f"{prefix}/{name}_{index}", writer.taken))
            writer.nodes.append(helper.make_node("Gather", [name, place], [picked[-1]], axis=axis))
        inputs = (value.name for value in body.input)
        outputs = writer.body(body, dict(zip(inputs, (*state, *picked), strict=True)), f"{prefix}/{index}")
        state, row = outputs[: len(state)], outputs[len(state) :]
        rows.append(row)
    for source, target in zip(state, node.output, strict=False):
        writer.name(source, target)
    targets = list(node.output[len(state) :])
    output_axes = graph.attribute(node, "scan_output_axes", [0] * len(targets))
    flipped = graph.attribute(node, "scan_output_directions", [0] * len(targets))
    for i, target in enumerate(targets):
        column = [row[i] for row in rows]
        writer.stack(column[::-1] if flipped[i] else column, target, f"{prefix}/{target}", output_axes[i])
