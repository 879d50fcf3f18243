"""From ONNX graph to torch module, with everything that cannot be converted named at once."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import onnx
import torch
from onnx import ModelProto, NodeProto, defs

from geoaudit.errors import ModelError
from geoaudit.model import graph
from geoaudit.model.converters import STRAIGHT_THROUGH, Operator, definitions
from geoaudit.model.onnx2torch_import import load_onnx2torch
from geoaudit.model.torch_graph import NodeRefused, build, convert_node, first_line

_CONTROL_FLOW = {"If", "Loop", "Scan"}
_TREES = {"TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor", "SVMClassifier", "SVMRegressor"}
_LAYOUT = "com.microsoft.nchwc"
_OURS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")


@dataclass(frozen=True)
class Converted:
    """A differentiable model.

    Attributes:
        module: in evaluation mode, weights frozen; takes a batch, gives the explained tensor.  Every called
            submodule has `onnx_mapping.outputs`, the names of its tensors in the ONNX graph.
        ops: how often each operator occurs in the converted graph, sorted by name.
        extensions: operator versions ("Gelu-20") converted by geoaudit instead of onnx2torch, sorted.
        straight_through: operators that round, whose gradient passes straight through, sorted.
    """

    module: torch.fx.GraphModule
    ops: dict[str, int]
    extensions: tuple[str, ...]
    straight_through: tuple[str, ...]


def convert(proto: ModelProto, thing: str) -> Converted:
    """Convert a normalised model.

    Args:
        proto: the model, weights included; not changed.
        thing: the file's name for messages.

    Raises:
        ModelError: naming every operator that cannot be converted, with version and nodes.
    """
    load_onnx2torch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if problems := missing(proto):
            _refuse(thing, proto, problems)
        inferred = _with_shapes(proto)
        try:
            module = build(inferred)
        except NodeRefused:
            _refuse(thing, proto, _refused(inferred))
        except Exception as error:  # a graph that is not what ONNX allows fails in many ways
            _refuse(thing, proto, [f"the graph as a whole ({first_line(error)})"])
    module = module.eval().requires_grad_(False)
    made = [m for m in module.modules() if isinstance(m, Operator)]
    return Converted(
        module,
        dict(sorted(Counter(node.op_type for node in proto.graph.node).items())),
        tuple(sorted({f"{m.op_type}-{m.version}" for m in made})),
        tuple(sorted({m.op_type for m in made if m.note == STRAIGHT_THROUGH})),
    )


def _with_shapes(proto: ModelProto) -> ModelProto:
    """`proto` with what shape inference knows: some of onnx2torch's own converters ask for it."""
    if proto.ByteSize() < graph.MAX_MESSAGE:
        try:
            return onnx.shape_inference.infer_shapes(proto)
        except Exception:  # inference raises bare Exceptions of several kinds
            return proto
    return proto


def missing(proto: ModelProto) -> list[str]:
    """Operators without a converter, each with its version and the nodes that use it."""
    load_onnx2torch()
    versions = _versions(proto)
    nodes: dict[tuple[str, str, int], list[str]] = {}
    for node in proto.graph.node:
        if not convertible(node, versions):
            key = (node.domain, node.op_type, _since(node, versions.get(node.domain, 1)))
            nodes.setdefault(key, []).append(_name(node))
    return [
        f"{domain + '.' if domain else ''}{op}-{version} ({_some(names)})"
        for (domain, op, version), names in sorted(nodes.items())
    ]


def operator_versions(proto: ModelProto) -> Iterator[tuple[str, str, int, str]]:
    """For each node of the main graph: domain, operator, version, and "geoaudit", "onnx2torch" or "none"."""
    load_onnx2torch()
    versions, ours = _versions(proto), definitions()
    for node in proto.graph.node:
        key = (node.domain, node.op_type, _since(node, versions.get(node.domain, 1)))
        who = "geoaudit" if key in ours else "onnx2torch" if convertible(node, versions) else "none"
        yield (*key, who)


def convertible(node: NodeProto, versions: dict[str, int]) -> bool:
    """Whether the node's operator, in the version that `versions` puts in force, has a converter."""
    from onnx2torch.node_converters import get_converter

    try:
        get_converter(domain=node.domain, operation_type=node.op_type, version=versions.get(node.domain, 1))
    except NotImplementedError:
        return False
    return True


def _versions(proto: ModelProto) -> dict[str, int]:
    return {o.domain: int(o.version) for o in proto.opset_import}


def _since(node: NodeProto, version: int) -> int:
    try:
        return int(defs.get_schema(node.op_type, version, node.domain).since_version)
    except defs.SchemaError:
        return version


def _refused(proto: ModelProto) -> list[str]:
    """Nodes that have a converter which refuses them, each with the reason."""
    from onnx2torch.onnx_graph import OnnxGraph

    onnx_graph = OnnxGraph(proto.graph)
    reasons: dict[tuple[str, str], list[str]] = {}
    for node in onnx_graph.nodes.values():
        try:
            convert_node(node, onnx_graph, _versions(proto))
        except NodeRefused as refusal:
            reasons.setdefault((node.operation_type, refusal.reason), []).append(_name(refusal.node))
    return [f"{op}: {reason} ({_some(names)})" for (op, reason), names in sorted(reasons.items())]


def _refuse(thing: str, proto: ModelProto, problems: list[str]) -> NoReturn:
    raise ModelError(
        thing,
        "cannot be converted into a differentiable model: " + "; ".join(problems),
        " ".join((*_hints(proto), "Or audit it without gradients, by black-box methods alone: --gradient-free.")),
    )


def _hints(proto: ModelProto) -> Iterator[str]:
    used = {node.op_type for node in proto.graph.node}
    if found := sorted(used & _TREES):
        yield f"{', '.join(found)}: steps have no gradient."
    if found := sorted(used & _CONTROL_FLOW):
        yield f"{', '.join(found)} depends on the data: export without control flow (torch: trace, not script)."
    domains = {node.domain for node in proto.graph.node} - set(_OURS)
    if _LAYOUT in domains:
        yield f"{_LAYOUT}: written by onnxruntime for one machine; audit the file from before that optimisation."
    if found := sorted(domains - {_LAYOUT}):
        yield f"{', '.join(found)}: a custom operator has no gradient here; export with standard operators."


def _name(node: NodeProto) -> str:
    return node.name or f"-> {node.output[0]}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"node{'s' if len(names) > 1 else ''} {', '.join(names[:3])}{more}"
