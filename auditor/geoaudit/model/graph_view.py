"""A graph as the search for the scores sees it: makers of tensors, constants, and what is known of shapes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto, NodeProto, numpy_helper

from geoaudit.audit.result import TensorInfo
from geoaudit.model import graph

_INSIDE = ("Identity", "Cast", "Dropout")
_RESHAPINGS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")


@dataclass
class View:
    """A graph with what the walk asks of it.

    Attributes:
        known: what shape inference knows, by tensor name.
        makers: the node that makes each tensor.
        held: names of the initializers and of Constant nodes' outputs.
    """

    known: dict[str, TensorInfo]
    makers: dict[str, NodeProto]
    held: set[str]
    _numbers: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, proto: ModelProto) -> View:
        """The view of `proto`'s main graph."""
        tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
        for node in proto.graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                tensors[node.output[0]] = node.attribute[0].t
        numbers = {
            name: float(np.ravel(numpy_helper.to_array(t))[0])
            for name, t in tensors.items()
            if len(t.dims) <= 4 and np.prod(t.dims) == 1 and t.data_type not in (8, 14, 15) and not t.external_data
        }
        makers = {k: n for k, n in graph.producers(proto.graph).items() if n.op_type != "Constant"}
        return cls(graph.shapes(proto), makers, set(tensors), numbers)

    def node(self, tensor: str, *ops: str) -> NodeProto | None:
        """The node that makes `tensor`, seen through casts, if it is one of `ops`."""
        found = self.makers.get(self.source(tensor))
        return found if found is not None and found.op_type in ops else None

    def source(self, tensor: str, reshaped: bool = False) -> str:
        """`tensor` seen through casts, and through reshapings if `reshaped`."""
        through = _INSIDE + (_RESHAPINGS if reshaped else ())
        found = self.makers.get(tensor)
        while found is not None and found.op_type in through:
            tensor = found.input[0]
            found = self.makers.get(tensor)
        return tensor

    def is_number(self, tensor: str, value: float) -> bool:
        """Whether `tensor` is the constant `value`."""
        return self.number(tensor) == value

    def number(self, tensor: str) -> float | None:
        """The value of a constant of one element; None of anything else."""
        return self._numbers.get(self.source(tensor))

    def one_number(self, tensor: str) -> bool:
        """Whether `tensor` is known to hold one number an image."""
        info = self.known.get(tensor)
        return info is not None and bool(info.shape) and all(d == 1 for d in info.shape[1:])

    def ancestors(self, tensor: str) -> set[str]:
        """Every tensor that `tensor` is made from."""
        found: set[str] = set()
        queue = [tensor]
        while queue:
            node = self.makers.get(queue.pop())
            fresh = set(node.input) - found if node is not None else set()
            found |= fresh
            queue.extend(fresh)
        return found
