"""Every operator's adjoint against torch's automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, helper

Check = Callable[..., np.ndarray]
Images = Callable[..., np.ndarray]


def node(kind: str, *inputs: str, **attributes: Any) -> NodeProto:
    return helper.make_node(kind, list(inputs) or ["x"], ["y"], **attributes)


POSITIVE = {"Log", "Sqrt", "Reciprocal"}
OF_ONE: list[tuple[str, dict[str, Any], int]] = [
    *((name, {}, 22) for name in (
        "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Mish", "HardSwish", "Erf", "Neg", "Abs", "Exp", "Log",
        "Sqrt", "Reciprocal", "Sin", "Cos", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu",
        "HardSigmoid", "ThresholdedRelu",
        "Identity", "GlobalAveragePool", "GlobalMaxPool", "Flatten", "Softmax", "LogSoftmax", "Dropout",
    )),
    *((name, {"axes": [-1, 1]}, 17) for name in (
        "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp",
    )),
    ("Swish", {"alpha": 1.7}, 24),
    ("LeakyRelu", {"alpha": 0.3}, 17),
    ("Elu", {"alpha": 0.6}, 17),
    ("Celu", {"alpha": 0.6}, 17),
    ("Gelu", {"approximate": "tanh"}, 20),
    ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, 17),
    ("Softmax", {"axis": 1}, 17),
    ("Softmax", {"axis": 2}, 11),
    ("LogSoftmax", {"axis": 2}, 17),
    ("Transpose", {"perm": [0, 3, 1, 2]}, 17),
    ("ReduceMean", {"axes": [2, 3], "keepdims": 0}, 17),
    ("ReduceMean", {"axes": [-1]}, 13),
    ("ReduceMax", {"axes": [1], "keepdims": 0}, 17),
    ("ReduceL2", {"axes": [1, 3]}, 17),
    ("SpaceToDepth", {"blocksize": 2}, 17),
    ("DepthToSpace", {"blocksize": 2}, 17),
    ("DepthToSpace", {"blocksize": 2, "mode": "CRD"}, 17),
    ("LRN", {"size": 3, "alpha": 0.9, "beta": 0.6, "bias": 1.5}, 17),
    ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}, 17),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 0, 0, 1], "strides": [2, 1]}, 17),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, 17),
    ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, 17),
    ("AveragePool", {"kernel_shape": [3, 2], "auto_pad": "SAME_UPPER", "strides": [2, 2]}, 17),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, 17),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, 13),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [0, 1, 1, 0], "dilations": [1, 2]}, 17),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, 17),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "attributes", "opset"), OF_ONE, ids=lambda v: v if isinstance(v, str) else None)
def test_operators_of_one_tensor(
    kind: str, attributes: dict[str, Any], opset: int, agrees: Check, images: Images
) -> None:
    x = 2 * images(2, 4, 6, 8)
    agrees(node(kind, **attributes), np.abs(x) + 0.1 if kind in POSITIVE else x, opset=opset, tolerance=5e-5)


@pytest.mark.parametrize(
    ("kind", "other"),
    [(kind, shape) for kind in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean")
     for shape in ((2, 4, 6, 8), (4, 1, 1), (1,), (3, 1, 4, 1, 8))],
)  # fmt: skip
@pytest.mark.parametrize("second", [False, True])
def test_operators_of_two_tensors_that_broadcast(
    kind: str, other: tuple[int, ...], second: bool, agrees: Check, images: Images
) -> None:
    """The image's side is repeated where the other is longer; batch 1 there, so that pictures stay apart."""
    if len(other) > 4:
        x, other = images(1, 1, 4, 1, 8), (1, 4, 4, 6, 8)
    else:
        x = images(2, 4, 6, 8)
    constant = images(*other, seed=1)
    constant = constant + np.sign(constant).astype(np.float32)
    given = ["c", "e"] if second else ["e", "c"]
    nodes = [helper.make_node("Exp", ["x"], ["e"]), node(kind, *given)]
    agrees(nodes, x, {"c": constant})


def test_both_sides_of_a_product_depend_on_the_image(agrees: Check, images: Images) -> None:
    nodes = [
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3]),
        helper.make_node("Sigmoid", ["m"], ["s"]),
        helper.make_node("Mul", ["e", "s"], ["p"]),
        helper.make_node("Div", ["p", "e"], ["q"]),
        helper.make_node("Mul", ["p", "q"], ["r"]),
        helper.make_node("Sub", ["r", "s"], ["y"]),
    ]
    agrees(nodes, images(2, 3, 4, 5))


@pytest.mark.parametrize("inputs", [("x", "s"), ("s", "x")])
def test_swish_whose_sigmoid_is_used_elsewhere(inputs: tuple[str, str], agrees: Check, images: Images) -> None:
    sigmoid, swish = helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", list(inputs), ["m"])
    agrees([sigmoid, helper.make_node("Mul", list(inputs), ["y"])], images(2, 3, 4))
    agrees([sigmoid, swish, helper.make_node("Add", ["m", "s"], ["a"]), node("Mul", "a", "m")], images(2, 3, 4))


@pytest.mark.parametrize("exponent", [2.0, 3.0, 0.5, -1.5, 1.0])
def test_powers(exponent: float, agrees: Check, images: Images) -> None:
    x = np.abs(images(2, 3, 4, 4)) + 0.1
    agrees(node("Pow", "x", "p"), x, {"p": np.array(exponent, dtype=np.float32)})


def test_roots_of_zero_have_no_derivative(agrees: Check) -> None:
    x = np.array([[0.0, 1.0, 4.0, 0.0]], dtype=np.float32)
    assert agrees(node("Sqrt"), x)[0, 0] == 0
    assert agrees(node("Pow", "x", "p"), x, {"p": np.array(0.5, dtype=np.float32)})[0, 3] == 0


KINKS = [
    ("Relu", {}), ("LeakyRelu", {}), ("Elu", {"alpha": 0.7}), ("Celu", {"alpha": 0.7}), ("Selu", {}), ("Abs", {}),
    ("HardSwish", {}), ("HardSigmoid", {"alpha": 0.25, "beta": 0.5}), ("ThresholdedRelu", {"alpha": 2.0}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "attributes"), KINKS, ids=[kind for kind, _ in KINKS])
def test_at_kinks_the_derivative_is_torchs(kind: str, attributes: dict[str, Any], agrees: Check) -> None:
    below = np.nextafter(np.float32(3), np.float32(0))
    x = np.array([[-3.0, -2.0, 0.0, 2.0, 3.0, 1.0, below, 1e-30]], dtype=np.float32)
    agrees(node(kind, **attributes), x)


@pytest.mark.parametrize("bounds", [(0.0, 6.0), (-1.5, 2.0), (0.0, None), (None, 2.0), (0.1, 0.3)])
def test_clip_at_and_next_to_its_bounds(bounds: tuple[float | None, float | None], agrees: Check) -> None:
    edges = [np.float32(b) for b in bounds if b is not None]
    near = [v for e in edges for v in (np.nextafter(e, np.float32(-9)), e, np.nextafter(e, np.float32(9)))]
    near = [v if v == 0 or abs(v) > 1e-37 else np.sign(v) * 1e-37 for v in near]  # smaller ones are rounded off
    x = np.array([[*near, -3.0, 3.0, 7.0, 1.0, 0.2]], dtype=np.float32)
    constants = {name: np.float32(b) for name, b in zip(("low", "high"), bounds, strict=True) if b is not None}
    names = [name if name in constants else "" for name in ("low", "high")]
    agrees(node("Clip", "x", *names), x, {name: np.asarray(value) for name, value in constants.items()})


def test_equal_largest_values_share_as_in_torch(agrees: Check) -> None:
    x = np.array([[[[1.0, 2.0, 2.0], [2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]]], dtype=np.float32)
    agrees(node("MaxPool", kernel_shape=[2, 2]), x)
    agrees(node("GlobalMaxPool"), x)
    agrees(node("ReduceMax", axes=[3]), x)
    agrees([helper.make_node("Exp", ["x"], ["e"]), node("Max", "e", "c")], x, {"c": np.exp(x)[:, :, :1]})


@pytest.mark.parametrize("turned", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_gemm_with_every_transposition(turned: tuple[int, int], agrees: Check, images: Images) -> None:
    a, b = turned
    first = helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]) if a else helper.make_node("Tanh", ["x"], ["t"])
    w, c = images(7, 5, seed=1), images(7, seed=2)
    gemm = node("Gemm", "t", "w", "c", alpha=0.5, beta=2.0, transA=a, transB=b)
    agrees([first, gemm], images(3, 5), {"w": w if b else w.T.copy(), "c": c})


@pytest.mark.parametrize("shapes", [((2, 3, 4, 5), (5, 6)), ((2, 3, 4, 5), (3, 5, 6)), ((2, 4, 5), (3, 1, 5, 6)),
                                    ((2, 3, 5), (5,)), ((2, 1, 4, 5), (3, 5, 2))])  # fmt: skip
def test_matrix_products_with_constants(shapes: tuple[Any, Any], agrees: Check, images: Images) -> None:
    x, w = images(*shapes[0]), images(*shapes[1], seed=1)
    nodes = [helper.make_node("Tanh", ["x"], ["t"]), node("MatMul", "t", "w")]
    if len(shapes[1]) < 4:
        agrees(nodes, x, {"w": w})


def test_matrix_products_from_the_left(agrees: Check, images: Images) -> None:
    nodes = [helper.make_node("Tanh", ["x"], ["t"]), node("MatMul", "v", "t")]
    agrees(nodes, images(2, 3, 4, 5), {"v": images(1, 1, 6, 4, seed=3)})
    agrees(nodes, images(2, 4, 5), {"v": images(6, 4, seed=3)})


def test_attention(agrees: Check, images: Images) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "wq"], ["q"]),
        helper.make_node("MatMul", ["x", "wk"], ["k"]),
        helper.make_node("MatMul", ["x", "wv"], ["v"]),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["scores_"]),
        helper.make_node("Softmax", ["scores_"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "v"], ["y"]),
    ]
    agrees(nodes, images(2, 5, 6), {name: 0.5 * images(6, 6, seed=i) for i, name in enumerate(("wq", "wk", "wv"))})


@pytest.mark.parametrize("equation", ["bij,jk->bik", "bij,bjk->bik", "bij,bkj->bik", "bij,j->bi"])
def test_einsum(equation: str, agrees: Check, images: Images) -> None:
    sides = {"b": 2, "i": 3, "j": 4, "k": 5}
    second = [sides[letter] for letter in equation.split(",")[1].split("->")[0]]
    agrees(node("Einsum", "x", "w", equation=equation), images(2, 3, 4), {"w": images(*second, seed=1)})


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [([1], [5], [2], None), ([-1], [-100], [3], [-1]), ([5], [0], [-2], [-2]), ([0, 1], [9, -1], [1, 3], [2, 3]),
     ([0], [2**62], [1], [1])],
)  # fmt: skip
def test_slices(starts: Any, ends: Any, axes: Any, steps: Any, agrees: Check, images: Images) -> None:
    constants = {n: np.array(v) for n, v in zip(("s", "e", "a", "t"), (starts, ends, axes, steps), strict=True) if v}
    agrees(node("Slice", "x", *constants), images(2, 4, 6, 8), constants)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize("pads", [[0, 0, 1, 2, 0, 0, 3, 1], [0, 0, -1, 2, 0, 0, 2, -2]])
def test_pads(mode: str, pads: list[int], agrees: Check, images: Images) -> None:
    if mode == "wrap" and min(pads) < 0:
        pytest.skip("onnxruntime wraps what negative pads take away")
    agrees(node("Pad", "x", "p", mode=mode), images(2, 3, 6, 7), {"p": np.array(pads)}, opset=19)


@pytest.mark.parametrize("indices", [2, [0, 2], [[3, -1], [0, 0]], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]])
def test_gather(indices: Any, agrees: Check, images: Images) -> None:
    agrees(node("Gather", "x", "i", axis=2), images(2, 3, 5, 2), {"i": np.array(indices)})


def test_rearrangements(agrees: Check, images: Images) -> None:
    x = images(2, 4, 6, 8)
    agrees(node("Reshape", "x", "s"), x, {"s": np.array([0, -1, 16])})
    agrees(node("Reshape", "x", "s"), x, {"s": np.array([2, 4, 48])})
    agrees(node("Unsqueeze", "x", "s"), x, {"s": np.array([1, -1])})
    agrees(node("Squeeze", "x", "s"), images(2, 1, 3, 1), {"s": np.array([-1])})
    agrees(node("Expand", "x", "s"), images(2, 1, 3, 1), {"s": np.array([5, 1, 4])})
    agrees(node("Tile", "x", "s"), x, {"s": np.array([1, 2, 1, 3])})


def test_concat_of_a_tensor_with_itself_and_split(agrees: Check, images: Images) -> None:
    x = images(2, 4, 6)
    agrees([helper.make_node("Exp", ["x"], ["e"]), node("Concat", "e", "x", "e", axis=-1)], x)
    split = helper.make_node("Split", ["x", "n"], ["a", "b", "c"], axis=1)
    agrees([split, node("Mul", "a", "c")], x, {"n": np.array([1, 2, 1])})


def test_where_and_comparisons(agrees: Check, images: Images) -> None:
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["above"]),
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("Where", ["above", "x", "e"], ["y"]),
    ]
    agrees(nodes, images(2, 3, 4), {"zero": np.float32(0)})
    agrees(node("Where", "c", "x", "w"), images(2, 1, 4), {"c": np.array([[True], [False]]), "w": images(2, 1, seed=1)})


def test_steps_pass_nothing_on(agrees: Check, images: Images) -> None:
    nodes = [
        helper.make_node("Floor", ["x"], ["f"]),
        helper.make_node("Cast", ["x"], ["i"], to=7),
        helper.make_node("Cast", ["i"], ["c"], to=1),
        helper.make_node("Add", ["f", "c"], ["s"]),
        helper.make_node("Mul", ["s", "x"], ["y"]),
    ]
    agrees(nodes, 3 * images(2, 3, 4))


@pytest.mark.parametrize("kind", [f"{kind}Normalization" for kind in ("Batch", "Instance", "Layer", "RMS", "Group")])
def test_normalisations(kind: str, agrees: Check, images: Images) -> None:
    x, scale, bias = images(2, 4, 5, 6), images(4, seed=1), images(4, seed=2)
    constants = {"s": scale, "b": bias}
    if kind == "BatchNormalization":
        constants |= {"m": images(4, seed=3), "v": np.abs(images(4, seed=4)) + 0.2}
    if kind in ("LayerNormalization", "RMSNormalization"):
        constants = {"s": images(6, seed=1), "b": images(6, seed=2)}
    if kind == "RMSNormalization":
        del constants["b"]
    attributes = {"num_groups": 2} if kind == "GroupNormalization" else {}
    agrees(node(kind, "x", *constants, epsilon=1e-3, **attributes), x, constants, opset=23)


@pytest.mark.parametrize(
    ("attributes", "scales"),
    [({"mode": "nearest"}, (2.0, 2.0)), ({"mode": "nearest"}, (0.5, 1.5)), ({"mode": "linear"}, (2.0, 1.5)),
     ({"mode": "linear", "coordinate_transformation_mode": "align_corners"}, (2.0, 0.5)),
     ({"mode": "cubic"}, (1.5, 2.0)),
     ({"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, (2.0, 16.0))],
)  # fmt: skip
def test_resizing(attributes: dict[str, Any], scales: tuple[float, float], agrees: Check, images: Images) -> None:
    constants = {"s": np.array([1.0, 1.0, *scales], dtype=np.float32)}
    agrees(node("Resize", "x", "", "s", **attributes), images(2, 3, 4, 6), constants)


OLD = [
    (9, "Clip", [], {"min": -0.5, "max": 0.7}, {}),
    (9, "Slice", [], {"starts": [1], "ends": [3], "axes": [2]}, {}),
    (9, "Upsample", ["s"], {"mode": "nearest"}, {"s": np.array([1, 1, 2, 2], np.float32)}),
    (10, "Resize", ["s"], {"mode": "nearest"}, {"s": np.array([1, 1, 2, 2], np.float32)}),
    (11, "ReduceSum", [], {"axes": [-1], "keepdims": 0}, {}),
    (12, "Softmax", [], {"axis": 1}, {}),
    (12, "LogSoftmax", [], {"axis": -1}, {}),
]


@pytest.mark.parametrize(("opset", "kind", "inputs", "attributes", "constants"), OLD, ids=[kind for _, kind, *_ in OLD])
def test_operators_as_older_operator_sets_write_them(
    opset: int, kind: str, inputs: list[str], attributes: Any, constants: Any, agrees: Check, images: Images
) -> None:
    """Attributes that have become inputs, and softmaxes over all axes from one on."""
    agrees(node(kind, "x", *inputs, **attributes), images(2, 3, 4, 4), constants, opset=opset)
