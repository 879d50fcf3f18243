"""How an ONNX operator is declared: one function, its versions, and what its gradient leaves out.

A converter is a plain function of torch tensors.  Inputs come in the operator's order, None for those left out;
attributes come as keywords under their ONNX names, with the operator's own defaults in the signature:

    @operator("Gelu", since=20)
    def gelu(x: Tensor, *, approximate: str = "none") -> Tensor:

Two keywords are filled in for a function that asks for them: `outputs`, the number of outputs that the node
declares, and `version`, the operator version.  Nothing is known of shapes before the tensors are there, so that
batch and picture size may vary.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import onnx
import torch
from onnx import NodeProto, defs, helper, numpy_helper
from torch import Tensor, nn

from geoaudit.model.converters.scalars import numbers

MAX_OPSET = 28
"""Newest operator set of the default domain whose definitions were read; newer versions are refused by name."""
STRAIGHT_THROUGH = "straight-through"
"""Note of operators that round: the true derivative is zero almost everywhere, so rounding is passed over."""

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


@dataclass(frozen=True)
class Definition:
    """One operator from one version on.

    Attributes:
        domain: "" for the default domain.
        name: operator type.
        since: first version that it holds for; it holds until the next definition's.
        function: torch tensors in, a tensor or a tuple of tensors out.
        note: None, or in a word what its gradient leaves out.
    """

    domain: str
    name: str
    since: int
    function: Function
    note: str | None = None


DEFINITIONS: list[Definition] = []
"""Everything declared so far; the families fill it when they are imported."""


def operator(name: str, *, since: int = 1, domain: str = "", note: str | None = None) -> Callable[[F], F]:
    """Declare the decorated function as the converter of an operator; stackable for operators that agree."""

    def declare(function: F) -> F:
        DEFINITIONS.append(Definition(domain, name, since, function, note))
        return function

    return declare


@cache
def _history() -> dict[tuple[str, str], list[int]]:
    """Every operator's versions in the onnx package's schemas; the default domain's up to `MAX_OPSET`."""
    found: dict[tuple[str, str], list[int]] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain or schema.since_version <= MAX_OPSET:
            found.setdefault((schema.domain, schema.name), []).append(schema.since_version)
    return {key: sorted(known) for key, known in found.items()}


def versions(domain: str, name: str) -> list[int]:
    """The operator's known versions, ascending; [1] for one that the onnx package does not know."""
    return _history().get((domain, name), [1])


class Operator(nn.Module):
    """One node of the graph as a torch module.

    Args:
        node: the node.
        definition: how its operator is computed.
        version: the operator version in force.

    Raises:
        NotImplementedError: the function does not take one of the node's inputs or attributes.
    """

    def __init__(self, node: NodeProto, definition: Definition, version: int) -> None:
        super().__init__()
        self.node_name = node.name
        self.op_type = node.op_type
        self.version = version
        self.note = definition.note
        self._function = definition.function
        self._present = [bool(name) for name in node.input]
        self._single = len(node.output) == 1
        self._settings: dict[str, Any] = {}
        self._tensors: list[str] = []
        for attribute in node.attribute:
            self._take(attribute)
        wanted = inspect.signature(definition.function).parameters
        filled = {"outputs": len(node.output), "version": version}
        self._settings |= {name: value for name, value in filled.items() if name in wanted}
        self._check(wanted, node)

    def _take(self, attribute: onnx.AttributeProto) -> None:
        value = helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode()
        elif isinstance(value, onnx.TensorProto):
            self.register_buffer(f"value_{attribute.name}", to_tensor(value))
            self._tensors.append(attribute.name)
            return
        elif isinstance(value, Sequence) and not isinstance(value, str):
            value = [v.decode() if isinstance(v, bytes) else v for v in value]
        self._settings[attribute.name] = value

    def _check(self, wanted: Any, node: NodeProto) -> None:
        if not any(p.kind == p.VAR_KEYWORD for p in wanted.values()):
            for name in (*self._settings, *self._tensors):
                if name not in wanted:
                    raise NotImplementedError(f"attribute {name}")
        takes = sum(p.kind == p.POSITIONAL_OR_KEYWORD for p in wanted.values())
        if len(node.input) > takes and not any(p.kind == p.VAR_POSITIONAL for p in wanted.values()):
            raise NotImplementedError(f"{len(node.input)} inputs")

    def forward(self, *given: Tensor) -> Any:
        """The node's output, or a tuple of them."""
        rest = iter(given)
        inputs = [next(rest) if present else None for present in self._present]
        tensors = {name: getattr(self, f"value_{name}") for name in self._tensors}
        result = self._function(*inputs, **self._settings, **tensors)
        return result[0] if self._single and isinstance(result, (tuple, list)) else result

    @property
    def settings(self) -> dict[str, Any]:
        """The node's attributes that are no tensors, by their ONNX names; those left out have no entry."""
        return dict(self._settings)

    def extra_repr(self) -> str:
        """The operator and its attributes."""
        return ", ".join([self.op_type, *(f"{name}={value}" for name, value in self._settings.items())])


def to_tensor(value: onnx.TensorProto) -> Tensor:
    """An ONNX tensor as a torch tensor of the same type (float8, int4 and the like as float32, which holds them)."""
    array = numpy_helper.to_array(value)
    if value.data_type == onnx.TensorProto.BFLOAT16:
        return torch.from_numpy(array.astype("float32")).to(torch.bfloat16)
    if array.dtype.kind not in "biufc" or array.dtype.isbuiltin != 1:  # the small formats come as ml_dtypes
        kind = "int32" if "int" in array.dtype.name else "float32"
        return torch.from_numpy(array.astype(kind))
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype("int64")  # torch computes with few unsigned types
    return torch.from_numpy(array.copy())


def ints(tensor: Tensor | Sequence[int]) -> list[int]:
    """A shape, axes or repeats as Python integers, from a tensor input or an attribute."""
    return [int(v) for v in (numbers(tensor) if isinstance(tensor, Tensor) else tensor)]
