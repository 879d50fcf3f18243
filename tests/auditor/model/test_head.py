from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from geoaudit.errors import ModelError
from geoaudit.model import artifact, head


def _find(path):
    return head.find(artifact.load(path))


def test_plain_logits(tiny):
    assert _find(tiny().save()) == head.Head("logits", "logits", None, 5)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Sigmoid"])
def test_a_tail_is_left_out(tiny, op):
    tail = [helper.make_node(op, ["logits"], ["scores"])]
    assert _find(tiny(tail=tail, outputs=["scores"]).save()) == head.Head("scores", "logits", op, 5)


def test_a_tail_behind_passive_operators(tiny):
    tail = [
        helper.make_node("Softmax", ["logits"], ["p"], axis=1),
        helper.make_node("Reshape", ["p", "rows"], ["q"]),
        helper.make_node("Cast", ["q"], ["r"], to=TensorProto.FLOAT),
        helper.make_node("Identity", ["r"], ["scores"]),
    ]
    recipe = tiny(tail=tail, outputs=["scores"], constants={"rows": np.array([-1, 5])})
    assert _find(recipe.save()) == head.Head("scores", "logits", "Softmax", 5)


def test_several_outputs_of_one_score_tensor_are_one_head(tiny):
    tail = [
        helper.make_node("Softmax", ["logits"], ["p"], axis=1),
        helper.make_node("ArgMax", ["p"], ["best"], axis=1),
        helper.make_node("TopK", ["p", "k"], ["top", "places"]),
    ]
    recipe = tiny(tail=tail, outputs=["best", "top", "logits", "p"], constants={"k": np.array([2])})
    found = _find(recipe.save())
    assert (found.logits, found.classes) == ("logits", 5)


def test_scores_that_are_only_given_as_the_best_class(tiny):
    tail = [helper.make_node("ArgMax", ["logits"], ["best"], axis=1)]
    assert _find(tiny(tail=tail, outputs=["best"]).save()).logits == "logits"


def test_two_different_rows_of_scores_are_ambiguous(tiny):
    tail = [helper.make_node("MatMul", ["logits", "m"], ["embedding"])]
    recipe = tiny(tail=tail, outputs=["logits", "embedding"], constants={"m": np.ones((5, 7), np.float32)})
    with pytest.raises(ModelError, match=r"more than one.*'logits'.*'embedding'"):
        _find(recipe.save())


def test_one_score_is_no_classification(tiny):
    tail = [helper.make_node("ReduceMean", ["logits"], ["score"], axes=[1])]
    with pytest.raises(ModelError, match=r"two or more class scores.*'score'"):
        _find(tiny(tail=tail, outputs=["score"]).save())


def test_an_undeclared_row_length_is_measured(tiny):
    recipe = tiny(tail=[helper.make_node("Reshape", ["logits", "shape"], ["row"])], outputs=["row"])
    recipe.constants = {"shape": np.array([-1, 5])}
    proto = recipe.proto()
    del proto.graph.value_info[:]
    shape = helper.make_node("Identity", ["shape"], ["hidden"])  # keeps shape inference from seeing the 5
    proto.graph.node.insert(0, shape)
    proto.graph.node[-1].input[1] = "hidden"
    proto.graph.output[0].type.tensor_type.shape.dim[1].Clear()
    path = recipe.folder / "unknown.onnx"
    onnx.save(proto, str(path))
    assert _find(path).classes == 5
