"""From a quantised graph to one in floating point, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
from onnx import ModelProto, NodeProto, TensorProto, defs, helper

from geoaudit.model import graph
from geoaudit.model.converters import STRAIGHT_THROUGH, definitions
from geoaudit.model.normalise.dead import remove_dead
from geoaudit.model.spelled.builder import Builder, NotSpelledError, Rounding
from geoaudit.model.spelled.operators import RULES

_DOMAINS = ("", "com.microsoft")
_EXACT_INPUTS = "MatMulNBits"


@dataclass(frozen=True)
class Spelled:
    """A model in floating point that computes what the quantised one does.

    Attributes:
        proto: the model; inputs and outputs have the quantised one's names, an integer image is float32.
        roundings: every rounding of a tensor that depends on the image.
        held: tensors that are constants to a gradient although they are computed from the image.
    """

    proto: ModelProto
    roundings: tuple[Rounding, ...]
    held: tuple[str, ...]


def spell(proto: ModelProto) -> Spelled:
    """Write a normalised model out in floating point.

    Args:
        proto: the model, weights included; not changed.

    Raises:
        NotSpelledError: naming the operator that rounds inside, or that takes integers only.
    """
    builder = Builder(proto)
    known = definitions()
    rounding = {(d.domain, d.name) for d in known.values() if d.note == STRAIGHT_THROUGH}
    for node in proto.graph.node:
        if builder.fixed.issuperset(graph.reads(node)):
            builder.nodes.append(node)
            builder.fixed.update(node.output)
        elif node.op_type in RULES and node.domain in _DOMAINS:
            RULES[node.op_type](builder, node)
        elif (node.domain, node.op_type) in rounding and _rounds(node):
            raise NotSpelledError(f"{node.op_type} rounds inside")
        else:
            _carry(builder, node)
    return Spelled(_assembled(proto, builder), tuple(builder.roundings), tuple(builder.held))


def _rounds(node: NodeProto) -> bool:
    """A product with packed weights rounds its other factor only at one accuracy level."""
    return node.op_type != _EXACT_INPUTS or graph.attribute(node, "accuracy_level", 0) == 4


def _carry(b: Builder, node: NodeProto) -> None:
    """A node as it is, its integer inputs of the same type as a tensor that is now float made float too.

    Raises:
        NotSpelledError: nothing is known of the types that the operator takes.
    """
    carried = NodeProto()
    carried.CopyFrom(node)
    b.nodes.append(carried)
    if b.whole.isdisjoint(graph.reads(node)):
        return
    if node.op_type == "Cast" and _is_integer(graph.attribute(node, "to")):
        carried.CopyFrom(helper.make_node("Identity", list(node.input), list(node.output)))
        b.whole.update(node.output)
        return
    try:
        schema = defs.get_schema(node.op_type, b.versions.get(node.domain, 1), node.domain)
    except defs.SchemaError as error:
        raise NotSpelledError(f"{node.op_type} takes integers") from error
    if not b.whole.isdisjoint(graph.reads(node) - set(node.input)):
        raise NotSpelledError(f"{node.op_type} holds a graph that takes integers")
    changed = {_type(schema.inputs, i) for i, name in enumerate(node.input) if name in b.whole}
    b.nodes.pop()  # float copies of its inputs come first
    for i, name in enumerate(node.input):
        if name and _type(schema.inputs, i) in changed:
            carried.input[i] = b.real(name)
    b.nodes.append(carried)
    b.whole.update(name for i, name in enumerate(node.output) if name and _type(schema.outputs, i) in changed)


def _type(formal: Sequence[defs.OpSchema.FormalParameter], position: int) -> str:
    """The type, or the letter that stands for it, of an input or output; the last one may repeat."""
    return str(formal[min(position, len(formal) - 1)].type_str)


def _is_integer(kind: int) -> bool:
    return "INT" in TensorProto.DataType.Name(kind)


def _assembled(proto: ModelProto, b: Builder) -> ModelProto:
    made = helper.make_graph(b.nodes, "spelled", [], [], list(b.weights.values()))
    for value in graph.data_inputs(proto.graph):
        made.input.append(value)
        if _is_integer(value.type.tensor_type.elem_type):
            made.input[-1].type.tensor_type.elem_type = TensorProto.FLOAT
    for value in proto.graph.output:
        kind = TensorProto.FLOAT if value.name in b.whole else value.type.tensor_type.elem_type
        made.output.append(helper.make_tensor_value_info(value.name, kind, None))
    model = onnx.helper.make_model(made, opset_imports=list(proto.opset_import), ir_version=proto.ir_version)
    model.functions.extend(proto.functions)
    return remove_dead(model)
