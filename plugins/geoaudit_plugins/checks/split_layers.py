"""The converted graph with every linear layer in two halves that add up to it: another graph of the same function.

W x + b = (U x + b) + (W - U) x, with each element of U a random share, between 0 and 1, of the same element of W.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from geoaudit_plugins.graph_reading import constant, fed, operator

Share = Callable[[tuple[int, ...]], Any]
"""A shape to random numbers in [0, 1) of that shape."""
_WEIGHT_FIRST = ("Gemm", "MatMul")
_LINEAR = (*_WEIGHT_FIRST, "Conv", "ConvTranspose")


class Sum(nn.Module):
    """A sum of two tensors, described like a node of the ONNX graph.

    Args:
        name: its node's.
        inputs, output: names of its tensors.
    """

    op_type = "Add"

    def __init__(self, name: str, inputs: tuple[str, str], output: str) -> None:
        super().__init__()
        self.node_name = name
        self.settings: dict[str, Any] = {}
        self._mapping = SimpleNamespace(inputs=inputs, outputs=(output,))

    @property
    def onnx_mapping(self) -> Any:
        """Names of its tensors."""
        return self._mapping

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """a + b."""
        return a + b


def split(module: fx.GraphModule, share: Share) -> int:
    """Split every layer that multiplies what depends on the picture by weights, in place.

    Args:
        module: a private copy of a converted graph.
        share: called once a layer, in the order of the graph.

    Returns:
        How many layers there were.
    """
    data, count = fed(module), 0
    for node in list(module.graph.nodes):
        place = _weight_place(module, node, data)
        if place is None:
            continue
        weight = constant(module, node.args[place])
        drawn = torch.from_numpy(np.asarray(share(tuple(weight.shape)))).to(weight)
        part = weight * drawn
        data.add(_halve(module, node, place, (part, weight - part), f"half_{count}"))
        count += 1
    module.graph.lint()
    module.recompile()
    return count


def _weight_place(module: fx.GraphModule, node: Any, data: set[Any]) -> int | None:
    """Which argument of a linear layer is its weight; None where the node is none, or not one that can be split."""
    kind = operator(module, node)
    if kind not in _LINEAR or node not in data or node.kwargs or len(node.args) < 2:
        return None
    live = [i for i, source in enumerate(node.args) if source in data]
    if live not in ([0], [1]) or (live == [1] and kind not in _WEIGHT_FIRST):
        return None
    if any(constant(module, bias) is None for bias in node.args[2:]):  # computed from the picture's shape
        return None
    weight = constant(module, node.args[1 - live[0]])
    splittable = weight is not None and weight.dtype.is_floating_point and weight.dim() >= 2
    return 1 - live[0] if splittable and bool(torch.isfinite(weight).all()) else None


def _halve(module: fx.GraphModule, node: Any, place: int, halves: tuple[Tensor, Tensor], name: str) -> Any:
    """Put the sum of the layer with either half of its weight in the place of the node; the bias counts once.

    Returns:
        The sum's node.
    """
    holder = nn.Module()
    module.add_module(name, holder)
    users, made = list(node.users), []
    others = node.args[2:]
    biases = [constant(module, source) for source in others]
    with module.graph.inserting_before(node):
        zeros = []
        for i, bias in enumerate(biases):
            holder.register_buffer(f"no_bias_{i}", torch.zeros_like(bias))
            zeros.append(module.graph.get_attr(f"{name}.no_bias_{i}"))
        for i, half in enumerate(halves):
            holder.register_buffer(f"weight_{i}", half)
            given = list(node.args[:2])
            given[place] = module.graph.get_attr(f"{name}.weight_{i}")
            rest = others if i == 0 else zeros
            made.append(module.graph.call_module(node.target, (*given, *rest)))
        layer: Any = module.get_submodule(node.target)
        tensor = layer.onnx_mapping.outputs[0]
        total = Sum(f"{name}_sum", (f"{tensor}/0", f"{tensor}/1"), tensor)
        module.add_module(f"Add_{name}", total)
        whole = module.graph.call_module(f"Add_{name}", tuple(made))
    for user in users:
        user.replace_input_with(node, whole)
    module.graph.erase_node(node)
    return whole
