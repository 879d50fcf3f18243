"""A floating-point graph in the making, read off a quantised one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from geoaudit.model import graph
from geoaudit.model.normalise.names import all_names, fresh_name

Range = tuple[int, int]
Array = npt.NDArray[Any]
_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


class NotSpelledError(Exception):
    """The graph cannot be written out: a clause that names the operator."""


@dataclass(frozen=True)
class Rounding:
    """One rounding, by the names of its tensors.

    Attributes:
        given: what is rounded, already divided by its scale.
        moved: rounded half to even, and moved by the zero point.
        made: the same within `limits`.
        limits: smallest and largest number of the quantised type.
    """

    given: str
    moved: str
    made: str
    limits: Range


class Builder:
    """Collects the nodes of the new graph.

    Args:
        proto: the quantised model; not changed.

    Attributes:
        nodes: the new graph's nodes so far, in topological order.
        weights: initializers of both graphs by name; new ones are added.
        whole: tensors that were integers and are now floats.
        fixed: tensors that do not depend on the image.
        roundings: every rounding so far.
        held: computed scales and zero points, which are constants to a gradient.
    """

    def __init__(self, proto: ModelProto) -> None:
        self.nodes: list[NodeProto] = []
        self.weights = {tensor.name: tensor for tensor in proto.graph.initializer}
        self.whole: set[str] = set()
        self.fixed = set(self.weights)
        self.roundings: list[Rounding] = []
        self.held: list[str] = []
        self.versions = {o.domain: int(o.version) for o in proto.opset_import}
        self._taken = all_names(proto.graph)
        self._ranks = _ranks(proto)
        self._real: dict[str, str] = {}

    def name(self, wanted: str) -> str:
        """A tensor name that is not in use."""
        return fresh_name(wanted, self._taken)

    def add(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Append a node with one output; gives the output's name."""
        made = output or self.name(f"{inputs[0]}/{operator}")
        self.nodes.append(helper.make_node(operator, list(inputs), [made], **attributes))
        if self.fixed.issuperset(inputs):
            self.fixed.add(made)
        return made

    def constant(self, array: Array) -> str:
        """A new float32 initializer."""
        name = self.name("constant")
        self.weights[name] = numpy_helper.from_array(np.asarray(array, dtype=np.float32), name)
        self.fixed.add(name)
        return name

    def value(self, name: str, node: NodeProto) -> Array:
        """A weight's numbers as float32.

        Raises:
            NotSpelledError: it is computed.
        """
        if name not in self.weights:
            raise NotSpelledError(f"{node.op_type} takes a scale or zero point that is computed")
        return numpy_helper.to_array(self.weights[name]).astype(np.float32)

    def real(self, name: str) -> str:
        """A tensor as floats: itself, or a float32 copy of an integer one that does not depend on the image."""
        if name not in self.fixed or (name in self.weights and self.weights[name].data_type in _FLOATS):
            return name
        if name not in self._real:
            if name in self.weights:
                self._real[name] = self.constant(numpy_helper.to_array(self.weights[name]).astype(np.float32))
            else:
                self._real[name] = self.add("Cast", [name], to=TensorProto.FLOAT)
        return self._real[name]

    def along(self, name: str, axis: int, like: str) -> str:
        """A scale or zero point of one number, or of one for each index along `axis` of the tensor `like`.

        Raises:
            NotSpelledError: the rank of `like` is not known.
        """
        if name not in self.weights:
            return self.real(name)  # of the whole tensor, by its range
        array = numpy_helper.to_array(self.weights[name]).astype(np.float32)
        if array.size == 1:
            return self.constant(array.reshape(()))
        if axis >= 0 and like not in self._ranks:
            raise NotSpelledError(f"'{like}' is scaled along an axis and its rank is not known")
        after = -axis - 1 if axis < 0 else self._ranks[like] - axis - 1
        return self.constant(array.reshape(*array.shape, *[1] * after))

    def centred(self, x: str, zero_point: str, axis: int) -> str:
        """Whole numbers less their zero point ("" for none)."""
        real = self.real(x)
        if not zero_point or (zero_point in self.weights and not np.any(self._plain(zero_point))):
            return real
        return self.add("Sub", [real, self.along(zero_point, axis, x)])

    def dequantised(self, x: str, scale: str, zero_point: str = "", axis: int = 1, output: str = "") -> str:
        """The real numbers that whole numbers stand for."""
        return self.add("Mul", [self.centred(x, zero_point, axis), self.along(scale, axis, x)], output)

    def rounded(self, ratio: str, moved_by: str, limits: Range, output: str) -> None:
        """Round `ratio`, add a float zero point ("" for none) and clip; `output` holds whole numbers."""
        moved = self.add("Round", [ratio])
        if moved_by:
            moved = self.add("Add", [moved, moved_by])
        self.add("Clip", [moved, *(self.constant(np.array(limit)) for limit in limits)], output)
        self.whole.add(output)
        self.roundings.append(Rounding(ratio, moved, output, limits))

    def limits(self, zero_point: str, node: NodeProto) -> Range:
        """Smallest and largest number of the type that the zero point has, or that the node names; uint8 without."""
        kind = int(graph.attribute(node, "output_dtype", 0)) or TensorProto.UINT8
        if zero_point in self.weights:
            kind = self.weights[zero_point].data_type
        elif zero_point and zero_point not in self.held:
            raise NotSpelledError(f"{node.op_type} takes a zero point that is computed")
        name = TensorProto.DataType.Name(kind)
        if "INT" not in name:
            raise NotSpelledError(f"{node.op_type} rounds to {name}")
        bits = int(name.rpartition("INT")[2])
        return (0, 2**bits - 1) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    def rank(self, name: str) -> int | None:
        """Number of axes of a tensor of the quantised graph, where that is known."""
        return self._ranks.get(name)

    def _plain(self, name: str) -> Array:
        return numpy_helper.to_array(self.weights[name]).astype(np.float32)


def _ranks(proto: ModelProto) -> dict[str, int]:
    inferred = graph.inferred(proto).graph
    ranks = {tensor.name: len(tensor.dims) for tensor in proto.graph.initializer}
    for value in (*inferred.value_info, *inferred.input, *inferred.output):
        if value.type.tensor_type.HasField("shape"):
            ranks[value.name] = len(value.type.tensor_type.shape.dim)
    return ranks
