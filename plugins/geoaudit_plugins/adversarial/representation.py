"""What the last linear layer of a model sees, and the distance to what it sees in other pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from geoaudit.api import Layers, Probe
from geoaudit.errors import NotApplicable
from geoaudit_plugins.graph_reading import constant, fed, name, operator

_THROUGH = frozenset({
    "Add", "Sub", "Mul", "Div", "Neg", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Cast",
    "BatchNormalization", "Dropout",
})  # fmt: skip
"""Operators with one input that depends on the picture which may follow the last linear layer."""
_WAY_OUT = "Leave it out with --skip, or choose a method that does not look inside the model."


@dataclass(frozen=True)
class Representation:
    """The model up to the input of its last linear layer.

    Attributes:
        module: pictures to that input, one row of features a picture.
        size: number of features.
    """

    module: fx.GraphModule
    size: int

    def features(self, probe: Probe) -> Probe:
        """A probe whose scores are the features."""
        return probe.with_layers(self.module, self.size)

    def distances(self, probe: Probe, references: Any) -> Probe:
        """A probe whose numbers are minus the squared distances to rows of features, numpy, shape (k, size)."""
        towards = nn.Sequential(self.module, _Towards(torch.from_numpy(references)))
        return probe.with_layers(towards, len(references))


class _Towards(nn.Module):
    """Features (m, d) to minus their squared distances from k rows, (m, k)."""

    references: Tensor

    def __init__(self, references: Tensor) -> None:
        super().__init__()
        self.register_buffer("references", references)

    def forward(self, features: Tensor) -> Tensor:
        rows = features.flatten(1)
        difference: Tensor = rows[:, None] - self.references.to(rows.dtype)
        return -difference.square().sum(dim=2)


def representation(layers: Layers, numbers: int, thing: str) -> Representation:
    """The converted graph, cut at the input of its last linear layer.

    Args:
        layers: the converted graph; it is changed.
        numbers: numbers that the model gives for a picture.
        thing: the method that asks, for messages.

    Raises:
        NotApplicable: what makes the scores is no product with a matrix, or not only that.
    """
    module: fx.GraphModule = layers.module
    data = fed(module)
    (end,) = (node for node in module.graph.nodes if node.op == "output")
    node = _only(end, data)
    while node is not None and operator(module, node) in _THROUGH:
        node = _only(node, data)
    size = _inputs(module, node, numbers, data) if node is not None and node.op == "call_module" else None
    if node is None or size is None:
        where = name(module, node) if node is not None and node.op == "call_module" else "several layers"
        raise NotApplicable(
            thing, f"the scores are not made by one linear layer (Gemm or MatMul): {where} makes them", _WAY_OUT
        )
    end.args = (_only(node, data),)
    module.graph.eliminate_dead_code()
    module.delete_all_unused_submodules()
    module.recompile()
    return Representation(module, size)


def _only(node: Any, data: set[Any]) -> Any:
    """The one input that depends on the picture, or None."""
    found = [source for source in node.all_input_nodes if source in data]
    return found[0] if len(found) == 1 else None


def _inputs(module: fx.GraphModule, node: Any, numbers: int, data: set[Any]) -> int | None:
    """How many features a linear layer with `numbers` outputs takes; None for anything else."""
    kind = operator(module, node)
    if kind not in ("Gemm", "MatMul") or len(node.args) < 2 or node.args[1] in data:
        return None
    weight = constant(module, node.args[1])
    settings = getattr(module.get_submodule(node.target), "settings", {})
    if weight is None or weight.dim() != 2 or settings.get("transA", 0):
        return None
    takes, gives = reversed(weight.shape) if settings.get("transB", 0) else weight.shape
    return int(takes) if gives == numbers or (gives == 1 and numbers == 2) else None
