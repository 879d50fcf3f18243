"""What each node of a converted graph is to the pattern rules.

Three kinds of nodes get a backward rule of their own; all others keep their gradient:

- kernels: Conv, Gemm and MatMul whose weights do not depend on the picture;
- rescalers: batch normalisation, and multiplication, division and subtraction by constants, standing alone;
- sums of two tensors that both depend on the picture, such as a residual block's end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

_SAFE = frozenset(
    {"BatchNormalization", "Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Add", "Sub", "Mul",
     "Div", "QuantizeLinear", "DequantizeLinear"}
)  # fmt: skip
"""What may lie between a kernel and the activation that gates it: elements keep their order and number."""
_GATES = frozenset({"Relu", "Clip", "LeakyRelu", "PRelu"})
_PASSIVE = _SAFE | _GATES | {"Transpose", "Pad", "Cast", "Slice", "Neg"}
_POOLS = frozenset({"MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "ReduceMean", "LpPool"})
_ENDS = _POOLS | {"Add", "Sub", "Sum", "Concat", "Resize", "Upsample", "ConvTranspose"}
_RESCALERS = frozenset({"BatchNormalization", "Mul", "Div", "Sub", "Neg"})


@dataclass(frozen=True)
class Kernel:
    """A layer that multiplies by weights.

    Attributes:
        node: name of its node.
        weight: the weights.
        axis: the weights' axis that counts neurons.
        out_axis: the output's axis that counts neurons.
        scale: a factor that the operator applies to the product (Gemm's alpha).
        activation: name of the node whose positive output marks a neuron as active; None where there is none.
    """

    node: str
    weight: torch.Tensor
    axis: int
    out_axis: int
    scale: float
    activation: str | None


class Anatomy:
    """The parts of a converted graph.

    Args:
        module: as of `Layers.module`; not changed.

    Attributes:
        nodes: all nodes, in the order of evaluation.
        kernels: by node name, in the order of evaluation.
        rescalers: by node name, the position of the argument that is rescaled.
        sums: names of the sums of two tensors that depend on the picture.
    """

    def __init__(self, module: fx.GraphModule) -> None:
        self._module = module
        self.nodes: tuple[fx.Node, ...] = tuple(module.graph.nodes)
        self._live = _depending_on_the_picture(module)
        calls = [node for node in module.graph.nodes if node.op == "call_module" and node in self._live]
        found = [kernel for node in calls if (kernel := self._kernel(node)) is not None]
        self.kernels: dict[str, Kernel] = {kernel.node: kernel for kernel in found}
        self.sums = tuple(node.name for node in calls if self.kind(node) in ("Add", "Sum") and self._all_live(node, 2))
        self.rescalers = {node.name: self._position(node) for node in calls if self._rescales(node)}

    def kind(self, node: fx.Node) -> str:
        """The operator's ONNX name; "" for what calls no module."""
        if node.op != "call_module":
            return ""
        return str(getattr(self._module.get_submodule(str(node.target)), "op_type", ""))

    def _setting(self, node: fx.Node, name: str, default: Any) -> Any:
        settings = getattr(self._module.get_submodule(str(node.target)), "settings", {})
        return settings.get(name, default)

    def _kernel(self, node: fx.Node) -> Kernel | None:
        kind = self.kind(node)
        if kind not in ("Conv", "Gemm", "MatMul") or node.kwargs or self._live_arguments(node) != [0]:
            return None
        weight = constant(self._module, node.args[1])
        activation = self._activation(node)
        if kind == "Conv":
            return Kernel(node.name, weight, 0, 1, 1.0, activation)
        if weight.dim() != 2 or self._setting(node, "transA", 0):
            return None
        if kind == "MatMul":
            return Kernel(node.name, weight, 1, -1, 1.0, activation)
        axis = 0 if self._setting(node, "transB", 0) else 1
        alpha = float(self._setting(node, "alpha", 1.0))
        return Kernel(node.name, weight, axis, -1, alpha, activation) if alpha else None

    def _activation(self, node: fx.Node) -> str | None:
        """The first activation that only this node's output leads to."""
        while len(node.users) == 1:
            (user,) = node.users
            kind = self.kind(user)
            if kind in _GATES and user.args[0] is node:
                return user.name if kind != "Clip" or self._clips_below_zero(user) else None
            if kind not in _SAFE or self._live_inputs(user) != [node] or self._divides(user):
                return None
            node = user
        return None

    def _clips_below_zero(self, node: fx.Node) -> bool:
        """Whether a Clip lets nothing below 0 pass and 0 itself through."""
        low: Any = node.args[1] if len(node.args) > 1 else self._setting(node, "min", None)
        if isinstance(low, fx.Node):
            low = None if low in self._live else constant(self._module, low)
        return low is not None and float(low) == 0.0

    def _rescales(self, node: fx.Node) -> bool:
        """Whether a node multiplies by constants, and no product of two tensors shares in what it rescales."""
        one_input = self.kind(node) in _RESCALERS and len(self._live_arguments(node)) == 1
        if not one_input or self._divides(node):
            return False
        ahead = self._ends_plainly(node, lambda n: list(n.users))
        return ahead and self._ends_plainly(node, lambda n: self._live_inputs(n))

    def _divides(self, node: fx.Node) -> bool:
        """Whether a constant is divided by what depends on the picture."""
        return self.kind(node) == "Div" and self._live_arguments(node) == [1]

    def _ends_plainly(self, node: fx.Node, following: Callable[[fx.Node], list[fx.Node]]) -> bool:
        """Whether all ways from `node` end at a kernel, a pool, a sum or the graph's ends before anything else."""
        waiting, seen = following(node), set()
        while waiting:
            other = waiting.pop()
            kind, lives = self.kind(other), len(self._live_arguments(other))
            if other in seen or other.op in ("placeholder", "output") or other.name in self.kernels:
                continue
            seen.add(other)
            if kind in _PASSIVE and lives == 1 and not self._divides(other):
                waiting += following(other)
            elif kind not in _ENDS:
                return False
        return True

    def _live_inputs(self, node: fx.Node) -> list[fx.Node]:
        return [argument for argument in node.all_input_nodes if argument in self._live]

    def _live_arguments(self, node: fx.Node) -> list[int]:
        """Positions of the arguments that depend on the picture."""
        return [i for i, argument in enumerate(node.args) if isinstance(argument, fx.Node) and argument in self._live]

    def _all_live(self, node: fx.Node, count: int) -> bool:
        return len(node.args) == count and self._live_arguments(node) == list(range(count))

    def _position(self, node: fx.Node) -> int:
        return self._live_arguments(node)[0]


def _depending_on_the_picture(module: fx.GraphModule) -> set[fx.Node]:
    live: set[fx.Node] = set()
    for node in module.graph.nodes:
        if node.op == "placeholder" or any(argument in live for argument in node.all_input_nodes):
            live.add(node)
    return live


def constant(module: fx.GraphModule, argument: Any) -> Any:
    """What an argument that does not depend on the picture evaluates to."""
    if not isinstance(argument, fx.Node):
        return argument
    if argument.op == "get_attr":
        owner, _, name = str(argument.target).rpartition(".")
        return getattr(module.get_submodule(owner), name)
    args = [constant(module, a) for a in argument.args]
    kwargs = {k: constant(module, a) for k, a in argument.kwargs.items()}
    if argument.op == "call_module":
        return module.get_submodule(str(argument.target))(*args, **kwargs)
    assert callable(argument.target)  # the converted graph calls modules and operator.getitem alone
    return argument.target(*args, **kwargs)
