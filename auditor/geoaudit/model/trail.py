"""From a graph output back to the scores that it is made from."""

from __future__ import annotations

from onnx import NodeProto

from geoaudit.model import graph
from geoaudit.model.graph_view import View
from geoaudit.model.tails import Trail, tail_of

_PASSIVE = (
    "Identity", "Cast", "CastLike", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout", "Clip", "LabelEncoder",
)  # fmt: skip
_CHOICES = ("ArgMax", "TopK", "Round")
_CLASSIFIERS = ("LinearClassifier", "TreeEnsembleClassifier", "SVMClassifier")
_ABOVE = ("Greater", "GreaterOrEqual")
_BELOW = ("Less", "LessOrEqual")


def walk_back(name: str, view: View) -> Trail:
    """The tensor to read for the output `name`.

    Operators that only choose, relabel, reshape or scale by a positive number are walked through if a tail or a
    choice lies behind them.  Whether scores lie above a constant is a choice too.
    """
    start, tensor, chosen = name, name, False
    while (node := view.makers.get(tensor)) is not None:
        found = tail_of(tensor, view)
        if found is not None:
            return Trail(found.tensor, found.tail, chosen, found.pair)
        if node.op_type in _CLASSIFIERS:
            return Trail(node.output[1], None, True) if tensor == node.output[0] else Trail(start, None, chosen)
        decided = _chosen_from(node, tensor, view)
        if decided is not None:
            start, tensor, chosen = decided, decided, True
        elif node.op_type == "ZipMap":
            start = tensor = node.input[0]
        else:
            behind = _behind(node, view)
            if behind is None:
                break
            tensor = behind
    return Trail(start, None, chosen)


def _chosen_from(node: NodeProto, tensor: str, view: View) -> str | None:
    """The scores that the node decides by; None if it is no decision."""
    if node.op_type in _CHOICES or (node.op_type == "ReduceMax" and view.one_number(tensor)):
        return str(node.input[0])
    if node.op_type in _ABOVE and node.input[1] in view.held:
        return str(node.input[0])
    return str(node.input[1]) if node.op_type in _BELOW and node.input[0] in view.held else None


def _behind(node: NodeProto, view: View) -> str | None:
    """The tensor whose numbers the node hands on, in the same order; None if it computes others."""
    if node.op_type in _PASSIVE or _keeps_batch_first(node) or _takes_first_image(node, view):
        return str(node.input[0])
    if node.op_type in ("Gather", "ArrayFeatureExtractor") and node.input[0] in view.held:
        return str(node.input[1])  # names looked up by the best class
    if node.op_type == "Where" and {*node.input[1:]} <= view.held:
        return str(node.input[0])
    if node.op_type == "Div" and (view.number(node.input[1]) or 0) > 0:
        return str(node.input[0])
    scales = [i for i in node.input if (view.number(i) or 0) > 0] if node.op_type == "Mul" else []
    return next(str(i) for i in node.input if i != scales[0]) if len(scales) == 1 else None


def _keeps_batch_first(node: NodeProto) -> bool:
    return node.op_type == "Transpose" and any(a.name == "perm" and a.ints[0] == 0 for a in node.attribute)


def _takes_first_image(node: NodeProto, view: View) -> bool:
    """Whether the node takes the first of the batch, as `output[0]` is exported."""
    if node.op_type != "Gather" or node.input[0] in view.held or graph.attribute(node, "axis", 0) != 0:
        return False
    info = view.known.get(node.input[0])
    return info is not None and len(info.shape) >= 2 and view.is_number(node.input[1], 0)
