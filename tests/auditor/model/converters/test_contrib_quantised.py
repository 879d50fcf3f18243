"""Quantised operators of the com.microsoft domain against onnxruntime.

Its kernels add and multiply in another order, so that a number halfway between two may land one step off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from onnx import helper, numpy_helper

from geoaudit.model.converters import contrib_quantised

Array = npt.NDArray[Any]
Agrees = Callable[..., list[Array]]
DOMAIN = "com.microsoft"


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def whole(*shape: int, kind: Any = np.uint8, seed: int = 0) -> Array:
    limits = np.iinfo(kind)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(kind)


def scale(value: float) -> Array:
    return np.array(value, np.float32)


def run(
    agrees: Agrees, op: str, feeds: dict[str, Array], inputs: str = "", atol: float = 0.0, **attributes: Any
) -> Array:
    names = (inputs or ",".join(feeds)).split(",")
    node = helper.make_node(op, names, ["y"], domain=DOMAIN, **attributes)
    (y,) = agrees(node, {n: feeds[n] for n in names if n}, domains={DOMAIN: 1}, rtol=0.0, atol=atol)
    assert len(np.unique(y)) > 3, "every number is clipped: the case shows nothing"
    return y


KINDS = pytest.mark.parametrize("kind", [np.uint8, np.int8])


def two(kind: Any, shape: tuple[int, ...] = (3, 1, 5)) -> dict[str, Array]:
    return {
        "a": whole(2, 3, 4, 5, kind=kind),
        "as": scale(0.03),
        "az": np.array(20, kind),
        "b": whole(*shape, kind=kind, seed=1),
        "bs": scale(0.05),
        "bz": np.array(40, kind),
        "cs": scale(0.1),
        "cz": np.array(9, kind),
    }


@KINDS
@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
def test_sums_and_products(agrees: Agrees, op: str, kind: Any) -> None:
    run(agrees, op, two(kind), atol=1)


@KINDS
def test_where(agrees: Agrees, kind: Any) -> None:
    run(agrees, "QLinearWhere", {"c": np.array([True, False, True, True, False]), **two(kind)}, atol=1)


def one(kind: Any, *shape: int, y_scale: float, y_zero_point: int = 0) -> dict[str, Array]:
    return {"x": whole(*shape, kind=kind), "xs": scale(0.04), "xz": np.array(30, kind), "ys": scale(y_scale),
            "yz": np.array(y_zero_point, kind)}  # fmt: skip


@KINDS
def test_functions(agrees: Agrees, kind: Any) -> None:
    run(agrees, "QLinearSigmoid", one(kind, 3, 50, y_scale=1 / 128))
    run(agrees, "QLinearLeakyRelu", one(kind, 3, 50, y_scale=0.05, y_zero_point=50), alpha=0.2, atol=1)


@KINDS
@pytest.mark.parametrize(("opset", "axis"), [(13, -1), (13, 1), (12, 1)])
def test_softmax(agrees: Agrees, kind: Any, opset: int, axis: int) -> None:
    feeds = one(kind, 3, 4, 5, y_scale=1 / 256, y_zero_point=np.iinfo(kind).min)
    feeds["xs"] = scale(0.01)
    run(agrees, "QLinearSoftmax", feeds, opset=opset, axis=axis, atol=1)


def test_concatenation(agrees: Agrees) -> None:
    a = two(np.uint8, (2, 2, 4, 5))
    feeds = {"cs": a["cs"], "cz": a["cz"], **{k: a[k] for k in ("a", "as", "az", "b", "bs", "bz")}}
    run(agrees, "QLinearConcat", feeds, axis=1)


def test_mean_by_numpy() -> None:
    x = whole(2, 3, 4)
    given = (torch.from_numpy(x), torch.tensor(0.1), torch.tensor(100, dtype=torch.uint8), torch.tensor(0.05))
    expected = np.clip(np.rint(((x.astype(float) - 100) * 0.1).mean((1, 2)) / 0.05), 0, 255)
    found = contrib_quantised.qlinear_reduce_mean(*given, axes=[1, 2], keepdims=0)
    np.testing.assert_allclose(found.numpy(), expected)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("include", [0, 1])
def test_average_pools(agrees: Agrees, last: int, include: int) -> None:
    feeds = one(np.uint8, 2, 5, 6, 3, y_scale=0.05, y_zero_point=100)
    settings = {"kernel_shape": [2, 3], "pads": [1, 1, 0, 1], "strides": [2, 1], "count_include_pad": include}
    if not last:
        feeds["x"] = np.ascontiguousarray(np.moveaxis(feeds["x"], -1, 1))
    run(agrees, "QLinearAveragePool", feeds, channels_last=last, atol=1, **settings)
    run(
        agrees,
        "QLinearGlobalAveragePool",
        {**feeds, "ys": scale(0.05), "yz": np.array(40, np.uint8)},
        channels_last=last,
        atol=1,
    )


@pytest.mark.parametrize("last", [0, 1])
def test_convolution_of_either_layout(agrees: Agrees, last: int) -> None:
    x = whole(2, 6, 7, 4)
    feeds = {
        "x": x if last else np.ascontiguousarray(np.moveaxis(x, -1, 1)),
        "xs": scale(0.02),
        "xz": np.array(120, np.uint8),
        "w": whole(6, 4, 3, 3, kind=np.int8) // 4,
        "ws": scale(0.02),
        "wz": np.array(0, np.int8),
        "ys": scale(0.1),
        "yz": np.array(100, np.uint8),
        "b": np.arange(-300, 300, 100, dtype=np.int32),
    }
    run(agrees, "QLinearConv", feeds, channels_last=last, pads=[1, 1, 1, 1])


@pytest.mark.parametrize("inputs", ["a,as,az,b,bs,bz,c,ys,yz", "a,as,az,b,bs,bz,c", "a,as,az,b,bs,bz,,ys,yz"])
@pytest.mark.parametrize("columns", [(), (5,)])
def test_gemm(agrees: Agrees, inputs: str, columns: tuple[int, ...]) -> None:
    feeds = {
        "a": whole(4, 3),
        "as": scale(0.02),
        "az": np.array(13, np.uint8),
        "b": whole(5, 4, kind=np.int8) // 2,
        "bs": np.full(columns, 0.03, np.float32),
        "bz": np.full(columns, -7, np.int8),
        "c": np.arange(-100, 150, 50, dtype=np.int32),
        "ys": scale(0.05),
        "yz": np.array(110, np.uint8),
    }
    run(agrees, "QGemm", feeds, inputs, transA=1, transB=1, alpha=0.5, atol=1e-4)


@pytest.mark.parametrize("columns", [(), (5,)])
def test_products_with_real_results(agrees: Agrees, columns: tuple[int, ...]) -> None:
    feeds = {
        "a": whole(2, 3, 4),
        "x": numbers(2, 3, 4),
        "b": whole(4, 5, kind=np.int8) // 2,
        "as": scale(0.02),
        "bs": np.full(columns, 0.03, np.float32),
        "az": np.array(13, np.uint8),
        "bz": np.full(columns, -7, np.int8),
        "bias": numbers(5, seed=3),
    }
    run(agrees, "MatMulIntegerToFloat", feeds, "a,b,as,bs,az,bz,bias", atol=1e-4)
    run(agrees, "DynamicQuantizeMatMul", feeds, "x,b,bs,bz,bias", atol=1e-4)
    run(agrees, "DynamicQuantizeMatMul", feeds, "x,b,bs", atol=1e-4)


def test_attention(agrees: Agrees) -> None:
    feeds = {
        "x": whole(3, 4, 4),
        "w": whole(4, 18, kind=np.int8) // 2,
        "bias": numbers(18),
        "xs": scale(0.01),
        "ws": scale(0.02),
        "mask": np.array([4, 2, 3], np.int32),
        "xz": np.array(120, np.uint8),
        "wz": np.array(3, np.int8),
    }
    run(agrees, "QAttention", feeds, num_heads=2, atol=1e-4)
    run(agrees, "QAttention", feeds, "x,w,bias,xs,ws,,xz,wz", num_heads=2, unidirectional=1, atol=1e-4)


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.uint8])
def test_linear_quantisation_of_16_bits(agrees: Agrees, kind: Any) -> None:
    feeds = {"x": 100 * numbers(4, 5), "s": np.array([0.5, 0.1, 1, 2, 0.3], np.float32), "z": whole(5, kind=kind) // 2}
    run(agrees, "QuantizeLinear", feeds, axis=1)
    run(agrees, "DequantizeLinear", {**feeds, "x": whole(4, 5, kind=kind)}, axis=1, atol=1e-3)


@pytest.mark.parametrize(("bits", "size"), [(4, 16), (4, 32), (8, 16), (2, 16)])
@pytest.mark.parametrize("zeros", ["", "zp", "zf"])
def test_product_with_a_weight_of_few_bits(agrees: Agrees, bits: int, size: int, zeros: str) -> None:
    k, n = 40, 6
    blocks = -(-k // size)
    rows = blocks * bits // 8 + bool(blocks * bits % 8)
    feeds = {"x": numbers(2, 3, k), "w": whole(n, blocks, size * bits // 8), "s": np.abs(numbers(n, blocks)) / 10,
             "zp": whole(n, rows, seed=5), "zf": numbers(n, blocks, seed=6) + 2, "bias": numbers(n)}  # fmt: skip
    if zeros == "zf" and bits != 4:
        pytest.skip("onnxruntime takes packed zero points alone")
    run(agrees, "MatMulNBits", feeds, f"x,w,s,{zeros},,bias", K=k, N=n, bits=bits, block_size=size, atol=2e-3)


@pytest.mark.parametrize(("bits", "size"), [(4, 16), (4, 32), (8, 32), (2, 16), (2, 32)])
def test_accuracy_level_of_eight_bits_rounds_the_input_as_onnxruntime_does(
    agrees: Agrees, bits: int, size: int
) -> None:
    k, n = 72, 16
    blocks = -(-k // size)
    constants = {"w": whole(n, blocks, size * bits // 8), "s": np.abs(numbers(n, blocks)) / 10}
    nodes = [helper.make_node("Constant", [], [c], value=numpy_helper.from_array(v)) for c, v in constants.items()]
    settings = {"K": k, "N": n, "bits": bits, "block_size": size, "accuracy_level": 4}
    nodes.append(helper.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain=DOMAIN, **settings))
    agrees(nodes, {"x": numbers(5, k)}, domains={DOMAIN: 1}, atol=1e-4)


def test_eight_bit_activations_round_with_a_straight_gradient() -> None:
    x = torch.from_numpy(numbers(3, 40)).requires_grad_()
    w, s = torch.from_numpy(whole(6, 3, 8)), torch.ones(6, 3)
    exact = contrib_quantised.matmul_n_bits(x, w, s, K=40, N=6, block_size=16)
    rounded = contrib_quantised.matmul_n_bits(x, w, s, K=40, N=6, block_size=16, accuracy_level=4)
    assert 0 < (rounded - exact).abs().max().item() < 0.02 * exact.abs().max().item()
    (found,), (expected,) = torch.autograd.grad(rounded.sum(), x), torch.autograd.grad(exact.sum(), x)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("settings", [{"bits": 3}, {"weight_prepacked": 1}])
def test_weights_packed_otherwise_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(NotImplementedError, match=next(iter(settings))):
        contrib_quantised.matmul_n_bits(
            torch.ones(1, 16), torch.ones(1), torch.ones(1), K=16, N=1, block_size=16, **settings
        )
