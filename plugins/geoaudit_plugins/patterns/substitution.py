"""The converted graph with patterns in its backward pass: the same values, bit for bit, other gradients."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, fx, nn

from geoaudit_plugins.patterns.kernels import Anatomy
from geoaudit_plugins.patterns.learning import Patterns

Residual = Literal["covariance", "gradient"]


def substitute(module: fx.GraphModule, patterns: Patterns, residual: Residual) -> fx.GraphModule:
    """Give kernels, rescalers and sums their backward rules.

    Args:
        module: a private copy; it is changed.
        patterns: what was learned from the same graph.
        residual: how a sum of two tensors divides relevance.

    Returns:
        `module`.
    """
    rescalers = Anatomy(module).rescalers
    for node in list(module.graph.nodes):
        if node.op != "call_module":
            continue
        operator = module.get_submodule(node.target)
        rule: nn.Module | None = None
        if node.name in patterns.layers:
            rule = KernelRule(operator, patterns.layers[node.name].weight)
        elif node.name in rescalers:
            rule = IdentityRule(operator, rescalers[node.name])
        elif node.name in patterns.shares and residual == "covariance":
            rule = ShareRule(operator, patterns.shares[node.name])
        if rule is not None:
            name = f"pattern_{node.name}"
            module.add_submodule(name, rule)
            node.target = name
    module.recompile()
    return module


class _Graft(torch.autograd.Function):
    """The value of one tensor with the derivative of another."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, derivative: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        return None, upstream[0]


def graft(value: Tensor, derivative: Tensor) -> Tensor:
    """`value`, differentiated as if it were `derivative`; both have the same shape."""
    grafted: Tensor = _Graft.apply(value.detach(), derivative)
    return grafted


class KernelRule(nn.Module):
    """A layer whose backward pass takes the weights times the patterns, and gives nothing to the bias.

    Args:
        operator: the layer's own module, called with input, weights and perhaps a bias.
        weight: weights times patterns.
    """

    weight: Tensor

    def __init__(self, operator: nn.Module, weight: Tensor) -> None:
        super().__init__()
        self.operator = operator
        self.register_buffer("weight", weight)

    def forward(self, x: Tensor, weight: Tensor, *bias: Tensor) -> Tensor:
        """The layer's output."""
        value = self.operator(x.detach(), weight, *bias)
        return graft(value, self.operator(x, self.weight, *map(torch.zeros_like, bias)))


class IdentityRule(nn.Module):
    """A layer of one input a neuron, w * a = w * 1 / w: relevance passes unchanged.

    Args:
        operator: the layer's own module.
        position: which of its arguments is rescaled.
    """

    def __init__(self, operator: nn.Module, position: int) -> None:
        super().__init__()
        self.operator = operator
        self.position = position

    def forward(self, *given: Tensor) -> Tensor:
        """The layer's output; where constants enlarge the input it keeps its gradient."""
        x = given[self.position]
        value: Tensor = self.operator(*given)
        return graft(value, x) if value.shape == x.shape else value


class ShareRule(nn.Module):
    """A sum whose terms share relevance as they share in its variance.

    Args:
        operator: the sum's own module.
        share: of the first term, broadcasting; the second has the rest.
    """

    share: Tensor

    def __init__(self, operator: nn.Module, share: Tensor) -> None:
        super().__init__()
        self.operator = operator
        self.register_buffer("share", share)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The sum."""
        share = self.share.to(first.dtype)
        return graft(self.operator(first, second), share * first + (1 - share) * second)
