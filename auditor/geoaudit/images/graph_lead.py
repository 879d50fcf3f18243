"""The operators between a graph's input and the first one that is no preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

_PASS_THROUGH = ("Cast", "Identity", "Dropout")
_ARITHMETIC = ("Sub", "Add", "Mul", "Div")


@dataclass
class Lead:
    """What was met on the way.

    Attributes:
        ops: the operators walked through, in order.
        scale, shift: the folded arithmetic, y = scale x + shift; one value, or one a channel.
        perm: the first Transpose's permutation.
        weight: shape of the weight of the convolution that ended the walk.
        groups: that convolution's groups.
        resized: the last Resize's constant output sizes.
        resized_after_perm: whether that Resize stands behind the Transpose.
    """

    ops: list[str] = field(default_factory=list)
    scale: npt.NDArray[np.float64] = field(default_factory=lambda: np.ones(1))
    shift: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    perm: list[int] | None = None
    weight: tuple[int, ...] | None = None
    groups: int = 1
    resized: npt.NDArray[np.float64] | None = None
    resized_after_perm: bool = False

    @property
    def arithmetic(self) -> list[str]:
        """The arithmetic among `ops`."""
        return [op for op in self.ops if op in _ARITHMETIC]


def walk(graph: onnx.GraphProto, tensor: str) -> Lead:
    """Follow each tensor's only consumer from `tensor` on, as long as it does what preprocessing does."""
    lead = Lead()
    constants = _constants(graph)
    shapes = {t.name: tuple(t.dims) for t in graph.initializer}
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for used in {*node.input}:
            consumers.setdefault(used, []).append(node)
    while True:
        readers = [node for node in consumers.get(tensor, ()) if node.op_type != "Shape"]
        if len(readers) != 1 or not _take(lead, readers[0], tensor, constants, shapes):
            return lead
        tensor = readers[0].output[0]


def _take(
    lead: Lead,
    node: onnx.NodeProto,
    tensor: str,
    constants: Mapping[str, npt.NDArray[Any]],
    shapes: Mapping[str, tuple[int, ...]],
) -> bool:
    """Record what `node` does to `tensor`; whether the walk goes on behind it."""
    if node.op_type in _PASS_THROUGH:
        lead.ops.append(node.op_type)
        return True
    if node.op_type in _ARITHMETIC:
        return _take_arithmetic(lead, node, tensor, constants)
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "Transpose" and lead.perm is None:
        lead.perm = list(attributes.get("perm", [3, 2, 1, 0]))
        return True
    if node.op_type in ("Resize", "Upsample"):
        sizes = constants.get(node.input[3]) if len(node.input) > 3 else None
        lead.resized, lead.resized_after_perm = sizes, lead.perm is not None
        return sizes is not None
    if node.op_type == "Conv" and len(shapes.get(node.input[1], ())) == 4:
        lead.weight, lead.groups = shapes[node.input[1]], int(attributes.get("group", 1))
    return False


def _take_arithmetic(lead: Lead, node: onnx.NodeProto, tensor: str, constants: Mapping[str, npt.NDArray[Any]]) -> bool:
    left = node.input[0] == tensor
    value = constants.get(node.input[1 if left else 0])
    if value is None or value.size not in (1, 3) or (node.op_type == "Div" and not left):
        return False
    number = value.astype(np.float64).reshape(-1)
    if node.op_type in ("Mul", "Div"):
        factor = number if node.op_type == "Mul" else 1 / number
        lead.scale, lead.shift = lead.scale * factor, lead.shift * factor
    elif node.op_type == "Add":
        lead.shift = lead.shift + number
    else:
        sign = 1 if left else -1
        lead.scale, lead.shift = lead.scale * sign, sign * (lead.shift - number)
    lead.ops.append(node.op_type)
    return True


def _constants(graph: onnx.GraphProto) -> dict[str, npt.NDArray[Any]]:
    """Small constants by name: initialisers and Constant nodes held in the file itself."""
    tensors = {t.name: t for t in graph.initializer}
    values: dict[str, npt.NDArray[Any]] = {}
    for node in graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value":
                tensors[node.output[0]] = attribute.t
            elif attribute.name in ("value_float", "value_int", "value_floats", "value_ints"):
                values[node.output[0]] = np.asarray(onnx.helper.get_attribute_value(attribute))
    for name, tensor in tensors.items():
        if np.prod(tensor.dims) <= 16 and tensor.data_location != onnx.TensorProto.EXTERNAL:
            values[name] = numpy_helper.to_array(tensor)
    return values
