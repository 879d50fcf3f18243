"""Patterns: what is learned from pictures, against the formulas written out."""

from copy import deepcopy

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from geoaudit.api import Calibration, Layers
from geoaudit.errors import NotApplicable
from geoaudit.model.convert import convert
from geoaudit_plugins.patterns import learning
from geoaudit_plugins.patterns.coverage import WorkCounter
from geoaudit_plugins.patterns.kernels import Anatomy
from geoaudit_plugins.patterns.learning import learn

RNG = np.random.default_rng
WINDOW = {"kernel_shape": [3, 2], "strides": [2, 1], "dilations": [1, 2], "pads": [1, 0, 2, 1]}


def converted(nodes, weights, shape, output="y", dtype=np.float64):
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", kind, ["N", *shape])],
        [onnx.ValueInfoProto(name=output)],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in weights.items()],
    )
    for value in graph.output:
        value.type.tensor_type.elem_type = TensorProto.DOUBLE
    return convert(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "small").module


class GraphProbe:
    """A converted graph and its pictures; batches are filled up with the last picture, as the engine's are."""

    def __init__(self, module, pictures, batch=4):
        self.module, self.pictures, self.batch = module, pictures, batch
        ids = tuple(map(str, range(len(pictures))))
        self.calibration = Calibration("given pictures", ids, lambda i: pictures[list(i)])
        self.asked = []

    def layers(self):
        return Layers(deepcopy(self.module), {})

    def with_layers(self, module):
        changed = GraphProbe(module.eval().requires_grad_(False), self.pictures, self.batch)
        changed.asked = self.asked
        return changed

    def outputs(self, points, targets):
        self.asked.append(len(points))
        for start in range(0, len(points), self.batch):
            part = points[start : start + self.batch]
            filled = np.concatenate([part, np.repeat(part[-1:], self.batch - len(part), axis=0)])
            with torch.no_grad():
                self.module(torch.from_numpy(filled))
        return np.zeros(len(points))


def learned(module, pictures, count=1000, batch=4):
    return learn(GraphProbe(module, pictures, batch), count, "a-method")


def patterns_of(module, pictures, **options):
    """Weights times patterns of the graph's one layer, as an array."""
    (layer,) = learned(module, pictures, **options).layers.values()
    return layer.weight.numpy()


def conv_relu(window=WINDOW, groups=2, bias=None):
    weights = {"w": RNG(0).standard_normal((6, 4 // groups, 3, 2))}
    weights["b"] = RNG(1).standard_normal(6) if bias is None else bias
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], group=groups, **window),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    return converted(nodes, weights, (4, 7, 8)), weights


def pictures_of(count=6, shape=(4, 7, 8), seed=2):
    return RNG(seed).uniform(-1, 1.4, (count, *shape))


def shares(rows, y, weight, active):
    """w a of one neuron by the formulas, from rows (n, d), outputs (n,), weights (d,)."""
    with_y = (rows[active] * y[active, None]).mean(axis=0) - rows[active].mean(axis=0) * y.mean()
    return weight * with_y / (weight * with_y).sum()


def unfolded(x, window, group, groups):
    """Patches (n * positions, d) of one group's channels."""
    top, left, bottom, right = window["pads"]
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    each = x.shape[1] // groups
    columns = torch.nn.functional.unfold(
        torch.from_numpy(padded[:, group * each : (group + 1) * each]), window["kernel_shape"],
        dilation=window["dilations"], stride=window["strides"],
    )  # fmt: skip
    return columns.transpose(1, 2).reshape(-1, columns.shape[1]).numpy()


@pytest.mark.parametrize("groups", [1, 2])
def test_two_component_patterns_of_a_convolution_are_the_formulas(groups):
    module, weights = conv_relu(groups=groups)
    x = pictures_of()
    found = patterns_of(module, x)
    for o in range(6):
        rows, w = unfolded(x, WINDOW, o // (6 // groups), groups), weights["w"][o].ravel()
        y = rows @ w + weights["b"][o]
        np.testing.assert_allclose(found[o].ravel(), shares(rows, y, w, y > 0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), 1, rtol=0, atol=1e-12)


def test_neither_batches_nor_order_nor_copies_of_the_pictures_matter(monkeypatch):
    module, _ = conv_relu()
    x = pictures_of(7)
    whole = patterns_of(module, x, batch=7)
    others = [patterns_of(module, x, batch=batch) for batch in (1, 3, 5)]
    others += [patterns_of(module, x[[3, 1, 6, 0, 2, 5, 4]]), patterns_of(module, np.concatenate([x, x]))]
    monkeypatch.setattr(learning, "BATCH", 2)
    others.append(patterns_of(module, x))
    for other in others:
        np.testing.assert_allclose(other, whole, rtol=1e-9, atol=1e-12)
    assert np.abs(patterns_of(module, x[:5]) - whole).max() > 1e-3, "the pictures themselves do matter"


def test_neurons_that_no_picture_wakes_have_no_pattern_and_are_counted():
    module, _ = conv_relu(bias=np.array([0, -1e6, 0, 0, -1e6, 0]))
    found = learned(module, pictures_of())
    (layer,) = found.layers.values()
    assert layer.dead == 2 and not layer.weight[[1, 4]].any() and torch.isfinite(layer.weight).all()
    assert layer.weight[[0, 2, 3, 5]].sum() == pytest.approx(4)
    assert any("33.3% of the neurons" in note for note in found.notes)


@pytest.mark.parametrize(("transposed", "alpha"), [(0, 1.0), (1, 1.0), (0, 2.5)])
def test_scores_have_linear_patterns(transposed, alpha):
    w = RNG(3).standard_normal((5, 3))
    weights = {"w": w.T.copy() if transposed else w, "b": np.ones(3)}
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"], transB=transposed, alpha=alpha),
    ]
    x = pictures_of(9, (5, 1, 1))
    found = patterns_of(converted(nodes, weights, (5, 1, 1)), x)
    rows = x.reshape(9, 5)
    for o in range(3):
        expected = shares(rows, rows @ w[:, o], w[:, o], np.ones(9, bool))
        np.testing.assert_allclose((found.T if transposed else found)[:, o] * alpha, expected, rtol=1e-9)


def test_products_over_the_last_axis_count_every_row_and_see_past_bias_and_reshape():
    weights = {"w": RNG(4).standard_normal((4, 3)), "b": np.array([0.3, -0.2, 0.1]), "s": np.array([-1, 3])}
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["a"]),
        helper.make_node("Reshape", ["a", "s"], ["p"]),
        helper.make_node("Relu", ["p"], ["y"]),
    ]
    x = pictures_of(5, (2, 3, 4))
    found = patterns_of(converted(nodes, weights | {"rows": np.array([-1, 6, 4])}, (2, 3, 4)), x)
    rows = x.reshape(-1, 4)
    y = rows @ weights["w"]
    for o in range(3):
        expected = shares(rows, y[:, o], weights["w"][:, o], y[:, o] + weights["b"][o] > 0)
        np.testing.assert_allclose(found[:, o], expected, rtol=1e-9)


def test_neurons_are_active_where_the_activation_behind_normalisation_is():
    weights = {"w": RNG(5).standard_normal((2, 4)), "one": np.array([2.0, -1.0]), "zero": np.zeros(2),
               "mean": np.array([0.2, -0.1]), "var": np.ones(2)}  # fmt: skip
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["g"], transB=1),
        helper.make_node("BatchNormalization", ["g", "one", "zero", "mean", "var"], ["n"]),
        helper.make_node("Relu", ["n"], ["y"]),
    ]
    x = pictures_of(30, (4, 1, 1))
    found = patterns_of(converted(nodes, weights, (4, 1, 1)), x)
    rows = x.reshape(30, 4)
    for o, sign in ((0, 1), (1, -1)):
        y = rows @ weights["w"][o]
        active = sign * (y - weights["mean"][o]) > 0
        np.testing.assert_allclose(found[o], shares(rows, y, weights["w"][o], active), rtol=1e-9)


@pytest.mark.parametrize(
    ("behind", "gate"),
    [
        ([helper.make_node("Relu", ["c"], ["y"])], "Relu"),
        ([helper.make_node("Clip", ["c", "zero", "six"], ["y"])], "Clip"),
        ([helper.make_node("LeakyRelu", ["c"], ["y"])], "LeakyRelu"),
        ([helper.make_node("Clip", ["c", "minus", "six"], ["y"])], None),
        ([helper.make_node("Sigmoid", ["c"], ["y"])], None),
        ([helper.make_node("Sigmoid", ["c"], ["s"]), helper.make_node("Mul", ["c", "s"], ["y"])], None),
        ([helper.make_node("Relu", ["c"], ["r"]), helper.make_node("Add", ["c", "r"], ["y"])], None),
        ([helper.make_node("Add", ["c", "x"], ["a"]), helper.make_node("Relu", ["a"], ["y"])], None),
        ([helper.make_node("Div", ["six", "c"], ["a"]), helper.make_node("Relu", ["a"], ["y"])], None),
    ],
)
def test_which_activation_gates_a_layer(behind, gate):
    weights = {"w": RNG(6).standard_normal((3, 3, 1, 1))}
    weights |= {name: np.float64(v) for name, v in (("zero", 0), ("six", 6), ("minus", -6))}
    module = converted([helper.make_node("Conv", ["x", "w"], ["c"]), *behind], weights, (3, 4, 4))
    anatomy = Anatomy(module)
    (kernel,) = anatomy.kernels.values()
    kinds = {node.name: anatomy.kind(node) for node in anatomy.nodes}
    assert kinds.get(kernel.activation) == gate
    found = learned(module, pictures_of(4, (3, 4, 4)))
    assert next(iter(found.layers.values())).linear == (gate is None)
    assert any("Linear patterns" in note for note in found.notes) == (gate is None)


def test_terms_of_a_sum_share_as_they_share_in_its_variance():
    weights = {"w": RNG(7).standard_normal((3, 3, 1, 1))}
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Add", ["c", "x"], ["y"])]
    x = pictures_of(5, (3, 4, 4))
    x[:, 2] = 0.7
    weights["w"][2] = 0
    found = learned(converted(nodes, weights, (3, 4, 4)), x)
    (part,) = (share.numpy()[0, :, 0, 0] for share in found.shares.values())
    c = np.einsum("oi,nihw->nohw", weights["w"][:, :, 0, 0], x)
    for channel in range(2):
        y = (c + x)[:, channel].ravel()
        expected = [np.cov(term[:, channel].ravel(), y)[0, 1] / np.var(y, ddof=1) for term in (c, x)]
        np.testing.assert_allclose([part[channel], 1 - part[channel]], expected, rtol=1e-9)
    assert part[2] == 0.5, "a channel that never varies"


def attention(features, inner):
    """Rows times weights, then products of rows with rows: 4 features, `inner` rows."""
    weights = {"w": RNG(8).standard_normal((features, features)), "rows": np.array([-1, inner, features])}
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["q"]),
        helper.make_node("Transpose", ["q"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "t"], ["a"]),
        helper.make_node("Softmax", ["a"], ["s"]),
        helper.make_node("MatMul", ["s", "q"], ["y"]),
    ]
    return converted(nodes, weights, (inner, features, 1))


def test_coverage_counts_multiply_adds_and_below_one_half_the_method_does_not_apply():
    """Weights: rows * 4 * 4 multiply-adds; attention: 2 * rows * rows * 4."""
    found = learned(attention(4, 2), pictures_of(3, (2, 4, 1)))
    assert found.notes[0].startswith("Patterns cover 50.0% of the multiply-adds, 1 of 3 layers (plain gradients pass")
    assert "2 MatMul" in found.notes[0] and "3 pictures: given pictures." in found.notes[0]
    with pytest.raises(NotApplicable, match=r"a-method: patterns cover only 25\.0% of the multiply-adds"):
        learned(attention(4, 6), pictures_of(3, (6, 4, 1)))


def test_coverage_counts_grouped_convolutions_by_their_own_products():
    weights = {"w": RNG(9).standard_normal((4, 2, 3, 3)), "m": RNG(9).standard_normal((4, 4, 3, 3))}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], group=2, pads=[1] * 4),
        helper.make_node("ConvTranspose", ["c", "m"], ["y"], pads=[1] * 4),
    ]
    with pytest.raises(NotApplicable, match=r"33\.3% of the multiply-adds, 1 of 2 layers .* through 1 ConvTranspose"):
        learned(converted(nodes, weights, (4, 5, 5)), pictures_of(3, (4, 5, 5)))


def test_multiply_adds_are_counted_as_torch_multiplies():
    a, b, c = torch.ones(2, 3), torch.ones(3, 4), torch.ones(5, 4)
    image, functional = torch.ones(2, 4, 6, 5), torch.nn.functional
    query, key, value = torch.ones(2, 3, 7, 4), torch.ones(2, 3, 5, 4), torch.ones(2, 3, 5, 6)
    for products, work in (
        (2 * 3 * 4, lambda: a @ b),
        (2 * 3, lambda: a @ torch.ones(3)),
        (2 * 4 * 5, lambda: functional.linear(torch.ones(2, 4), c, torch.ones(5))),
        (6 * 2 * 4 * 5, lambda: functional.linear(torch.ones(6, 2, 4), c)),
        (6 * 2 * 3 * 4, lambda: torch.einsum("bij,bjk->bik", torch.ones(6, 2, 3), torch.ones(6, 3, 4))),
        (2 * 8 * 4 * 3 * (4 * 9), lambda: functional.conv2d(image, torch.ones(8, 4, 3, 3))),
        (2 * 4 * 6 * 5 * 9, lambda: functional.conv2d(image, torch.ones(4, 1, 3, 3), padding=1, groups=4)),
        (2 * 4 * 6 * 5 * (3 * 4), lambda: functional.conv_transpose2d(image, torch.ones(4, 3, 2, 2), stride=2)),
        (2 * 3 * 7 * 5 * (4 + 6), lambda: functional.scaled_dot_product_attention(query, key, value)),
        (2 * 3 * 7 * 5 * (4 + 4), lambda: functional.scaled_dot_product_attention(query, key, key)),
        (0, lambda: image * image + image),
    ):
        with torch.no_grad(), WorkCounter() as counter:
            work()
        assert counter.total == products


def test_pictures_are_evenly_spaced_and_too_few_are_refused():
    module, _ = conv_relu()
    x = pictures_of(40)
    probe = GraphProbe(module, x)
    some = learn(probe, 20, "a-method").layers
    assert probe.asked == [1, 16, 4]
    every_other = learned(module, x[::2]).layers
    for name, layer in some.items():
        assert torch.equal(layer.weight, every_other[name].weight)
    assert any("fewer than 50" in note for note in learned(module, x).notes)
    assert not any("fewer than" in note for note in learned(module, pictures_of(50)).notes)
    for count in (0, 1):
        with pytest.raises(NotApplicable, match="--calibration"):
            learned(module, x[:count])


def test_single_precision_is_enough():
    module, _ = conv_relu()
    x = pictures_of(20) + 30  # means thirty times as large as deviations
    double = patterns_of(module, x)
    single = patterns_of(module.float(), x.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, atol=2e-3 * np.abs(double).max())


def test_pictures_that_are_all_the_same_teach_nothing():
    weights = {"w": RNG(3).standard_normal((5, 3))}
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])]
    module = converted(nodes, weights, (5, 1, 1))
    x = np.repeat(pictures_of(1, (5, 1, 1)), 20, axis=0)
    with pytest.raises(NotApplicable, match="its 20 pictures to learn from are all the same"):
        learned(module, x)
    x[17] += 0.1
    assert learned(module, x).layers
