"""Operators that a fixed batch size is written into, and how each is written for any."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

from geoaudit.model import graph
from geoaudit.model.normalise.batch_walk import MARK, BatchWalk
from geoaudit.model.normalise.names import fresh_name

_BROADCASTING = ("Add", "Sub", "Mul", "Div", "Where", "Max", "Min")
_RECURRENT = ("LSTM", "GRU", "RNN")


class BatchRules:
    """Rewrites nodes one by one.

    Args:
        walk: what is known of the tensors so far.
        weights: the graph's initializers, by name.
        batch: the batch size that the graph is written for.
        image: name of the image input.
        taken: names in use; those chosen are added.
    """

    def __init__(
        self, walk: BatchWalk, weights: dict[str, TensorProto], batch: int, image: str, taken: set[str]
    ) -> None:
        self._walk = walk
        self._weights = weights
        self._batch = batch
        self._image = image
        self._taken = taken
        self._size: str | None = None
        self.added: list[TensorProto] = []

    def rewrite(self, node: NodeProto) -> list[NodeProto]:
        """The nodes that take the place of `node` (which may be changed); [node] if no batch size is built in."""
        if node.domain:
            return [node]
        if node.op_type == "Reshape" and len(node.input) == 2:
            self._reshape(node)
        elif node.op_type == "Expand":
            self._expand(node)
        elif node.op_type == "Resize" and len(node.input) == 4:
            return self._resize(node)
        elif node.op_type == "Concat":
            return self._concat(node)
        elif node.op_type in _BROADCASTING:
            self._broadcast(node)
        elif node.op_type in _RECURRENT:
            self._recurrent(node)
        return [node]

    def _reshape(self, node: NodeProto) -> None:
        data, shape = self._known(node.input[0]), self._whole(node.input[1])
        if data is None or shape is None:
            return
        free = _free_position(data, shape, self._batch, bool(graph.attribute(node, "allowzero", 0)))
        if free is not None:
            shape[free[0]] = free[1]
            node.input[1] = self._constant(np.array(shape, dtype=np.int64), f"{node.output[0]}/shape")

    def _expand(self, node: NodeProto) -> None:
        data, shape = self._known(node.input[0]), self._whole(node.input[1])
        if data is None or shape is None or len(data) > len(shape):
            return
        found = list(shape)
        for i in range(1, len(data) + 1):
            if data[-i] % MARK == 0 and shape[-i] == data[-i] // MARK:
                found[-i] = 1
        if found != shape:
            node.input[1] = self._constant(np.array(found, dtype=np.int64), f"{node.output[0]}/shape")

    def _resize(self, node: NodeProto) -> list[NodeProto]:
        sizes = self._whole(node.input[3])
        axes = graph.attribute(node, "axes")
        if sizes is None or sizes[0] != self._batch or not self._counts(node.input[0]) or (axes and axes[0] != 0):
            return [node]
        made, node.input[3] = self._with_batch(sizes[1:], f"{node.output[0]}/sizes")
        return [*made, node]

    def _concat(self, node: NodeProto) -> list[NodeProto]:
        if graph.attribute(node, "axis", 0) == 0 or not any(self._counts(name) for name in node.input):
            return [node]
        made: list[NodeProto] = []
        for position, name in enumerate(node.input):
            row = self._row(name)
            if row is None:
                continue
            source = self._constant(row, f"{name}/row")
            nodes, shape = self._with_batch([1] * (row.ndim - 1), f"{node.output[0]}/shape")
            node.input[position] = fresh_name(f"{name}/rows", self._taken)
            made += [*nodes, helper.make_node("Expand", [source, shape], [node.input[position]])]
        return [*made, node]

    def _broadcast(self, node: NodeProto) -> None:
        ranks = {len(dims) for name in node.input if self._counts(name) and (dims := self._walk.dims(name))}
        for position, name in enumerate(node.input):
            row = self._row(name) if ranks and self._batch > 1 else None
            if row is not None and row.ndim == max(ranks):
                node.input[position] = self._constant(row, f"{name}/row")

    def _recurrent(self, node: NodeProto) -> None:
        for position, name in list(enumerate(node.input))[5:7]:
            tensor = self._weights.get(name)
            if tensor is not None and not numpy_helper.to_array(tensor).any():
                node.input[position] = ""  # zero is what an absent state means

    def _known(self, name: str) -> list[int] | None:
        """Sizes of a tensor made from the image, if all are known."""
        dims = self._walk.dims(name)
        if dims is None or name in self._walk.constants:
            return None
        sizes = [d for d in dims if d is not None]
        return sizes if len(sizes) == len(dims) else None

    def _counts(self, name: str) -> bool:
        """Whether the tensor's first axis is the batch and no more."""
        dims = self._walk.dims(name)
        return bool(dims) and dims is not None and dims[0] == MARK * self._batch

    def _whole(self, name: str) -> list[int] | None:
        """The numbers of a constant shape."""
        tensor = self._weights.get(name)
        if tensor is None or len(tensor.dims) != 1 or not tensor.dims[0]:
            return None
        return [int(v) for v in numpy_helper.to_array(tensor)]

    def _row(self, name: str) -> npt.NDArray[np.generic] | None:
        """The first of the equal rows, one an image, of a constant; its first axis has size 1."""
        tensor = self._weights.get(name)
        if tensor is None or not tensor.dims or tensor.dims[0] != self._batch:
            return None
        array = numpy_helper.to_array(tensor)
        return array[:1] if bool((array == array[:1]).all()) else None

    def _constant(self, array: npt.NDArray[np.generic], name: str) -> str:
        tensor = numpy_helper.from_array(np.ascontiguousarray(array), fresh_name(name, self._taken))
        self.added.append(tensor)
        self._walk.add_constant(tensor)
        return tensor.name

    def _with_batch(self, rest: Sequence[int], name: str) -> tuple[list[NodeProto], str]:
        """Nodes that make the shape [batch, *rest], and its name."""
        made: list[NodeProto] = []
        if self._size is None:
            shape, self._size = (fresh_name(n, self._taken) for n in ("image/shape", "image/batch"))
            first = self._constant(np.array([0], dtype=np.int64), "image/axis")
            made = [
                helper.make_node("Shape", [self._image], [shape]),
                helper.make_node("Gather", [shape, first], [self._size]),
            ]
        shape = fresh_name(name, self._taken)
        if not rest:
            return [*made, helper.make_node("Identity", [self._size], [shape])], shape
        tail = self._constant(np.array(rest, dtype=np.int64), f"{shape}/rest")
        return [*made, helper.make_node("Concat", [self._size, tail], [shape], axis=0)], shape


def _free_position(data: list[int], shape: list[int], batch: int, allow_zero: bool) -> tuple[int, int] | None:
    """Which number of a Reshape's shape counts images, and what to write there; None if none is built in.

    Args:
        data: sizes of the reshaped tensor for `MARK` times the batch.
        shape: the shape as it stands.
        batch: the batch size that it is written for.
        allow_zero: whether 0 is a size rather than a copy.
    """
    axes = [i for i, size in enumerate(data) if size % MARK == 0]
    if len(axes) != 1 or (allow_zero and 0 in shape):
        return None
    axis = axes[0]
    if -1 in shape:
        built_in = axis == 0 and shape[0] == batch and data[0] == MARK * batch
        return (0, 0) if built_in and not allow_zero else None
    if any(v == 0 and i >= len(data) for i, v in enumerate(shape)):
        return None
    sizes = [data[i] if v == 0 else v for i, v in enumerate(shape)]
    if math.prod(sizes) * MARK != math.prod(data):
        return None
    before = math.prod(data[:axis])
    places = [j for j in range(len(sizes)) if math.prod(sizes[:j]) == before]
    return (places[0], -1) if places else None
