"""Backward rules: the same values bit for bit, and what each kind of layer hands back."""

from copy import deepcopy

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from geoaudit.model.convert import convert
from geoaudit_plugins.patterns.kernels import Anatomy
from geoaudit_plugins.patterns.learning import Patterns
from geoaudit_plugins.patterns.statistics import LayerPatterns
from geoaudit_plugins.patterns.substitution import substitute

RNG = np.random.default_rng
WINDOWS = {
    "plain": {},
    "strides": {"strides": [2, 1], "pads": [1, 1, 1, 1]},
    "dilations": {"dilations": [1, 2], "pads": [0, 2, 0, 2]},
    "groups": {"group": 2, "pads": [1, 1, 1, 1]},
    "asymmetric": {"pads": [2, 0, 1, 3], "strides": [2, 2]},
    "same": {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
}


def converted(nodes, weights, shape, dtype):
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    arrays = {
        name: array if array.dtype == np.int64 else array.astype(dtype)
        for name, array in ((name, np.asarray(values)) for name, values in weights.items())
    }
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", kind, ["N", *shape])],
        [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return convert(onnx.shape_inference.infer_shapes(proto), "small").module


def patterned(module, factor=None, shares=None, residual="covariance"):
    """The graph with w * a = w * `factor(w)` in every layer; the weights themselves by default."""
    layers = {
        name: LayerPatterns(kernel.weight * (factor(kernel.weight) if factor else 1), 1, 0, False)
        for name, kernel in Anatomy(module).kernels.items()
    }
    return substitute(deepcopy(module), Patterns(layers, shares or {}, ()), residual)


def gradient(module, x, upstream):
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    y = module(leaf)
    return y.detach(), torch.autograd.grad((y * upstream(y)).sum(), leaf)[0]


def noise(y):
    return torch.from_numpy(RNG(11).standard_normal(y.shape)).to(y.dtype)


def ones(y):
    return torch.ones_like(y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("window", WINDOWS)
def test_convolutions_keep_their_values_and_go_back_by_weights_times_patterns(window, dtype):
    settings = WINDOWS[window]
    w = RNG(0).standard_normal((6, 4 // settings.get("group", 1), 3, 3))
    weights = {"w": w, "b": RNG(1).standard_normal(6)}
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], **settings)]
    x = RNG(2).standard_normal((3, 4, 7, 9)).astype(dtype)
    module = converted(nodes, weights, (4, 7, 9), dtype)
    value, back = gradient(patterned(module, lambda w: torch.cos(5 * w)), x, noise)
    assert torch.equal(value, module(torch.from_numpy(x)))
    by_patterns = converted(nodes, weights | {"w": w * np.cos(5 * w)}, (4, 7, 9), dtype)
    _, expected = gradient(by_patterns, x, noise)
    np.testing.assert_allclose(back, expected, atol=1e-5 if dtype == np.float32 else 1e-12)
    assert (back - gradient(module, x, noise)[1]).abs().max() > 0.1


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Gemm", ["f", "w", "b"], ["y"], alpha=0.5, beta=2.0)],
        [helper.make_node("MatMul", ["f", "w"], ["m"]), helper.make_node("Add", ["m", "b"], ["y"])],
    ],
)
def test_products_go_back_by_weights_times_patterns(nodes):
    weights = {"w": RNG(0).standard_normal((5, 3)), "b": RNG(1).standard_normal(3)}
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), *nodes]
    x = RNG(2).standard_normal((4, 5, 1, 1))
    module = converted(nodes, weights, (5, 1, 1), np.float64)
    value, back = gradient(patterned(module, lambda w: w), x, ones)
    assert torch.equal(value, module(torch.from_numpy(x)))
    alpha = 0.5 if len(nodes) == 2 else 1.0
    expected = alpha * (weights["w"] ** 2).sum(axis=1)
    np.testing.assert_allclose(back[:, :, 0, 0], np.tile(expected, (4, 1)), rtol=1e-12)


def test_values_that_overflow_with_patterns_stay_what_they_are():
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    module = converted(nodes, {"w": np.ones((1, 1, 1, 1))}, (1, 2, 2), np.float32)
    x = np.ones((1, 1, 2, 2), np.float32) * 1e30
    assert torch.equal(patterned(module, lambda w: w * 1e30)(torch.from_numpy(x)), torch.from_numpy(x))


def residual_network(**changes):
    """1 x 1 convolutions of positive numbers, so that every ReLU is open, around one skip connection."""
    weights = {name: RNG(i).uniform(0.1, 1, shape) for i, (name, shape) in enumerate(
        {"w": (4, 3, 1, 1), "v": (4, 4, 1, 1), "b": (4,), "m": (4, 2)}.items())}  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "v", "b"], ["d"]),
        helper.make_node("Add", ["d", "r"], ["a"]),
        helper.make_node("Relu", ["a"], ["q"]),
        helper.make_node("GlobalAveragePool", ["q"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["y"]),
    ]
    return converted(nodes, weights, (3, 4, 4), np.float64)


@pytest.mark.parametrize(("residual", "total"), [("covariance", 1.0), ("gradient", 2.0)])
def test_a_residual_block_hands_on_what_it_receives(residual, total):
    """Weights times patterns add up to 1 in every neuron; so does the map, once or twice."""
    module = residual_network()
    (sum_,) = Anatomy(module).sums
    first = torch.tensor([0.2, 0.7, -0.1, 0.5], dtype=torch.float64).reshape(1, 4, 1, 1)
    kernels = Anatomy(module).kernels
    layers = {}
    for name, kernel in kernels.items():
        axes = [axis for axis in range(kernel.weight.dim()) if axis != kernel.axis]
        layers[name] = LayerPatterns(kernel.weight / kernel.weight.sum(axes, keepdim=True), 1, 0, False)
    patterns = Patterns(layers, {sum_: first}, ())
    x = RNG(5).uniform(0, 1, (2, 3, 4, 4))
    value, back = gradient(substitute(deepcopy(module), patterns, residual), x, lambda y: torch.eye(2).double())
    assert torch.equal(value, module(torch.from_numpy(x)))
    np.testing.assert_allclose(back.sum((1, 2, 3)), total, rtol=1e-12)


def test_terms_get_their_own_share():
    nodes = [helper.make_node("Neg", ["x"], ["n"]), helper.make_node("Relu", ["n"], ["r"]),
             helper.make_node("Add", ["x", "r"], ["y"])]  # fmt: skip
    module = converted(nodes, {}, (1, 1, 2), np.float64)
    (sum_,) = Anatomy(module).sums
    shares = torch.tensor(0.3, dtype=torch.float64).reshape(1, 1, 1, 1)
    _, back = gradient(patterned(module, shares={sum_: shares}), np.array([[[[2.0, -2.0]]]]), ones)
    np.testing.assert_allclose(back.ravel(), [0.3, 0.3 + 0.7], rtol=1e-12)  # Neg stands alone: identity


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("BatchNormalization", ["x", "g", "z", "z", "v"], ["n"])],
        [helper.make_node("Sub", ["x", "k"], ["s"]), helper.make_node("Div", ["s", "k"], ["n"])],
        [helper.make_node("Mul", ["k", "x"], ["s"]), helper.make_node("Relu", ["s"], ["n"])],
        [helper.make_node("Sub", ["k", "x"], ["n"])],
    ],
)
def test_rescaling_layers_hand_back_what_they_get(nodes):
    weights = {"w": RNG(0).standard_normal((2, 3, 1, 1)), "k": np.array([3.0, 5, 4]).reshape(3, 1, 1),
               "g": np.array([2.0, -3, 0.1]), "z": np.zeros(3), "v": np.full(3, 4.0)}  # fmt: skip
    conv = helper.make_node("Conv", ["n", "w"], ["y"])
    module = converted([*nodes, conv], weights, (3, 2, 2), np.float64)
    x = RNG(3).uniform(0.5, 1, (2, 3, 2, 2))
    value, back = gradient(patterned(module), x, ones)
    assert torch.equal(value, module(torch.from_numpy(x)))
    np.testing.assert_allclose(back, np.broadcast_to(weights["w"].sum(axis=0), x.shape), rtol=1e-12)


@pytest.mark.parametrize(
    "nodes",
    [
        [  # hard swish, divided at the end
            helper.make_node("Add", ["x", "k"], ["a"]),
            helper.make_node("Clip", ["a", "low", "high"], ["c"]),
            helper.make_node("Mul", ["x", "c"], ["m"]),
            helper.make_node("Div", ["m", "high"], ["n"]),
        ],
        [  # hard swish, divided in the gate
            helper.make_node("Div", ["x", "high"], ["d"]),
            helper.make_node("Add", ["d", "k"], ["a"]),
            helper.make_node("Clip", ["a", "low", "high"], ["c"]),
            helper.make_node("Mul", ["x", "c"], ["n"]),
        ],
        [  # swish with a slope
            helper.make_node("Mul", ["x", "high"], ["d"]),
            helper.make_node("Sigmoid", ["d"], ["c"]),
            helper.make_node("Mul", ["x", "c"], ["n"]),
        ],
        [  # layer normalisation written out
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1]),
            helper.make_node("Sub", ["x", "mean"], ["s"]),
            helper.make_node("Mul", ["s", "s"], ["q"]),
            helper.make_node("ReduceMean", ["q"], ["var"], axes=[1]),
            helper.make_node("Sqrt", ["var"], ["root"]),
            helper.make_node("Div", ["s", "root"], ["h"]),
            helper.make_node("Mul", ["h", "k"], ["n"]),
        ],
        [helper.make_node("Div", ["high", "x"], ["n"])],
        [  # a constant that enlarges what it multiplies
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1]),
            helper.make_node("Mul", ["mean", "k"], ["n"]),
        ],
    ],
    ids=["swish", "gate", "slope", "norm", "reciprocal", "wide"],
)
def test_products_of_two_tensors_and_what_shares_in_them_keep_their_gradient(nodes):
    weights = {"w": RNG(0).standard_normal((2, 3, 1, 1)), "k": np.array([3.0, 5, 4]).reshape(3, 1, 1),
               "low": np.float64(0), "high": np.float64(6)}  # fmt: skip
    module = converted([*nodes, helper.make_node("Conv", ["n", "w"], ["y"])], weights, (3, 2, 2), np.float64)
    x = RNG(3).uniform(-2, 2, (2, 3, 2, 2))
    for found, expected in zip(gradient(patterned(module), x, noise), gradient(module, x, noise), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_patterns_of_one_and_plain_sums_are_the_gradient():
    module = residual_network()
    x = RNG(6).uniform(-1, 1, (2, 3, 4, 4))
    (sum_,) = Anatomy(module).sums
    shares = {sum_: torch.full((1, 1, 1, 1), 0.5, dtype=torch.float64)}
    plain = gradient(module, x, noise)
    for found, expected in zip(gradient(patterned(module, None, shares, "gradient"), x, noise), plain, strict=True):
        assert torch.equal(found, expected)
    assert (gradient(patterned(module, None, shares), x, noise)[1] - plain[1]).abs().max() > 1e-3
