"""Scores of a support vector machine that contradict its own label."""

from __future__ import annotations

from geoaudit.errors import ModelError
from geoaudit.model import graph
from geoaudit.model.graph_view import View


def check_order(thing: str, tensor: str, numbers: int, view: View) -> None:
    """Refuse the two scores of an SVMClassifier without probabilities.

    onnxruntime gives the decision value and its negative in this order, and labels the second class where the
    decision value is positive: the larger score is the other class's (measured with onnxruntime 1.31).

    Args:
        thing: the file's name for the message.
        tensor: where the scores are read.
        numbers: how many there are for one image.
        view: the graph.

    Raises:
        ModelError: `tensor` is such a pair.
    """
    node = view.node(tensor, "SVMClassifier")
    if node is None or numbers != 2 or graph.attribute(node, "prob_a"):
        return
    raise ModelError(
        thing, f"is a support vector machine whose two scores ('{tensor}') contradict its own label",
        "Export it with class probabilities.",
    )  # fmt: skip
