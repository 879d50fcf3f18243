"""The converted graph with its activations as torch modules of the kinds that captum hooks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from geoaudit_plugins.graph_reading import constant, fed, name, operator

_ELEMENTWISE = frozenset({
    "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "FastGelu", "QuickGelu", "Swish", "Mish", "HardSwish",
    "Sigmoid", "HardSigmoid", "Tanh", "Softplus", "Softsign", "Clip", "ThresholdedRelu", "Shrink", "Erf", "Exp", "Log",
    "Sqrt", "Abs", "Pow", "Max", "Min", "Reciprocal",
})  # fmt: skip
_ANY_INPUTS = frozenset({"Add", "Sub", "Sum", "Mean", "Concat"})
_ONE_INPUT = frozenset({
    "Conv", "ConvTranspose", "Gemm", "MatMul", "Mul", "Neg", "BatchNormalization", "AveragePool", "GlobalAveragePool",
    "ReduceMean", "ReduceSum", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Pad", "Slice", "Split",
    "Gather", "Identity", "Dropout", "Resize", "Upsample", "Expand", "Cast", "Tile", "DepthToSpace", "SpaceToDepth",
})  # fmt: skip
_LOWEST = -1e30


def rescaled(module: fx.GraphModule) -> list[str]:
    """Dress every nonlinear operator for DeepLift's rules, in place.

    captum knows a rule by the module's type.  The rescale rule needs a function of single elements and nothing else
    of it, so every such operator is dressed as a ReLU.  The rule for pools spreads a window's change over the
    window, which captum does rightly only where windows do not overlap: they are laid out side by side first.

    Returns:
        The nodes for which there is no rule (products of two values that depend on the picture, normalisations,
        softmaxes), by name; none if all is well.
    """
    data, refused = fed(module), []
    for node in [n for n in module.graph.nodes if n in data and n.op == "call_module"]:
        kind, places = operator(module, node), [i for i, source in enumerate(node.args) if source in data]
        alone = len(places) == 1 and not node.kwargs
        if kind in _ANY_INPUTS or (kind in _ONE_INPUT and alone) or (kind == "Div" and alone and places == [0]):
            continue
        dress = None
        if alone and kind in _ELEMENTWISE:
            dress = _dressed(module, node, places[0])
        elif alone and kind == "MaxPool":
            dress = _windows(module, node)
        if dress is None:
            refused.append(name(module, node))
        else:
            data.add(_put(module, node, dress, node.args[places[0]]))
    module.recompile()
    return refused


def rectified(module: fx.GraphModule) -> int:
    """Dress every rectifier (Relu, and Clip from 0) as a ReLU, in place; returns how many there are."""
    data, count = fed(module), 0
    for node in [n for n in module.graph.nodes if n in data and operator(module, n) in ("Relu", "Clip")]:
        dress = _dressed(module, node, 0)
        if dress is not None and not node.kwargs and float(dress(torch.tensor([[_LOWEST]]))) == 0.0:
            _put(module, node, dress, node.args[0])
            count += 1
    module.recompile()
    return count


def _dressed(module: fx.GraphModule, node: fx.Node, place: int) -> nn.Module | None:
    """The node's own operator in a module of type ReLU, which takes the input at `place` alone."""
    own: Any = module.get_submodule(str(node.target))
    others = [constant(module, source) for source in node.args if source is not node.args[place]]
    if any(v is None or (v.numel() != 1 and operator(module, node) != "PRelu") for v in others):
        return None
    dress = nn.ReLU()

    def forward(x: Tensor) -> Tensor:
        made: Tensor = own(*(v.to(x) for v in others[:place]), x, *(v.to(x) for v in others[place:]))
        return made

    dress.forward = forward  # type: ignore[method-assign,assignment]  # the type is what captum looks at
    return dress


def _put(module: fx.GraphModule, node: fx.Node, dress: nn.Module, source: Any) -> fx.Node:
    """Put the module, fed by one node, in the place of another node; returns the new one."""
    target = f"dressed_{node.name}"
    module.add_submodule(target, dress)
    with module.graph.inserting_after(node):
        made = module.graph.call_module(target, (source,))
    node.replace_all_uses_with(made)
    module.graph.erase_node(node)
    return made


def _windows(module: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The pool as a module whose windows do not overlap; None for one that is not over pictures."""
    settings = getattr(module.get_submodule(str(node.target)), "settings", {})
    kernel, padding = settings.get("kernel_shape", ()), settings.get("auto_pad", "NOTSET")
    dilations = settings.get("dilations") or [1, 1]
    if len(kernel) != 2 or settings.get("outputs", 1) != 1 or (padding.startswith("SAME") and max(dilations) > 1):
        return None
    return Windows(
        kernel, settings.get("strides") or [1, 1], dilations, settings.get("pads") or [0] * 4, padding,
        bool(settings.get("ceil_mode", 0)),
    )  # fmt: skip


class Windows(nn.Module):
    """MaxPool over pictures (n, c, h, w): windows side by side, then a pool whose windows do not overlap.

    Args:
        kernel, strides, dilations: of the ONNX operator, two numbers each.
        pads: top, left, bottom, right.
        auto_pad: of the ONNX operator.
        ceil_mode: whether a last, incomplete window counts.
    """

    def __init__(
        self, kernel: list[int], strides: list[int], dilations: list[int], pads: list[int], auto_pad: str,
        ceil_mode: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self._kernel, self._strides, self._dilations = tuple(kernel), tuple(strides), tuple(dilations)
        self._pads, self._auto_pad, self._ceil_mode = pads, auto_pad, ceil_mode
        count = kernel[0] * kernel[1]
        self.pool = nn.MaxPool2d((count, 1), stride=(count, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The largest value of each window."""
        rows, columns = (self._axis(axis, x.shape[2 + axis]) for axis in (0, 1))
        padded = functional.pad(x, (*columns[1:], *rows[1:]), value=_LOWEST)
        found = functional.unfold(padded, self._kernel, self._dilations, stride=self._strides)
        windows = found.reshape(len(x), x.shape[1], self._kernel[0] * self._kernel[1], -1)
        made: Tensor = self.pool(windows)
        return made.reshape(len(x), x.shape[1], rows[0], columns[0])

    def _axis(self, axis: int, n: int) -> tuple[int, int, int]:
        """Number of windows, padding before and after (negative: cropped) along one axis of length n."""
        k, s, d = self._kernel[axis], self._strides[axis], self._dilations[axis]
        span = (k - 1) * d + 1
        if self._auto_pad.startswith("SAME"):
            count = -(-n // s)
            total = (count - 1) * s + span - n
            head = int((total + (self._auto_pad == "SAME_LOWER")) / 2)
            return count, head, total - head
        head, tail = (0, 0) if self._auto_pad == "VALID" else (self._pads[axis], self._pads[2 + axis])
        room = n + head + tail - span
        count = room // s + 1
        if self._ceil_mode and room % s and count * s < n + head:
            count += 1
        return count, head, (count - 1) * s + span - n - head
