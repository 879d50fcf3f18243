"""A model's computation in other element types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
    defs,
    helper,
    numpy_helper,
)  # fmt: skip

from geoaudit.model import graph
from geoaudit.model.normalise.names import all_names, fresh_name
from geoaudit.model.normalise.skipped import PassSkipped

_TYPE_ATTRIBUTES = ("to", "dtype", "stash_type", "softmax_precision", "output_dtype", "output_datatype", "precision")


def half_to_single(proto: ModelProto) -> ModelProto:
    """Compute in float32 what the model computes in float16 or bfloat16: gradients need more than three digits."""
    return retype(proto, {TensorProto.FLOAT16: TensorProto.FLOAT, TensorProto.BFLOAT16: TensorProto.FLOAT})


def retype(proto: ModelProto, types: Mapping[int, int]) -> ModelProto:
    """The model in other element types; `proto` itself if it has none of those replaced.

    Weights, inputs, outputs, declared tensors, casts and every other attribute that names or holds a type change,
    in nested graphs too.  An operator that takes or gives only the old type, as Resize's scales are float32, keeps
    it behind a Cast.  A cast to a finer type cannot bring back digits that the weights have lost.

    Args:
        proto: the model; not changed.
        types: new element type (`TensorProto.DataType`) by old one.

    Raises:
        PassSkipped: the model reinterprets bits, which has no counterpart in another type.
    """
    if not any(kind in types for kind in _kinds(proto.graph)):
        return proto
    if any(node.op_type == "BitCast" for node in proto.graph.node):
        raise PassSkipped("the model reinterprets the bits of numbers (BitCast)")
    before = {v.name: v.type.tensor_type.elem_type for v in _values(graph.inferred(proto).graph)}
    before |= {tensor.name: tensor.data_type for tensor in proto.graph.initializer}
    originals = {tensor.name: tensor for tensor in proto.graph.initializer}
    changed = graph.copy(proto)
    _retype_graph(changed.graph, types, {o.domain: int(o.version) for o in proto.opset_import})
    _keep_fixed(changed, types, before, originals)
    return changed


def _retype_graph(inner: GraphProto, types: Mapping[int, int], versions: dict[str, int]) -> None:
    for position, tensor in enumerate(inner.initializer):
        if tensor.data_type in types:
            inner.initializer[position].CopyFrom(_converted(tensor, types))
    for value in _values(inner):
        _retype_value(value.type, types)
    for node in inner.node:
        _defaults(node, types, versions)
        for attribute in node.attribute:
            _retype_attribute(attribute, types)
        for nested in graph.subgraphs(node):
            _retype_graph(nested, types, versions)


def _retype_value(kind: TypeProto, types: Mapping[int, int]) -> None:
    match kind.WhichOneof("value"):
        case "tensor_type":
            kind.tensor_type.elem_type = types.get(kind.tensor_type.elem_type, kind.tensor_type.elem_type)
        case "sequence_type":
            _retype_value(kind.sequence_type.elem_type, types)
        case "optional_type":
            _retype_value(kind.optional_type.elem_type, types)


def _retype_attribute(attribute: AttributeProto, types: Mapping[int, int]) -> None:
    if attribute.name in _TYPE_ATTRIBUTES and attribute.type == AttributeProto.INT:
        attribute.i = types.get(attribute.i, attribute.i)
    if attribute.HasField("t") and attribute.t.data_type in types:
        attribute.t.CopyFrom(_converted(attribute.t, types))


def _defaults(node: NodeProto, types: Mapping[int, int], versions: dict[str, int]) -> None:
    """Write out, in place, types that the operator's definition leaves to a default."""
    if node.op_type == "Constant" and node.attribute[0].name in ("value_float", "value_floats"):
        array = np.asarray(helper.get_attribute_value(node.attribute[0]), dtype=np.float32)
        node.attribute[0].CopyFrom(helper.make_attribute("value", numpy_helper.from_array(array)))
    present = {attribute.name for attribute in node.attribute}
    if node.op_type == "ConstantOfShape" and "value" not in present:
        zero = numpy_helper.from_array(np.zeros(1, dtype=np.float32))
        node.attribute.append(helper.make_attribute("value", zero))
    schema = _schema(node, versions)
    for name, attribute in schema.attributes.items() if schema is not None else ():
        if name in _TYPE_ATTRIBUTES and name not in present and attribute.default_value.i in types:
            node.attribute.append(helper.make_attribute(name, attribute.default_value.i))


def _schema(node: NodeProto, versions: dict[str, int]) -> defs.OpSchema | None:
    try:
        return defs.get_schema(node.op_type, versions.get(node.domain, 1), node.domain)
    except defs.SchemaError:
        return None


def _converted(tensor: TensorProto, types: Mapping[int, int]) -> TensorProto:
    dtype = helper.tensor_dtype_to_np_dtype(types[tensor.data_type])
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(dtype), tensor.name)


def _keep_fixed(
    changed: ModelProto, types: Mapping[int, int], before: dict[str, int], originals: dict[str, TensorProto]
) -> None:
    """Put Casts, in place, around operators of the main graph that cannot take or give the new type."""
    versions = {o.domain: int(o.version) for o in changed.opset_import}
    taken = all_names(changed.graph)
    nodes: list[NodeProto] = []
    for node in changed.graph.node:
        schema = _schema(node, versions)
        after: list[NodeProto] = []
        for position, name in enumerate(node.input):
            old = before.get(name, 0)
            if schema is None or not _fixed(schema.inputs, position, old, types):
                continue
            node.input[position] = fresh_name(f"{name}/{TensorProto.DataType.Name(old).lower()}", taken)
            if name in originals:
                changed.graph.initializer.append(originals[name])
                changed.graph.initializer[-1].name = node.input[position]
            else:
                nodes.append(helper.make_node("Cast", [name], [node.input[position]], to=old))
        for position, name in enumerate(node.output):
            old = before.get(name, 0)
            if schema is not None and _fixed(schema.outputs, position, old, types):
                node.output[position] = fresh_name(f"{name}/{TensorProto.DataType.Name(old).lower()}", taken)
                after.append(helper.make_node("Cast", [node.output[position]], [name], to=types[old]))
        nodes += [node, *after]
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)


def _fixed(formal: Sequence[defs.OpSchema.FormalParameter], position: int, old: int, types: Mapping[int, int]) -> bool:
    """Whether a parameter takes the old type but not the new one."""
    if old not in types or not formal:
        return False
    allowed = formal[min(position, len(formal) - 1)].types
    return _text(old) in allowed and _text(types[old]) not in allowed


def _text(kind: int) -> str:
    return f"tensor({TensorProto.DataType.Name(kind).lower()})"


def _values(inner: GraphProto) -> Iterator[ValueInfoProto]:
    yield from inner.input
    yield from inner.output
    yield from inner.value_info


def _kinds(inner: GraphProto) -> Iterator[int]:
    """Every element type that the graph names."""
    for tensor in inner.initializer:
        yield tensor.data_type
    for value in _values(inner):
        yield value.type.tensor_type.elem_type
    for node in inner.node:
        yield from node_kinds(node)


def node_kinds(node: NodeProto) -> Iterator[int]:
    """Every element type that the node's attributes and nested graphs name."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.INT and attribute.name in _TYPE_ATTRIBUTES:
            yield attribute.i
        elif attribute.HasField("t"):
            yield attribute.t.data_type
    for nested in graph.subgraphs(node):
        yield from _kinds(nested)
