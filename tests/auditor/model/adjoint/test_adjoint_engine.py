"""The engine as a whole: spaces, heads, batches, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from geoaudit.model.adjoint import AdjointEngine, Unsupported, blocked, sessions
from geoaudit.model.adjoint.blocked import block_size
from geoaudit.model.adjoint.blocked_nodes import Blocks
from geoaudit.model.adjoint.reverse import value_and_gradient_graph
from geoaudit.model.adjoint.tape import Move
from geoaudit.model.head import Head
from geoaudit.model.normalise import Normalised

Check = Callable[..., np.ndarray]
Images = Callable[..., np.ndarray]
SPACES = ("logit", "probability", "log-probability", "margin")
HEADS = [
    Head("scores", "scores", None, 3),
    Head("scores", "scores", "Softmax", 3),
    Head("scores", "scores", "Sigmoid", 3, "multi-label"),
    Head("scores", "scores", "Probabilities", 3),
    Head("scores", "scores", "Sigmoid", 2, "binary"),
    Head("scores", "scores", "Probabilities", 2, "binary"),
]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.tail}-{head.kind}")
def test_every_scalar_of_every_head(space: Any, head: Head, agrees: Check, images: Images) -> None:
    """Probabilities are wanted within 0 and 1, where no logarithm is cut off: the image is small and positive."""
    x = np.abs(images(4, 6))
    if head.tail == "Probabilities":
        nodes = [helper.make_node("Mul", ["x", "tiny"], ["t"]), helper.make_node("Add", ["t", "w"], ["y"])]
        constants = {"tiny": np.full(6, 1e-3, np.float32), "w": np.array([-0.1, 0.2, -0.3, 0.2, 0.1, 0.1], np.float32)}
        scores = _scores_of(x * 1e-3 + constants["w"], head.numbers)
        if not (scores > 0).all():
            constants["w"] = -constants["w"]
        agrees(nodes, x, constants, space=space, head=head)
        return
    agrees(helper.make_node("Tanh", ["x"], ["y"]), x, space=space, head=head)


def _scores_of(features: np.ndarray, numbers: int) -> np.ndarray:
    matrix = np.random.default_rng(5).standard_normal((6, numbers))
    return np.asarray(features @ matrix)


def small(nodes: Any, constants: dict[str, Any], *, batch: int | str = "N", side: int | str = 8) -> Normalised:
    """A model of images with three channels and one output 'scores' of 3 numbers."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return Normalised(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), (), (), "float32"
    )


@pytest.fixture
def network(images: Images) -> Callable[..., Normalised]:
    """network(**declared sizes): convolutions with a residual branch, a stride, a shared tensor and a pool."""

    def build(**sizes: Any) -> Normalised:
        nodes = [
            helper.make_node("Conv", ["x", "w1"], ["a"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["a"], ["r"]),
            helper.make_node("Conv", ["r", "w2"], ["b"], pads=[1, 1, 1, 1], group=16),
            helper.make_node("Add", ["b", "r"], ["s"]),
            helper.make_node("Mul", ["s", "s"], ["q"]),
            helper.make_node("Conv", ["q", "w3"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
            helper.make_node("GlobalAveragePool", ["c"], ["p"]),
            helper.make_node("Flatten", ["p"], ["f"]),
            helper.make_node("Gemm", ["f", "w4"], ["scores"], transB=1),
        ]
        shapes = {"w1": (16, 3, 3, 3), "w2": (16, 1, 3, 3), "w3": (32, 16, 3, 3), "w4": (3, 32)}
        return small(nodes, {n: 0.3 * images(*shape, seed=i) for i, (n, shape) in enumerate(shapes.items())}, **sizes)

    return build


HEAD = Head("scores", "scores", None, 3)


def test_an_image_does_not_see_its_neighbours(network: Callable[..., Normalised], images: Images) -> None:
    engine = AdjointEngine(network(), HEAD, threads=1)
    engine.batch_size = 4
    x, targets = images(7, 3, 8, 8), np.array([0, 1, 2, 0, 1, 2, 0])
    values, gradients = engine.value_and_gradient(x, targets, "log-probability")
    order = np.array([6, 2, 4, 0, 5, 1, 3])
    again, turned = engine.value_and_gradient(x[order], targets[order], "log-probability")
    np.testing.assert_array_equal(again, values[order])
    np.testing.assert_array_equal(turned, gradients[order])
    alone, one = engine.value_and_gradient(x[3:4], targets[3:4], "log-probability")
    assert alone[0] == values[3]
    np.testing.assert_array_equal(one[0], gradients[3])


def test_images_side_by_side_are_the_images_one_by_one(network: Callable[..., Normalised], images: Images) -> None:
    x, targets = images(9, 3, 8, 8), np.arange(9) % 3
    one, three = (AdjointEngine(network(), HEAD, threads=n).value_and_gradient(x, targets, "logit") for n in (1, 3))
    np.testing.assert_array_equal(three[0], one[0])
    np.testing.assert_array_equal(three[1], one[1])


def test_a_batch_that_is_built_in_is_filled_up(network: Callable[..., Normalised], images: Images) -> None:
    fixed, free = AdjointEngine(network(batch=4), HEAD, threads=2), AdjointEngine(network(), HEAD, threads=2)
    x, targets = images(7, 3, 8, 8), np.arange(7) % 3
    assert fixed.batch_size == 4 and free.batch_size == 1
    for a, b in zip(
        fixed.value_and_gradient(x, targets, "logit"), free.value_and_gradient(x, targets, "logit"), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_dtype_and_shape_are_the_points(network: Callable[..., Normalised], images: Images) -> None:
    engine = AdjointEngine(network(), HEAD, threads=1)
    x = images(3, 3, 8, 8).astype(np.float64)
    kept = x.copy()
    values, gradients = engine.value_and_gradient(x, np.array([0, 1, 2]), "logit")
    assert values.dtype == np.float64 and values.shape == (3,)
    assert gradients.dtype == np.float64 and gradients.shape == x.shape
    np.testing.assert_array_equal(x, kept)
    values, gradients = engine.value_and_gradient(x[:0], np.array([], dtype=np.int64), "logit")
    assert values.shape == (0,) and gradients.shape == (0, 3, 8, 8)


def test_a_picture_size_that_the_model_leaves_open(network: Callable[..., Normalised], images: Images) -> None:
    fixed = AdjointEngine(network(), HEAD, threads=1)
    open_ = AdjointEngine(network(side="S"), HEAD, threads=1)
    x, targets = images(2, 3, 8, 8), np.array([0, 2])
    np.testing.assert_array_equal(
        fixed.value_and_gradient(x, targets, "margin")[1], open_.value_and_gradient(x, targets, "margin")[1]
    )
    assert open_.value_and_gradient(images(2, 3, 10, 12), targets, "margin")[1].shape == (2, 3, 10, 12)


@pytest.mark.skipif(block_size() is None, reason="onnxruntime has no blocked layout on this machine")
def test_a_strided_convolution_stays_in_blocks(
    network: Callable[..., Normalised], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two ends no picture goes back to plain order: it is stored in blocks once and read out twice."""
    adjoint = value_and_gradient_graph(network().proto, HEAD, "logit", (2, 3, 8, 8))
    assert [move.kind for move in adjoint.moves] == ["interleaved"]
    seen: list[ModelProto] = []

    def watch(*given: Any) -> ModelProto:
        seen.append(blocked.keep_blocked(*given))
        return seen[-1]

    monkeypatch.setattr(sessions, "keep_blocked", watch)
    sessions.start(adjoint, 1)
    (kept,) = seen
    moved = [node for node in kept.graph.node if node.name.startswith("blocked/Transpose")]
    assert len(moved) == 2
    assert sum(node.op_type == "ReorderInput" for node in kept.graph.node) <= 1


def wrong_graph(*given: Any) -> ModelProto:
    return helper.make_model(helper.make_graph([helper.make_node("Nothing", ["x"], ["y"])], "wrong", [], []))


def fails(*given: Any) -> ModelProto:
    raise KeyError("a node of another onnxruntime")


@pytest.mark.parametrize("rewriting", [wrong_graph, fails])
def test_a_graph_that_cannot_be_written_in_blocks_stays_as_it_is(
    rewriting: Any, network: Callable[..., Normalised], images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, targets = images(1, 3, 8, 8), np.array([2])
    expected = AdjointEngine(network(), HEAD, threads=1).value_and_gradient(x, targets, "logit")
    monkeypatch.setattr(sessions, "keep_blocked", rewriting)
    values, gradients = AdjointEngine(network(), HEAD, threads=1).value_and_gradient(x, targets, "logit")
    np.testing.assert_allclose(values, expected[0], rtol=1e-5)
    np.testing.assert_allclose(gradients, expected[1], rtol=1e-4, atol=1e-6)


def test_tensors_of_unknown_shape_stay_in_plain_order(network: Callable[..., Normalised]) -> None:
    """Two stored in blocks may still differ in height, and blocks do not broadcast as pictures do."""
    proto = network().proto
    work = Blocks(proto, proto, 8)
    for name in ("wide", "narrow"):
        work.known(name, f"{name}/stored")
    assert not blocked._elementwise(work, helper.make_node("Mul", ["wide", "narrow"], ["unknown"]))


def test_moves_whose_surroundings_have_changed_are_left(network: Callable[..., Normalised]) -> None:
    proto = value_and_gradient_graph(network().proto, HEAD, "logit", (2, 3, 8, 8)).proto
    work = Blocks(proto, proto, 8)
    work.known("c", "c/stored")  # (2, 32, 4, 4)
    fits = Move("spread", "first", "last", (2, 32, 4, 4), (1, 1))
    assert blocked._moved(work, helper.make_node("Reshape", ["c"], ["c"]), fits, "c")
    for other in (replace(fits, shape=(2, 16, 4, 8)), replace(fits, strides=(2, 2))):
        assert not blocked._moved(work, helper.make_node("Reshape", ["c"], ["c"]), other, "c")


def mean_of(name: str) -> NodeProto:
    return helper.make_node("ReduceMean", [name], ["scores"], axes=[2, 3], keepdims=0)


@pytest.mark.parametrize(
    ("nodes", "constants", "named"),
    [
        ([helper.make_node("Det", ["x"], ["d"]), helper.make_node("Flatten", ["d"], ["scores"])], {}, "Det"),
        ([helper.make_node("ConstantOfShape", ["s"], ["scores"])], {"s": np.array([1, 3])}, "do not depend on"),
        ([helper.make_node("Floor", ["x"], ["f"]), mean_of("f")], {}, "do not depend on the image"),
        ([helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3]), helper.make_node("Conv", ["x", "m"], ["c"]),
          helper.make_node("Flatten", ["c"], ["scores"])], {}, "Conv"),
        ([helper.make_node("QuantizeLinear", ["x", "q"], ["i"]),
          helper.make_node("DequantizeLinear", ["i", "q"], ["d"]), mean_of("d")], {"q": np.float32(0.1)}, "Linear"),
    ],
)  # fmt: skip
def test_what_has_no_adjoint_is_named_at_once(nodes: Any, constants: dict[str, Any], named: str) -> None:
    with pytest.raises(Unsupported, match=named):
        AdjointEngine(small(nodes, constants, batch=1), HEAD, threads=1)
