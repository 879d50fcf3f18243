"""From ONNX graph to torch module, by onnx2torch, with everything that cannot be converted named at once."""

from __future__ import annotations

import sys
import types
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

import torch
from onnx import ModelProto, NodeProto, TensorProto, defs

from geoaudit.errors import ModelError

_TORCHVISION = ("nms", "box_convert", "roi_align")
_RECURRENT = {"LSTM", "GRU", "RNN", "If", "Loop", "Scan"}
_QUANTISED = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"}


@dataclass(frozen=True)
class Converted:
    """A differentiable model.

    Attributes:
        module: in evaluation mode, weights frozen; takes a batch, gives the explained tensor.  Every called
            submodule has `onnx_mapping.outputs`, the names of its tensors in the ONNX graph.
        ops: how often each operator occurs in the converted graph, sorted by name.
    """

    module: torch.fx.GraphModule
    ops: dict[str, int]


def convert(proto: ModelProto, thing: str) -> Converted:
    """Convert a normalised model.

    Args:
        proto: the model, weights included; not changed.
        thing: the file's name for messages.

    Raises:
        ModelError: naming every operator that cannot be converted, with version and nodes.
    """
    onnx2torch = _onnx2torch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if problems := _missing(proto):
            _refuse(thing, proto, problems)
        try:
            module = onnx2torch.convert(proto, attach_onnx_mapping=True)
        except Exception as error:  # converters raise whatever they meet
            _refuse(thing, proto, _failing(proto) or [f"the graph as a whole ({_first_line(error)})"])
    module = module.eval().requires_grad_(False)
    if _is_double(proto):
        module = module.double()  # layers that the converter makes itself start as float32
    return Converted(module, dict(sorted(Counter(node.op_type for node in proto.graph.node).items())))


def _onnx2torch() -> types.ModuleType:
    """Import onnx2torch whether or not torchvision can be imported beside torch.

    onnx2torch imports torchvision for two detection operators.  torchvision is often absent, or built for
    another torch ("operator torchvision::nms does not exist"); no classifier needs those operators, so unless
    torchvision is loaded already an empty stand-in takes its place while onnx2torch loads.
    """
    if "onnx2torch" in sys.modules:
        return sys.modules["onnx2torch"]
    with warnings.catch_warnings(), _stand_in():
        warnings.simplefilter("ignore")
        return import_module("onnx2torch")


@contextmanager
def _stand_in() -> Iterator[None]:
    if "torchvision" in sys.modules:
        yield
        return
    package, ops = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
    for name in _TORCHVISION:
        setattr(ops, name, _detection_only)
    package.ops = ops  # type: ignore[attr-defined]
    sys.modules.update({"torchvision": package, "torchvision.ops": ops})
    try:
        yield
    finally:
        for name in ("torchvision", "torchvision.ops"):
            del sys.modules[name]


def _detection_only(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("detection operators are not supported")


def _missing(proto: ModelProto) -> list[str]:
    """Operators without a converter, each with its version and the nodes that use it."""
    from onnx2torch.node_converters import get_converter

    versions = {o.domain: int(o.version) for o in proto.opset_import}
    nodes: dict[tuple[str, str, int], list[str]] = {}
    for node in proto.graph.node:
        version = versions.get(node.domain, 1)
        try:
            get_converter(domain=node.domain, operation_type=node.op_type, version=version)
        except NotImplementedError:
            if defs.has(node.op_type, node.domain):
                version = defs.get_schema(node.op_type, version, node.domain).since_version
            nodes.setdefault((node.domain, node.op_type, version), []).append(_name(node))
    return [
        f"{domain + '.' if domain else ''}{op}-{version} ({_some(names)})"
        for (domain, op, version), names in sorted(nodes.items())
    ]


def _failing(proto: ModelProto) -> list[str]:
    """Nodes that have a converter which refuses them, each with the reason."""
    import onnx
    from onnx2torch.node_converters import get_converter
    from onnx2torch.onnx_graph import OnnxGraph

    versions = {o.domain: int(o.version) for o in proto.opset_import}
    try:
        graph = OnnxGraph(onnx.shape_inference.infer_shapes(proto).graph)
    except Exception:  # too large or beyond shape inference: the error of the whole graph is reported instead
        return []
    reasons: dict[tuple[str, str], list[str]] = {}
    for node in graph.nodes.values():
        version = versions.get(node.domain, 1)
        converter = get_converter(domain=node.domain, operation_type=node.operation_type, version=version)
        try:
            converter(node, graph)
        except Exception as error:  # as above
            reasons.setdefault((node.operation_type, _first_line(error)), []).append(_name(node.proto))
    return [f"{op}: {reason} ({_some(names)})" for (op, reason), names in sorted(reasons.items())]


def _refuse(thing: str, proto: ModelProto, problems: list[str]) -> NoReturn:
    used = {node.op_type for node in proto.graph.node}
    opset = next((int(o.version) for o in proto.opset_import if o.domain in ("", "ai.onnx")), 0)
    hints = []
    if opset > 17 or opset < 9:
        hints.append(f"Its operator set is {opset}; 9 to 17 convert best")
    if found := sorted(used & _RECURRENT):
        hints.append(f"{', '.join(found)} cannot be differentiated here: export without control flow or recurrence")
    if found := sorted(used & _QUANTISED):
        hints.append(f"{', '.join(found)}: give the model from before quantisation")
    hints.append("Export again with torch.onnx.export(model, ..., opset_version=17, dynamo=False)")
    raise ModelError(
        thing,
        "cannot be converted into a differentiable model: " + "; ".join(problems),
        ". ".join(hints) + ".",
    )


def _first_line(error: Exception) -> str:
    """The error's kind and first line: other libraries' messages are seldom meant for our readers."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:160]}" if text else type(error).__name__


def _name(node: NodeProto) -> str:
    return node.name or f"-> {node.output[0]}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"node{'s' if len(names) > 1 else ''} {', '.join(names[:3])}{more}"


def _is_double(proto: ModelProto) -> bool:
    """Whether all floating-point weights are float64."""
    kinds = {tensor.data_type for tensor in proto.graph.initializer}
    return TensorProto.DOUBLE in kinds and not kinds & {TensorProto.FLOAT, TensorProto.FLOAT16}
