"""How many of a graph's weights are used for many positions of an image, and how many for one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from onnx import ModelProto, NodeProto

from geoaudit.audit.result import TensorInfo
from geoaudit.model import graph

_WEIGHTS = {
    "Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "ConvTranspose": 1,
    "Gemm": 1, "MatMul": 1, "MatMulInteger": 1, "QLinearMatMul": 3,
}  # fmt: skip
"""Operators that multiply by weights, with the weights' place among their inputs."""


@dataclass(frozen=True)
class Reuse:
    """Numbers of weights.

    Attributes:
        often: slid over pictures, or multiplied with every token of a sequence.
        once: multiplied with one vector for each image.
    """

    often: int
    once: int


def weights(proto: ModelProto) -> Reuse:
    """The weights of convolutions and products in the main graph; what both factors are computed for counts nothing."""
    shapes = graph.shapes(proto)
    sizes = {tensor.name: math.prod(tensor.dims) for tensor in proto.graph.initializer}
    sources = {name: node.input[0] for node in proto.graph.node if node.input for name in node.output}
    often = once = 0
    for node in proto.graph.node:
        place = _WEIGHTS.get(node.op_type)
        if place is None or place >= len(node.input):
            continue
        factor = node.input[place]
        size = sizes.get(factor) or sizes.get(sources.get(factor, ""), 0)  # a weight, or one that is first dequantised
        if _slides(node, shapes):
            often += size
        else:
            once += size
    return Reuse(often, once)


def _slides(node: NodeProto, shapes: dict[str, TensorInfo]) -> bool:
    """Whether an image gives the node many rows; a product whose factor's rank is unknown is taken to have one."""
    if "Conv" in node.op_type:
        return True
    left = shapes.get(node.input[0])
    return left is not None and len(left.shape) > 2
