"""An ONNX graph in the making, whose tensors have known shapes: the model, and what its adjoint adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from geoaudit.model import graph
from geoaudit.model.adjoint.types import tensor_types
from geoaudit.model.adjoint.unsupported import Unsupported
from geoaudit.model.normalise.names import all_names, fresh_name

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
LEAST_OPSET = 17
"""Before it, operators that the adjoint is written with lacked types, or took their inputs otherwise."""
_AXES_AS_INPUT = 18
_SMALL = 1024


@dataclass(frozen=True)
class Move:
    """Nodes that only move whole pictures' elements apart; in another memory layout they are written otherwise.

    Attributes:
        kind: "spread", with zeros between the elements, or "interleaved", from channels that are phases.
        first, last: names of the first node and of the last.
        shape: batch, channels and sides of one phase.
        strides: how far apart the elements come.
    """

    kind: str
    first: str
    last: str
    shape: Shape
    strides: Shape


class Tape:
    """Collects nodes.

    Args:
        proto: the model, in operator set `LEAST_OPSET` or a later one; not changed.
        image: the shape of the images that it is evaluated on, batch included.

    Attributes:
        nodes: the graph's nodes so far, in topological order.
        moves: which of them move elements apart.
        opset: the version of the default operator set.

    Raises:
        Unsupported: shapes cannot be inferred.
    """

    def __init__(self, proto: ModelProto, image: Sequence[int]) -> None:
        self.opset = graph.opset(proto)
        self.nodes: list[NodeProto] = list(proto.graph.node)
        self.moves: list[Move] = []
        self._proto = proto
        self._weights = {tensor.name: tensor for tensor in proto.graph.initializer}
        self._arrays: dict[str, Array] = {}
        self._known: dict[tuple[str, Shape, bytes], str] = {}
        self._makers = graph.producers(proto.graph)
        self._taken = all_names(proto.graph)
        self._types = tensor_types(proto, image)

    def shape(self, name: str) -> Shape:
        """The shape of a tensor of the model.

        Raises:
            Unsupported: it is not known.
        """
        if name not in self._types:
            raise Unsupported(f"a tensor of unknown shape ('{name}')")
        return self._types[name][1]

    def elem_type(self, name: str) -> int:
        """The ONNX element type of a tensor of the model; undefined if it is not known."""
        return self._types[name][0] if name in self._types else TensorProto.UNDEFINED

    def dtype(self, name: str) -> np.dtype[Any]:
        """The numpy type of a tensor of the model."""
        return np.dtype(helper.tensor_dtype_to_np_dtype(self.elem_type(name)))

    def is_float(self, name: str) -> bool:
        """Whether a tensor of the model is float32 or float64."""
        return self.elem_type(name) in (TensorProto.FLOAT, TensorProto.DOUBLE)

    def maker(self, name: str) -> NodeProto | None:
        """The model's node that gives a tensor; None for an input or a weight."""
        return self._makers.get(name)

    def value(self, name: str) -> Array | None:
        """The numbers of a weight; None for a tensor that is computed."""
        if name not in self._weights:
            return None
        if name not in self._arrays:
            self._arrays[name] = numpy_helper.to_array(self._weights[name])
        return self._arrays[name]

    def constant(self, array: Any) -> str:
        """An initializer; equal small ones are shared."""
        array = np.ascontiguousarray(array)
        if array.size > _SMALL:
            return self._held(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self._held(array)
        return self._known[key]

    def _held(self, array: Array) -> str:
        name = fresh_name("adjoint/constant", self._taken)
        self._weights[name] = numpy_helper.from_array(array, name)
        return name

    def number(self, value: float, like: str) -> str:
        """A scalar initializer of the element type of the model's tensor `like`."""
        return self.constant(np.asarray(value, dtype=self.dtype(like)))

    def ints(self, values: Sequence[int]) -> str:
        """A shape or axes as an initializer."""
        return self.constant(np.asarray(values, dtype=np.int64))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append a node with one output; gives the output's name."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def ops(self, kind: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Append a node with several outputs; gives their names."""
        made = [fresh_name(f"adjoint/{kind}", self._taken) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), made, name=made[0], **attributes))
        return made

    def reduce(self, kind: str, x: str, axes: Sequence[int], *, keep: bool = True) -> str:
        """A reduction over axes, which newer operator sets take as an input."""
        if not axes:
            return x
        if kind == "ReduceSum" or self.opset >= _AXES_AS_INPUT:
            return self.op(kind, x, self.ints(axes), keepdims=int(keep))
        return self.op(kind, x, axes=list(axes), keepdims=int(keep))

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """A tensor in another shape, all of whose sizes are given."""
        return self.op("Reshape", x, self.ints(shape))

    def unbroadcast(self, x: str, given: Shape, wanted: Shape) -> str:
        """The sum of `x`, of shape `given`, over the axes along which a tensor of shape `wanted` was repeated."""
        if given == wanted:
            return x
        extra = len(given) - len(wanted)
        padded = (1,) * extra + wanted
        axes = [i for i, (g, w) in enumerate(zip(given, padded, strict=True)) if g != w]
        x = self.reduce("ReduceSum", x, axes)
        return self.reshape(x, wanted) if extra else x

    def model(self, outputs: Sequence[str], inputs: Sequence[onnx.ValueInfoProto], image: Sequence[int]) -> ModelProto:
        """The finished model.

        Args:
            outputs: names of its outputs.
            inputs: inputs besides the image.
            image: the shape of the images.
        """
        given = self._proto.graph.input[0]
        first = helper.make_tensor_value_info(given.name, given.type.tensor_type.elem_type, list(image))
        made = helper.make_graph(
            self.nodes, "adjoint", [first, *inputs], [onnx.ValueInfoProto(name=n) for n in outputs]
        )
        used = graph.used_names(made)
        made.initializer.extend(tensor for name, tensor in self._weights.items() if name in used)
        return helper.make_model(
            made, opset_imports=self._proto.opset_import, ir_version=max(8, self._proto.ir_version)
        )
