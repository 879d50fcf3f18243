"""A graph in the making, whose pictures may be stored in blocks of channels beside or instead of in plain order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from geoaudit.model import graph
from geoaudit.model.adjoint.tape import Move, Shape
from geoaudit.model.normalise.names import all_names, fresh_name

DOMAIN = "com.microsoft.nchwc"
_AXES_AS_INPUT = 18


class Blocks:
    """Collects nodes.

    Args:
        optimised: the graph as onnxruntime has optimised it; not changed.
        original: the graph before, all of whose shapes can be inferred.
        block: channels that are stored together.
    """

    def __init__(self, optimised: ModelProto, original: ModelProto, block: int) -> None:
        self.block = block
        self._proto = optimised
        self._opset = graph.opset(optimised)
        self._nodes: list[NodeProto] = []
        self._weights: list[TensorProto] = []
        self._names: dict[str, str] = {}
        self._stored: dict[str, str] = {}
        self._taken = all_names(optimised.graph)
        self._shapes = {
            name: tuple(info.shape)
            for name, info in graph.shapes(original).items()
            if all(isinstance(side, int) for side in info.shape)
        }
        self._types = {name: info.dtype for name, info in graph.shapes(original).items()}
        self._held = {tensor.name: tuple(tensor.dims) for tensor in optimised.graph.initializer}

    def named(self, name: str) -> list[NodeProto]:
        """The nodes of that name, one at most."""
        return [node for node in self._proto.graph.node if node.name == name]

    def shape(self, name: str) -> Shape | None:
        """A tensor's shape in plain order; None if it is not known."""
        found = self._held.get(name, self._shapes.get(name))
        return None if found is None else tuple(int(side) for side in found)

    def is_number(self, name: str) -> bool:
        """Whether it is a weight of one element."""
        return name in self._held and int(np.prod(self._held[name])) == 1

    def stored(self, name: str) -> str | None:
        """The tensor in blocks; None if it is in plain order alone."""
        return self._stored.get(name)

    def known(self, name: str, stored: str) -> None:
        """Remember that `stored` holds a tensor in blocks."""
        self._stored[name] = self._names.get(stored, stored)

    def alias(self, name: str, stored: str) -> None:
        """Let readers of `name` read `stored`."""
        self._names[name] = stored

    def keep(self, node: NodeProto) -> None:
        """Take over a node."""
        changed = NodeProto()
        changed.CopyFrom(node)
        changed.input[:] = [self._names.get(name, name) for name in node.input]
        self._nodes.append(changed)

    def like(self, node: NodeProto, inputs: Sequence[str]) -> str:
        """A node like another on other tensors; gives its output's name."""
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        return self.add(node.op_type, *inputs, domain=node.domain, **attributes)

    def replaced(self, node: NodeProto, stored: str) -> None:
        """Let `stored` hold in blocks what `node` gives; who reads that in plain order gets it reordered."""
        name = node.output[0]
        self._stored[name] = stored
        shape = self.shape(name)
        if shape is None or self._types.get(name) != "float32":
            self.keep(node)  # onnxruntime reorders float32 alone
            return
        self._nodes.append(
            helper.make_node("ReorderOutput", [stored], [name], domain=DOMAIN, channels=shape[1], channels_last=0)
        )

    def finished(self) -> ModelProto:
        """The graph; what nothing reads is left out."""
        kept: list[NodeProto] = []
        read = {value.name for value in self._proto.graph.output}
        for node in reversed(self._nodes):
            if not read.isdisjoint(node.output):
                kept.append(node)
                read |= graph.reads(node)
        result = graph.copy(self._proto)
        del result.graph.node[:], result.graph.value_info[:]
        result.graph.node.extend(reversed(kept))
        result.graph.initializer.extend(self._weights)
        return result

    def add(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append a node with one output; gives the output's name."""
        made = fresh_name(f"blocked/{kind}", self._taken)
        given = [self._names.get(name, name) for name in inputs]
        self._nodes.append(helper.make_node(kind, given, [made], name=made, domain=domain, **attributes))
        return made

    def ints(self, values: Sequence[int]) -> str:
        """A shape or axes as an initializer."""
        name = fresh_name("blocked/constant", self._taken)
        self._weights.append(numpy_helper.from_array(np.asarray(values, dtype=np.int64), name))
        return name

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """The same memory as a tensor of another shape."""
        return self.add("Reshape", x, self.ints(shape))

    def flat(self, x: str, shape: Shape) -> str:
        """A picture in blocks, or one number a channel, as (n, blocks, pixels, block)."""
        return self.reshape(x, (shape[0], shape[1] // self.block, shape[2] * shape[3], self.block))

    def reduce(self, kind: str, x: str, axis: int) -> str:
        """A reduction over one axis, which is kept with length 1."""
        if kind == "ReduceSum" or self._opset >= _AXES_AS_INPUT:
            return self.add(kind, x, self.ints([axis]), keepdims=1)
        return self.add(kind, x, axes=[axis], keepdims=1)

    def spread(self, x: str, move: Move) -> str:
        """A picture with zeros behind each element, right and below."""
        batch, channels, rows, columns = move.shape
        blocks, (down, right) = -(-channels // self.block), move.strides
        x = self.reshape(x, (batch * blocks, rows, 1, columns, self.block))
        x = self.add("Pad", x, self.ints([0] * 5 + [0, 0, down - 1, 0, self.block * (right - 1)]))
        return self.reshape(x, (batch, blocks * self.block, rows * down, columns * right))

    def interleaved(self, x: str, move: Move) -> str:
        """A picture from its phases."""
        (batch, channels, rows, columns), (down, right) = move.shape, move.strides
        blocks = channels // self.block
        x = self.reshape(x, (batch, down, right, blocks, rows, columns, self.block))
        x = self.add("Transpose", x, perm=[0, 1, 3, 4, 5, 2, 6])
        x = self.reshape(x, (batch, down, blocks, rows, columns * right * self.block))
        x = self.add("Transpose", x, perm=[0, 2, 3, 1, 4])
        return self.reshape(x, (batch, channels, rows * down, columns * right))
