"""The last Softmax, LogSoftmax or Sigmoid of a graph, as one operator or written out."""

from __future__ import annotations

from dataclasses import dataclass

from onnx import NodeProto, helper

from geoaudit.audit.result import TensorInfo
from geoaudit.model.graph_view import View

_TAILS = ("Softmax", "LogSoftmax", "Sigmoid")


@dataclass(frozen=True)
class Trail:
    """Where the walk back from an output ended.

    Attributes:
        tensor: the tensor to read.
        tail: "Softmax", "LogSoftmax" or "Sigmoid" if one follows and is left out, else None.
        chosen: the output is only the best class or classes; `tensor` is what they were chosen from.
        pair: the output is the pair [1 - p, p] of `tensor`'s one number.
    """

    tensor: str
    tail: str | None = None
    chosen: bool = False
    pair: bool = False


def tail_of(tensor: str, view: View) -> Trail | None:
    """The tail that makes `tensor`, with the tensor before it; None if there is none."""
    node = view.makers.get(tensor)
    if node is None:
        return None
    if node.op_type in _TAILS:
        return Trail(node.input[0], node.op_type) if _over_classes(node, view.known.get(node.input[0])) else None
    for recognise in (_written_softmax, _written_log_softmax, _written_sigmoid, _pair):
        if (found := recognise(node, view)) is not None:
            return found
    return None


def _written_softmax(node: NodeProto, view: View) -> Trail | None:
    """Exp(x) / ReduceSum(Exp(x)), with or without x's maximum subtracted; a product with the reciprocal too; and
    Exp(LogSoftmax(x))."""
    if node.op_type == "Exp":
        inner = tail_of(view.source(node.input[0]), view)
        return Trail(inner.tensor, "Softmax") if inner is not None and inner.tail == "LogSoftmax" else None
    if node.op_type == "Div":
        above, below = node.input
    elif node.op_type == "Mul":
        inverse = [i for i in node.input if view.node(i, "Reciprocal")]
        if len(inverse) != 1:
            return None
        above = next(i for i in node.input if i != inverse[0])
        reciprocal = view.node(inverse[0], "Reciprocal")
        assert reciprocal is not None
        below = reciprocal.input[0]
    else:
        return None
    power, total = view.node(above, "Exp"), view.node(below, "ReduceSum")
    if power is None or total is None or view.source(total.input[0]) != view.source(above):
        return None
    scores = _without_maximum(power.input[0], view)
    return Trail(scores, "Softmax") if _sums_classes(total, view) else None


def _written_log_softmax(node: NodeProto, view: View) -> Trail | None:
    """Log(Softmax(x)), or d - Log(ReduceSum(Exp(d))) with d = x or x less its maximum."""
    if node.op_type == "Log":
        inner = tail_of(view.source(node.input[0]), view)
        return Trail(inner.tensor, "LogSoftmax") if inner is not None and inner.tail == "Softmax" else None
    if node.op_type != "Sub":
        return None
    total, summed = _log_total(node.input[1], view)
    if total is None or view.source(summed) != view.source(node.input[0]):
        return None
    return Trail(_without_maximum(node.input[0], view), "LogSoftmax") if _sums_classes(total, view) else None


def _log_total(tensor: str, view: View) -> tuple[NodeProto | None, str]:
    """The sum of Log(ReduceSum(Exp(d))), and d; None and "" if `tensor` is something else."""
    whole = view.node(tensor, "ReduceLogSumExp")
    if whole is not None:
        return whole, whole.input[0]
    logarithm = view.node(tensor, "Log")
    total = logarithm and view.node(logarithm.input[0], "ReduceSum")
    power = total and view.node(total.input[0], "Exp")
    return (total, power.input[0]) if total and power else (None, "")


def _written_sigmoid(node: NodeProto, view: View) -> Trail | None:
    """1 / (1 + Exp(-x))."""
    if node.op_type == "Div" and view.is_number(node.input[0], 1):
        below = node.input[1]
    elif node.op_type == "Reciprocal":
        below = node.input[0]
    else:
        return None
    add = view.node(below, "Add")
    if add is None:
        return None
    powers = [i for i in add.input if not view.is_number(i, 1)]
    power = view.node(powers[0], "Exp") if len(powers) == 1 else None
    negative = view.node(power.input[0], "Neg") if power is not None else None
    return Trail(negative.input[0], "Sigmoid") if negative is not None else None


def _pair(node: NodeProto, view: View) -> Trail | None:
    """Concat(1 - p, p) where p is the Sigmoid of one number."""
    if node.op_type != "Concat" or len(node.input) != 2 or helper.get_node_attr_value(node, "axis") not in (1, -1):
        return None
    rest, share = (view.source(name, reshaped=True) for name in node.input)
    less = view.node(rest, "Sub")
    if less is None or not view.is_number(less.input[0], 1) or view.source(less.input[1], reshaped=True) != share:
        return None
    inner = tail_of(share, view)
    if inner is None or inner.tail != "Sigmoid" or not view.one_number(share):
        return None
    return Trail(inner.tensor, "Sigmoid", pair=True)


def _without_maximum(tensor: str, view: View) -> str:
    """x of x - ReduceMax(x), else the tensor itself."""
    less = view.node(tensor, "Sub")
    largest = view.node(less.input[1], "ReduceMax") if less is not None else None
    if less is None or largest is None or view.source(largest.input[0]) != view.source(less.input[0]):
        return tensor
    return str(less.input[0])


def _sums_classes(total: NodeProto, view: View) -> bool:
    """Whether a ReduceSum leaves one number of each row, and the batch alone."""
    before, after = view.known.get(total.input[0]), view.known.get(total.output[0])
    if before is None or after is None or not before.shape or not after.shape:
        return True
    return before.shape[0] == after.shape[0] and view.one_number(total.output[0])


def _over_classes(node: NodeProto, info: TensorInfo | None) -> bool:
    """Whether the tail normalises over the classes (a Sigmoid works on each number alone)."""
    if node.op_type == "Sigmoid" or info is None or not info.shape:
        return True
    rank = len(info.shape)
    # The default axis was 1 before operator set 13 and has been the last one since.
    axes = [a.i % rank for a in node.attribute if a.name == "axis"] or [1, rank - 1]
    return any(axis > 0 and all(d == 1 for i, d in enumerate(info.shape) if i not in (0, axis)) for axis in axes)
