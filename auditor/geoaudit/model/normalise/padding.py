"""Padding that is stated as a rule is written in numbers."""

from __future__ import annotations

import math

from onnx import ModelProto, NodeProto, helper

from geoaudit.model import graph

_WINDOWED = ("Conv", "ConvInteger", "QLinearConv", "MaxPool", "AveragePool", "LpPool")
_WEIGHTS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}


def explicit_padding(proto: ModelProto) -> ModelProto:
    """Replace `auto_pad` by `pads` where the picture size is known.

    SAME gives ceil(size / stride) outputs, VALID pads nothing; source: the ONNX operators' definitions.
    """
    if not any(_rule(node) for node in proto.graph.node):
        return proto
    known = {name: info.shape for name, info in graph.shapes(proto).items()}
    known |= {tensor.name: list(tensor.dims) for tensor in proto.graph.initializer}
    pads = {i: found for i, node in enumerate(proto.graph.node) if (found := _pads(node, known)) is not None}
    if not pads:
        return proto
    changed = graph.copy(proto)
    for position, found in pads.items():
        node = changed.graph.node[position]
        rest = [a for a in node.attribute if a.name not in ("auto_pad", "pads")]
        del node.attribute[:]
        node.attribute.extend([*rest, helper.make_attribute("pads", found)])
    return changed


def _rule(node: NodeProto) -> str:
    if node.op_type not in _WINDOWED or node.domain:
        return ""
    rule = graph.attribute(node, "auto_pad", b"NOTSET").decode()
    return "" if rule == "NOTSET" else rule


def _pads(node: NodeProto, known: dict[str, list[int | str]]) -> list[int] | None:
    """Padding before every axis, then after; None if it stays a rule."""
    rule = _rule(node)
    if not rule:
        return None
    kernel = graph.attribute(node, "kernel_shape")
    if kernel is None and node.op_type in _WEIGHTS:
        kernel = known.get(node.input[_WEIGHTS[node.op_type]], [])[2:]
    if not kernel or not all(isinstance(k, int) for k in kernel):
        return None
    if rule == "VALID":
        return [0] * 2 * len(kernel)
    sizes = known.get(node.input[0], [])[2:]
    if len(sizes) != len(kernel) or not all(isinstance(s, int) for s in sizes) or graph.attribute(node, "ceil_mode", 0):
        return None
    ones = [1] * len(kernel)
    strides, dilations = graph.attribute(node, "strides", ones), graph.attribute(node, "dilations", ones)
    totals = [
        max((math.ceil(size / stride) - 1) * stride + (k - 1) * dilation + 1 - size, 0)
        for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True)
    ]
    less, more = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return [*less, *more] if rule == "SAME_UPPER" else [*more, *less]
