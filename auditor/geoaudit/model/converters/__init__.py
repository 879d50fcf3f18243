"""ONNX operators in torch, one file a family, registered with onnx2torch through its own `add_converter`.

Where onnx2torch has a converter for the same operator version, the one here takes its place.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from onnx import NodeProto

from geoaudit.model.converters.operator import DEFINITIONS, STRAIGHT_THROUGH, Definition, Operator, versions

FAMILIES = (
    "activations",
    "arithmetic",
    "logic",
    "reductions",
    "selection",
    "shapes",
    "creation",
    "casting",
    "indexing",
    "padding",
    "rearranging",
    "sequences",
    "quantised",
    "linear_models",
    "contrib",
    "contrib_normalisation",
    "contrib_attention",
    "contrib_quantised",
    "convolution",
    "pooling",
    "normalisation",
    "products",
    "resizing",
    "attention",
    "recurrent",
)  # fmt: skip
"""The modules that declare operators."""


@cache
def definitions() -> dict[tuple[str, str, int], Definition]:
    """Every operator version that is converted here, by (domain, name, version)."""
    for family in FAMILIES:
        import_module(f"{__name__}.{family}")
    chosen: dict[tuple[str, str, int], Definition] = {}
    for definition in sorted(DEFINITIONS, key=lambda d: d.since):
        for version in (*versions(definition.domain, definition.name), definition.since):
            if version >= definition.since:
                chosen[definition.domain, definition.name, version] = definition
    return chosen


@cache
def extend_onnx2torch() -> None:
    """Register every definition with onnx2torch, once."""
    from onnx2torch.node_converters import registry
    from onnx2torch.utils.common import OnnxMapping, OperationConverterResult

    for (domain, name, version), definition in definitions().items():

        def convert(node: Any, graph: Any, definition: Definition = definition, version: int = version) -> Any:
            proto: NodeProto = node.proto
            mapping = OnnxMapping(tuple(filter(None, proto.input)), tuple(proto.output))
            return OperationConverterResult(Operator(proto, definition, version), mapping)

        registry._CONVERTER_REGISTRY.pop(registry.OperationDescription(domain, name, version), None)
        registry.add_converter(operation_type=name, version=version, domain=domain)(convert)


__all__ = ["STRAIGHT_THROUGH", "Definition", "Operator", "definitions", "extend_onnx2torch"]
