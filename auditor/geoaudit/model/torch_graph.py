"""A torch graph module from an ONNX graph, node by node, through onnx2torch's registry of converters."""

from __future__ import annotations

import inspect
import operator
from typing import Any

import torch
from onnx import GraphProto, ModelProto, NodeProto
from torch import fx, nn

from geoaudit.model.converters.operator import to_tensor


class Weights(nn.Module):
    """The graph's initializers as buffers; `names` maps each initializer's name to its buffer's.

    A tensor that several nodes read is held once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, str] = {}

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Hold one initializer."""
        self.names[name] = f"weight_{len(self.names)}"
        self.register_buffer(self.names[name], tensor)


class NodeRefused(Exception):  # noqa: N818  (collected, and reported for all nodes at once)
    """A converter does not take a node; `reason` says why."""

    def __init__(self, node: NodeProto, reason: str) -> None:
        self.node = node
        self.reason = reason
        super().__init__(reason)


def build(proto: ModelProto) -> fx.GraphModule:
    """The graph of `proto` as one torch module.

    Args:
        proto: topologically sorted, without local functions; every operator has a converter.

    Returns:
        A module that takes the graph inputs in order and gives its outputs (alone if there is one).  Every called
        submodule has `onnx_mapping.inputs` and `.outputs`, names of tensors in the ONNX graph; `meta["weights"]`
        maps each initializer's name to the buffer that holds it.

    Raises:
        NodeRefused: a converter does not take a node's attributes or inputs.
    """
    return _Builder(proto).build()


class _Builder:
    def __init__(self, proto: ModelProto) -> None:
        from onnx2torch.onnx_graph import OnnxGraph

        self._versions = {o.domain: int(o.version) for o in proto.opset_import}
        self._proto: GraphProto = proto.graph
        self._onnx_graph = OnnxGraph(proto.graph)  # what onnx2torch's own converters read shapes from
        self._initializers = {tensor.name: tensor for tensor in proto.graph.initializer}
        self._root = nn.Module()
        self._weights = Weights()
        self._root.add_module("weights", self._weights)
        self._graph = fx.Graph()
        self._values: dict[str, fx.Node] = {}

    def build(self) -> fx.GraphModule:
        for i, value in enumerate(v for v in self._proto.input if v.name not in self._initializers):
            self._values[value.name] = self._graph.placeholder(f"input_{i}")
        for index, node in enumerate(self._onnx_graph.nodes.values()):
            self._add(index, node)
        outputs = tuple(self._value(value.name) for value in self._proto.output)
        self._graph.output(outputs[0] if len(outputs) == 1 else outputs)
        self._graph.lint()
        module = fx.GraphModule(self._root, self._graph)
        module.meta["weights"] = {name: f"weights.{buffer}" for name, buffer in self._weights.names.items()}
        return module

    def _add(self, index: int, node: Any) -> None:
        module, mapping = convert_node(node, self._onnx_graph, self._versions)
        module.onnx_mapping = mapping
        name = f"{node.operation_type}_{index}"
        self._root.add_module(name, module)
        args: list[Any] = [self._value(value) if value else None for value in mapping.inputs]
        kwargs: dict[str, Any] = {}
        if None in args:  # onnx2torch's own modules take what follows a gap by name
            first = args.index(None)
            names = list(inspect.signature(module.forward).parameters)[first : len(args)]
            kwargs = {k: v for k, v in zip(names, args[first:], strict=False) if v is not None}
            args = args[:first]
        made = self._graph.call_module(name, tuple(args), kwargs)
        if len(mapping.outputs) == 1:
            self._values[mapping.outputs[0]] = made
            return
        for position, output in enumerate(mapping.outputs):
            if output:
                self._values[output] = self._graph.call_function(operator.getitem, (made, position))

    def _value(self, name: str) -> fx.Node:
        if name not in self._values:
            self._weights.add(name, to_tensor(self._initializers[name]))
            self._values[name] = self._graph.get_attr(f"weights.{self._weights.names[name]}")
        return self._values[name]


def convert_node(node: Any, onnx_graph: Any, versions: dict[str, int]) -> tuple[nn.Module, Any]:
    """The torch module of one node (an `onnx2torch.onnx_node.OnnxNode`), and its mapping.

    Raises:
        NodeRefused: its converter does not take it.
    """
    from onnx2torch.node_converters import get_converter

    converter = get_converter(
        domain=node.domain, operation_type=node.operation_type, version=versions.get(node.domain, 1)
    )
    try:
        module, mapping = converter(node, onnx_graph)
    except Exception as error:  # converters raise whatever they meet
        raise NodeRefused(node.proto, first_line(error)) from error
    return module, mapping


def first_line(error: Exception) -> str:
    """The error's kind and first line: other libraries' messages are seldom meant for our readers."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:160]}" if text else type(error).__name__
