"""From what a model gives back to the scores that it is made from."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit.errors import ModelError
from geoaudit.model import artifact, head


def _node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs, [output], **attributes)


CONSTANTS = {
    "half": np.array(0.5, np.float32), "hundred": np.array(100, np.float32), "less": np.array(-1, np.float32),
    "first": np.array(0), "second": np.array(1), "yes": np.array(1), "no": np.array(0),
    "axis": np.array([1]), "ones": np.ones((5, 1), np.float32), "one": np.array(1, np.float32),
}  # fmt: skip
SOFTMAX = _node("Softmax", ["logits"], "p", axis=1)
SIGMOID = _node("Sigmoid", ["logits"], "p")
TOTAL = _node("ReduceLogSumExp", ["logits"], "total", axes=[1], keepdims=1)
ONE = [_node("MatMul", ["logits", "ones"], "z"), _node("Sigmoid", ["z"], "s"), _node("Squeeze", ["s", "axis"], "t")]
FOUND = {
    "above a constant": ([SIGMOID, _node("Greater", ["p", "half"], "y")], "logits", "Sigmoid"),
    "below it, as numbers": (
        [SIGMOID, _node("Less", ["half", "p"], "b"), _node("Cast", ["b"], "y", to=TensorProto.INT64)],
        "logits", "Sigmoid",
    ),
    "one of two numbers": (
        [_node("GreaterOrEqual", ["logits", "half"], "b"), _node("Where", ["b", "yes", "no"], "y")], "logits", None,
    ),
    "rounded": ([SIGMOID, _node("Round", ["p"], "y")], "logits", "Sigmoid"),
    "in percent": ([SOFTMAX, _node("Mul", ["hundred", "p"], "y")], "logits", "Softmax"),
    "in shares of a half": ([SOFTMAX, _node("Div", ["p", "half"], "y")], "logits", "Softmax"),
    "negated": ([SOFTMAX, _node("Mul", ["p", "less"], "y")], "y", None),
    "scaled scores": ([_node("Mul", ["logits", "hundred"], "y")], "y", None),
    "less the logarithm of the sum": ([TOTAL, _node("Sub", ["logits", "total"], "y")], "logits", "LogSoftmax"),
    "its power": (
        [TOTAL, _node("Sub", ["logits", "total"], "l"), _node("Exp", ["l"], "y")], "logits", "Softmax",
    ),
    "less another logarithm": (
        [_node("ReduceLogSumExp", ["relu"], "t", axes=[1, 2, 3], keepdims=0), _node("Unsqueeze", ["t", "axis"], "u"),
         _node("Sub", ["logits", "u"], "y")], "y", None,
    ),
    "a stacked pair": (
        [*ONE, _node("Sub", ["one", "t"], "r"), _node("Unsqueeze", ["r", "axis"], "a"),
         _node("Unsqueeze", ["t", "axis"], "b"), _node("Concat", ["a", "b"], "y", axis=1)], "z", "Sigmoid",
    ),
    "the first image's": ([SOFTMAX, _node("Gather", ["p", "first"], "y", axis=0)], "logits", "Softmax"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_where_the_scores_are_read(tiny, name):
    nodes, tensor, tail = FOUND[name]
    path = tiny(tail=nodes, outputs=["y"], constants=CONSTANTS).save()
    found = head.find(artifact.load(path))
    assert (found.logits, found.tail) == (tensor, tail)


def test_a_row_without_a_batch_axis(tiny):
    """`model(image)[0]`: the picture's one row is five classes, not five pictures' one number."""
    squeeze = [_node("Squeeze", ["logits", "first"], "y")]
    constants = {"first": np.array([0])}
    assert head.find(artifact.load(tiny(tail=squeeze, outputs=["y"], constants=constants, batch=1).save())).classes == 5
    numbers = [_node("ReduceMean", ["logits"], "y", axes=[1], keepdims=0)]
    assert head.find(artifact.load(tiny(tail=numbers, outputs=["y"], batch=5).save())).kind == "binary"
    proto = tiny(tail=squeeze, outputs=["y"], constants=constants, batch=1).proto()
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    path = tiny().folder / "undeclared.onnx"
    onnx.save(proto, str(path))
    assert head.find(artifact.load(path)).classes == 5


def test_features_beside_the_scores_made_from_them(tiny):
    rows = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    tail = [_node("MatMul", ["logits", "rows"], "y"), _node("Neg", ["logits"], "n")]
    found = head.find(artifact.load(tiny(tail=tail, outputs=["flat", "y"], constants={"rows": rows}).save()))
    assert (found.logits, found.others) == ("y", ("'flat'",))
    with pytest.raises(ModelError, match="more than one output"):  # no product with weights makes n from y
        head.find(artifact.load(tiny(tail=tail, outputs=["n", "y"], constants={"rows": rows}).save()))


@pytest.mark.parametrize("doubled", [False, True])
def test_a_long_tail_is_walked_without_recursion(tiny, doubled):
    """1,500 additions in a row; 60 that each add a tensor to itself (2^60 paths)."""
    proto = tiny(tail=[_node("Relu", ["logits"], "a0")]).proto()
    count = 60 if doubled else 1500
    for i in range(count):
        proto.graph.node.append(_node("Add", [f"a{i}", f"a{i}" if doubled else "small"], f"a{i + 1}"))
    proto.graph.initializer.append(numpy_helper.from_array(np.array(1e-3, np.float32), "small"))
    proto.graph.output[0].name = f"a{count}"
    path = tiny().folder / "long.onnx"
    onnx.save(proto, str(path))
    assert not head.find(artifact.load(path)).linear
