"""IG2 where the representation is linear, so that the walk is a straight line towards the reference's."""

import dataclasses

import numpy as np
import pytest
import torch
from onnx import helper

from geoaudit import Cost, registry
from geoaudit.api import Calibration, Layers
from geoaudit.errors import NotApplicable
from geoaudit_plugins.adversarial.representation import representation
from geoaudit_plugins.methods.ig2 import references, unit

ENTRY = registry.load(()).methods["ig2"]
SHAPE = (2, 3, 3)
MATRIX = np.random.default_rng(5).normal(size=(18, 3))


def make(budget="standard", **parameters):
    return registry.create(ENTRY, budget, {name: str(value) for name, value in parameters.items()})


@pytest.fixture
def linear(probe_over):
    """Scores x . MATRIX: the last linear layer sees the picture itself."""

    def build(calibration, matrix=MATRIX, **kind):
        nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "m"], ["y"])]
        return probe_over(nodes, {"m": matrix}, SHAPE, matrix.shape[1], calibration, **kind)

    return build


def known(count, seed=2):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (count, *SHAPE)).astype(np.float32)


def test_the_walk_goes_straight_to_the_references_and_the_map_is_their_mean(linear, posed):
    """u_J = x + length sqrt(d) (high - low) (r - x) / |r - x|, for each r; A = w (x - mean u_J)."""
    pictures = known(12)
    probe = linear(pictures)
    x = known(3, seed=9)
    problems = posed(probe, x, (x.reshape(3, -1) @ MATRIX).argmax(axis=1))
    result = make(length=0.05, references=3, steps=7).attribute(problems, probe)
    scores = pictures.reshape(12, -1) @ MATRIX
    for i, target in enumerate(problems.targets):
        chosen = references(scores, int(target), np.ones(12, bool), 3)
        assert len(chosen) == 3 and target not in scores[chosen].argmax(axis=1)
        ways = pictures[chosen] - x[i]
        ends = 0.05 * np.sqrt(18) * 2 * ways / np.sqrt((ways**2).sum(axis=(1, 2, 3), keepdims=True))
        expected = -MATRIX[:, target].reshape(SHAPE) * ends.mean(axis=0)
        np.testing.assert_allclose(result.values[i], expected, atol=2e-5)
        record = result.records[i]
        assert record.delta_f == pytest.approx(expected.sum(), abs=1e-4) and record.completeness_error < 1e-2
    assert result.notes == ()
    walked = sum(record.gradients for record in result.records)
    assert probe.spent.gradients == 3 * 3 * 7 + walked, "every gradient of the search is counted"


def test_points_stay_in_the_range_of_the_data(linear, posed):
    pictures = np.full((1, *SHAPE), 5.0)
    probe = linear(pictures)
    x = np.full((1, *SHAPE), -0.5)
    x[0, 0] = 0.85
    problems = posed(probe, x, [0], low=-1.0, high=0.88)
    result = make(length=0.2, steps=4).attribute(problems, probe)
    moved = result.values[0] / -MATRIX[:, 0].reshape(SHAPE)
    assert moved[0].max() == pytest.approx(0.03, abs=1e-4) and moved[1].min() > 0.3


def test_an_image_that_is_its_reference_stands_still(linear, posed):
    x = known(1)
    probe = linear(x)
    problems = posed(probe, x, [1])
    result = make().attribute(problems, probe)
    assert not result.values.any() and np.isfinite(result.values).all()


def test_images_with_fewer_references_take_those_there_are(linear, posed):
    pictures = known(40)
    predicted = (pictures.reshape(40, -1) @ MATRIX).argmax(axis=1)
    ones, other = pictures[predicted == 0][:4], pictures[predicted == 1][:1]
    probe = linear(np.concatenate([ones, other]))
    x = np.stack([ones[0] * 0.5, other[0] * 0.5])
    problems = posed(probe, x, [0, 1])
    method = make(length=0.02, steps=3, references=4)
    together = method.attribute(problems, probe)
    for i in (0, 1):
        alone = method.attribute(problems.select([i]), probe)
        np.testing.assert_allclose(alone.values[0], together.values[i], atol=1e-6)
        assert alone.records[0].nodes == together.records[i].nodes
    assert together.records[1].nodes > 2 * together.records[0].nodes, "four walks against one"


def test_the_image_itself_is_no_reference_and_a_set_without_other_pictures_is_refused(linear, posed):
    pictures = known(2)
    probe = linear(pictures)
    problems = dataclasses.replace(posed(probe, pictures[:1], [0]), ids=("known0",))
    scores = pictures.reshape(2, -1) @ MATRIX
    assert references(scores, 0, np.array([False, True]), 4) == [1]
    assert make(length=0.02).attribute(problems, probe).values.any()
    probe.calibration = Calibration("one", ("known0",), lambda _: pictures[:1])
    probe._made.clear()
    with pytest.raises(NotApplicable, match="itself"):
        make().attribute(problems, probe)
    probe.calibration = Calibration("none", (), lambda _: pictures[:0])
    with pytest.raises(NotApplicable, match="no calibration set"):
        make().attribute(problems, probe)


def test_references_are_of_as_many_classes_as_possible_lowest_score_first():
    scores = np.array([[9.0, 0, 0], [3, 5, 0], [1, 6, 0], [2, 0, 7], [8, 0, 1]])
    every = np.ones(5, bool)
    assert references(scores, 0, every, 2) == [2, 3]
    assert references(scores, 0, every, 9) == [2, 3, 1]
    assert references(scores[[0, 4]], 0, every[:2], 1) == [1], "none of another class: the lowest score"


def test_pictures_of_the_same_class_stand_in_with_a_note(linear, posed):
    pictures = known(40)
    same = pictures[(pictures.reshape(40, -1) @ MATRIX).argmax(axis=1) == 0][:3]
    probe = linear(same)
    result = make(length=0.02).attribute(posed(probe, same[:1] * 0.5, [0]), probe)
    assert result.values.any() and len(result.notes) == 1 and "lowest score" in result.notes[0]


def test_the_representation_is_what_goes_into_the_last_layer(probe_over, posed):
    """Gemm with transposed weights behind a Relu, an added bias and a Softmax after it."""
    rng = np.random.default_rng(0)
    weights = {
        "a": rng.normal(size=(18, 5)),
        "b": rng.normal(size=5),
        "w": rng.normal(size=(3, 5)),
        "o": rng.normal(size=3),
    }
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "a", "b"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["h"]),
        helper.make_node("Gemm", ["h", "w"], ["z"], transB=1),
        helper.make_node("Add", ["z", "o"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"], axis=1),
    ]  # fmt: skip
    pictures = known(6)
    probe = probe_over(nodes, weights, SHAPE, 3, pictures)
    found = representation(probe.layers(), 3, "ig2")
    assert found.size == 5
    features = found.features(probe).scores(pictures)
    expected = np.maximum(pictures.reshape(6, -1) @ weights["a"] + weights["b"], 0)
    np.testing.assert_allclose(features, expected, atol=1e-4)
    far = found.distances(probe, features[:2])
    values, gradients = far.value_and_gradient(pictures[2:4], np.array([0, 1]))
    np.testing.assert_allclose(values, -((expected[2:4] - expected[:2]) ** 2).sum(axis=1), rtol=1e-4)
    open_ = expected[2:4] > 0
    slopes = -2 * ((expected[2:4] - expected[:2]) * open_) @ weights["a"].T
    np.testing.assert_allclose(gradients.reshape(2, -1), slopes, rtol=1e-3, atol=1e-3)
    assert probe.spent == Cost(gradients=2, forwards=6)
    problems = posed(probe, pictures[:1], [0])
    assert np.isfinite(make("quick").attribute(problems, probe).values).all()
    np.testing.assert_allclose(probe.scores(pictures)[:, 1], probe.outputs(pictures, np.ones(6, np.int64)), rtol=1e-6)


def test_scores_that_no_linear_layer_makes_are_refused_by_name(probe_over, posed):
    kernel = np.random.default_rng(0).normal(size=(3, 2, 1, 1))
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], name="last conv"),
        helper.make_node("GlobalAveragePool", ["c"], ["g"], name="mean"),
        helper.make_node("Flatten", ["g"], ["y"]),
    ]
    probe = probe_over(nodes, {"k": kernel}, SHAPE, 3, known(3))
    with pytest.raises(NotApplicable, match="GlobalAveragePool mean"):
        make().attribute(posed(probe, known(1), [0]), probe)


def test_one_number_for_two_classes(linear, posed):
    probe = linear(known(6), MATRIX[:, :1])
    x = known(1, seed=4)
    problems = posed(probe, x, (probe.scores(x)[:, 1] > 0).astype(int))
    result = make("quick", length=0.05).attribute(problems, probe)
    record = result.records[0]
    assert result.values.sum() == pytest.approx(record.delta_f, abs=1e-4) and record.delta_f > 0


def test_unit_vectors_of_tiny_and_vanishing_gradients():
    made = unit(np.array([[3.0, 4.0], [0.0, 0.0], [3e-200, 4e-200]]))
    np.testing.assert_allclose(made, [[0.6, 0.8], [0, 0], [0.6, 0.8]])
    assert np.isnan(unit(np.array([[1.0, np.nan]]))).all(), "what is no number must show"


def test_images_with_unlike_numbers_of_references_have_no_common_walk(linear, posed):
    pictures = known(40)
    predicted = (pictures.reshape(40, -1) @ MATRIX).argmax(axis=1)
    ones, other = pictures[predicted == 0][:4], pictures[predicted == 1][:1]
    probe = linear(np.concatenate([ones, other]))
    problems = posed(probe, np.stack([ones[0] * 0.5, other[0] * 0.5]), [0, 1])
    with pytest.raises(NotApplicable, match="fewer references than others"):
        make().recorded(problems, probe)
    with pytest.raises(NotApplicable, match="several ways"):
        make(references=1, steps=1).recorded(problems, probe)


def test_a_deep_graph_that_ends_in_a_product_of_two_values_is_refused():
    class Named(torch.nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.op_type = kind

    graph, root = torch.fx.Graph(), torch.nn.Module()
    node = graph.placeholder("x")
    root.add_module("same", Named("Relu"))
    root.add_module("product", Named("MatMul"))
    for _ in range(2000):
        node = graph.call_module("same", (node,))
    graph.output(graph.call_module("product", (node, node)))
    layers = Layers(torch.fx.GraphModule(root, graph), {})
    with pytest.raises(NotApplicable, match="not made by one linear layer"):
        representation(layers, 3, "ig2")
