from __future__ import annotations

import numpy as np
import onnx
import pytest
import skl2onnx
from onnx import TensorProto, helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from geoaudit.errors import ModelError, UsageError
from geoaudit.model import artifact, head


def _find(path):
    return head.find(artifact.load(path))


def test_plain_logits(tiny):
    assert _find(tiny().save()) == head.Head("logits", "logits", None, 5)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Sigmoid"])
def test_a_tail_is_left_out(tiny, op):
    tail = [helper.make_node(op, ["logits"], ["scores"])]
    kind = "multi-label" if op == "Sigmoid" else "one-label"
    found = _find(tiny(tail=tail, outputs=["scores"]).save())
    assert found == head.Head("scores", "logits", op, 5, kind)
    assert f"before the {op}" in found.describe() and "5 classes" in found.describe()


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


def _rows(tiny, names, *more, widths=(5, 7)):
    """A model with rows of the given widths as outputs, all made from the features."""
    tail, constants = [], {}
    for name, width in zip(names, widths, strict=True):
        constants[f"m_{name}"] = np.linspace(-1, 1, 5 * width, dtype=np.float32).reshape(5, width)
        tail.append(helper.make_node("MatMul", ["logits", f"m_{name}"], [name]))
    outputs = [*names, *(node.output[0] for node in more)]
    return tiny(tail=[*tail, *more], outputs=outputs, constants=constants).save()


def test_two_different_rows_of_scores_are_ambiguous_until_one_is_named(tiny):
    path = _rows(tiny, ("a", "b"))
    with pytest.raises(ModelError, match=r"more than one.*'a'.*'b'") as caught:
        _find(path)
    assert "--output NAME" in caught.value.way_out
    assert head.find(artifact.load(path), "b") == head.Head("b", "b", None, 7)


def test_any_tensor_may_be_named(tiny):
    path = _rows(tiny, ("a", "b"))
    assert head.find(artifact.load(path), "logits").classes == 5
    with pytest.raises(UsageError, match="no row of class scores"):
        head.find(artifact.load(path), "relu")
    with pytest.raises(UsageError, match=r"no such tensor") as caught:
        head.find(artifact.load(path), "logit")
    assert "Did you mean logits" in caught.value.way_out and "'b' float32" in caught.value.way_out


@pytest.mark.parametrize(
    ("names", "widths", "more", "expected"),
    [
        (("x", "y"), (5, 7), [helper.make_node("ArgMax", ["y"], ["best"], axis=1)], "y"),
        (("x", "y"), (5, 7), [helper.make_node("Softmax", ["y"], ["p"], axis=1)], "y"),
        (("embedding", "scores"), (5, 7), [], "scores"),
        (("x", "x_aux", "y_aux"), (5, 5, 5), [], "x"),
        (("aux1", "x"), (5, 5), [], "x"),
    ],
)
def test_the_score_row_among_several(tiny, names, widths, more, expected):
    found = _find(_rows(tiny, names, *more, widths=widths))
    assert found.logits == expected
    assert {f"'{name}'" for name in names} - {f"'{expected}'"} == set(found.others)
    assert all(name in found.describe() for name in found.others)


def test_one_number_is_a_binary_head(tiny):
    score = [helper.make_node("ReduceMean", ["logits"], ["z"], axes=[1])]
    plain = _find(tiny(tail=score, outputs=["z"]).save())
    assert plain == head.Head("z", "z", "Sigmoid", 2, "binary", assumed=True)
    assert plain.numbers == 1 and "read as the logit" in plain.describe()
    tail = [*score, helper.make_node("Sigmoid", ["z"], ["p"]), helper.make_node("Squeeze", ["p", "one"], ["flat"])]
    found = _find(tiny(tail=tail, outputs=["flat"], constants={"one": np.array([1])}).save())
    assert found == head.Head("flat", "z", "Sigmoid", 2, "binary")
    assert "before the Sigmoid" in found.describe()


def test_a_confidence_beside_the_best_class_is_no_binary_head(tiny):
    tail = [
        helper.make_node("ArgMax", ["logits"], ["best"], axis=1),
        helper.make_node("ReduceMax", ["logits"], ["confidence"], axes=[1]),
    ]
    assert _find(tiny(tail=tail, outputs=["confidence", "best"]).save()).logits == "logits"


def test_what_gives_no_row_is_refused(tiny):
    with pytest.raises(ModelError, match=r"no output is a row of class scores.*'whole'") as caught:
        _find(tiny(tail=[helper.make_node("Shape", ["logits"], ["whole"])], outputs=["whole"]).save())
    assert "--output" in caught.value.way_out


def _node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), [output], **attributes)


STABLE = [_node("ReduceMax", "logits", "m", axes=[1]), _node("Sub", "logits m", "d"), _node("Exp", "d", "e")]
TOTAL = _node("ReduceSum", "e axes", "s", keepdims=1)
WRITTEN = {
    "softmax": ([*STABLE, TOTAL, _node("Div", "e s", "p")], "Softmax"),
    "softmax by reciprocal": ([*STABLE, TOTAL, _node("Reciprocal", "s", "r"), _node("Mul", "r e", "p")], "Softmax"),
    "softmax without maximum": ([_node("Exp", "logits", "e"), TOTAL, _node("Div", "e s", "p")], "Softmax"),
    "log of softmax": ([_node("Softmax", "logits", "q"), _node("Log", "q", "p")], "LogSoftmax"),
    "log-softmax": ([*STABLE, TOTAL, _node("Log", "s", "l"), _node("Sub", "d l", "p")], "LogSoftmax"),
    "sigmoid": ([_node("Neg", "logits", "n"), _node("Exp", "n", "e"), _node("Add", "one e", "a"),
                 _node("Div", "one a", "p")], "Sigmoid"),
    "clipped": ([_node("Softmax", "logits", "q"), _node("Clip", "q", "p")], "Softmax"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_tails_written_out(tiny, name):
    nodes, tail = WRITTEN[name]
    constants = {"axes": np.array([1]), "one": np.array(1, np.float32)}
    found = _find(tiny(tail=nodes, outputs=["p"], constants=constants).save())
    assert (found.logits, found.tail) == ("logits", tail)


def test_what_only_looks_like_a_tail_is_kept(tiny):
    over_the_batch = [
        _node("Exp", "logits", "e"),
        _node("ReduceSum", "e axes", "s", keepdims=1),
        _node("Div", "e s", "p"),
    ]
    found = _find(tiny(tail=over_the_batch, outputs=["p"], constants={"axes": np.array([0])}).save())
    assert (found.logits, found.tail) == ("p", None)
    another = [
        _node("Exp", "logits", "e"),
        _node("Abs", "e", "b"),
        _node("ReduceSum", "b axes", "s"),
        _node("Div", "e s", "p"),
    ]
    found = _find(tiny(tail=another, outputs=["p"], constants={"axes": np.array([1])}).save())
    assert (found.logits, found.tail) == ("p", None)


def test_a_temperature_belongs_to_the_scores(tiny):
    tail = [_node("Div", "logits t", "z"), _node("Softmax", "z", "p")]
    found = _find(tiny(tail=tail, outputs=["p"], constants={"t": np.array(3, np.float32)}).save())
    assert (found.logits, found.tail) == ("z", "Softmax")


def test_channel_last_scores(tiny):
    tail = [
        _node("Reshape", "logits shape", "z"),
        _node("Softmax", "z", "q", axis=-1),
        _node("Transpose", "q", "p", perm=[0, 3, 1, 2]),
    ]
    found = _find(tiny(tail=tail, outputs=["p"], constants={"shape": np.array([-1, 1, 1, 5])}).save())
    assert (found.logits, found.tail, found.classes) == ("z", "Softmax", 5)


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


def _sklearn(classifier, tmp_path, size=(8, 8), classes=3, **options):
    """A scikit-learn classifier of flat grey pictures, as skl2onnx writes it."""
    rng = np.random.default_rng(0)
    x = rng.random((60, size[0] * size[1])).astype(np.float32)
    classifier.fit(x, np.arange(60) % classes)
    proto = skl2onnx.to_onnx(classifier, x[:1], target_opset=17, **options)
    path = tmp_path / "sklearn.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.mark.parametrize("zipmap", [True, False])
def test_labels_and_maps_of_scikit_learn(tmp_path, zipmap):
    mlp = MLPClassifier((4,), max_iter=1)
    path = _sklearn(mlp, tmp_path, options={id(mlp): {"zipmap": zipmap}})
    found = _find(path)
    assert (found.tail, found.classes) == ("Softmax", 3)
    forest = RandomForestClassifier(3, max_depth=2)
    found = _find(_sklearn(forest, tmp_path, options={id(forest): {"zipmap": zipmap}}))
    assert (found.tail, found.classes, found.linear) == (None, 3, False)


def test_two_scores_in_the_wrong_order_are_refused(tmp_path):
    """Of a support vector machine without probabilities; its label is right, its larger score is the other class's."""
    with pytest.raises(ModelError, match="contradict its own label"):
        _find(_sklearn(SVC(), tmp_path, classes=2))
    assert _find(_sklearn(SVC(), tmp_path, classes=3)).classes == 3


def test_a_binary_network_of_scikit_learn(tmp_path):
    found = _find(_sklearn(MLPClassifier((4,), max_iter=1), tmp_path, classes=2))
    assert (found.tail, found.kind) == ("Sigmoid", "binary")
