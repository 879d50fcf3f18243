"""Functions are replaced by the nodes that they stand for."""

from __future__ import annotations

from onnx import ModelProto, NodeProto, defs, inliner

from geoaudit.model import graph
from geoaudit.model.normalise.skipped import PassSkipped

_ROUNDS = 8


def inline_functions(proto: ModelProto) -> ModelProto:
    """Inline every call of the model's own functions, nested ones included.

    Raises:
        PassSkipped: the functions cannot be inlined.
    """
    if not proto.functions:
        return proto
    try:
        changed = inliner.inline_local_functions(graph.skeleton(proto), convert_version=True)
    except Exception as error:  # the inliner raises bare Exceptions
        raise PassSkipped(f"the model's functions cannot be inlined ({error})") from error
    del changed.functions[:]
    return _with_weights_of(proto, changed)


def expand_operators(proto: ModelProto) -> ModelProto:
    """Replace operators that have no converter by the simpler ones with which the ONNX standard defines them.

    Raises:
        PassSkipped: a definition cannot be inlined.
    """
    from geoaudit.model.convert import convertible
    from geoaudit.model.onnx2torch_import import load_onnx2torch

    load_onnx2torch()
    changed, versions = proto, {o.domain: int(o.version) for o in proto.opset_import}
    for _ in range(_ROUNDS):  # a definition may use operators that have one themselves
        wanted = {
            (node.domain, node.op_type)
            for node in changed.graph.node
            if not convertible(node, versions) and _defined(node, versions)
        }
        if not wanted:
            break
        count = len(changed.graph.node)
        try:
            small = graph.skeleton(changed)
            expanded = inliner.inline_selected_functions(small, sorted(wanted), inline_schema_functions=True)
        except Exception as error:  # the inliner raises bare Exceptions
            raise PassSkipped(f"{', '.join(sorted(op for _, op in wanted))} cannot be expanded ({error})") from error
        if len(expanded.graph.node) == count and not _replaced(expanded, wanted):
            break
        changed = _with_weights_of(proto, expanded)
    return changed


def _defined(node: NodeProto, versions: dict[str, int]) -> bool:
    """Whether the standard defines the operator by a graph of others."""
    try:
        schema = defs.get_schema(node.op_type, versions.get(node.domain, 1), node.domain)
    except defs.SchemaError:
        return False
    kinds = ("has_function", "has_context_dependent_function")
    return any(bool(getattr(schema, kind)) for kind in kinds)  # absent from onnx's own type declarations


def _replaced(proto: ModelProto, wanted: set[tuple[str, str]]) -> bool:
    return not any((node.domain, node.op_type) in wanted for node in proto.graph.node)


def _with_weights_of(proto: ModelProto, inlined: ModelProto) -> ModelProto:
    """A copy of `proto` with the nodes of `inlined`, which was made from its skeleton."""
    changed = ModelProto()
    changed.CopyFrom(inlined)
    changed.ir_version = proto.ir_version
    changed.producer_name, changed.producer_version = proto.producer_name, proto.producer_version
    changed.metadata_props.extend(proto.metadata_props)
    for name in ("input", "initializer", "sparse_initializer"):
        field = getattr(changed.graph, name)
        del field[:]
        field.extend(getattr(proto.graph, name))
    return changed
