"""Matrix products against onnxruntime: every version, broadcasting, half precision, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

from geoaudit.model.converters.products import gemm_1

Agrees = Callable[..., list[Any]]
_RANDOM = np.random.default_rng(0)


def _floats(*shape: int) -> Any:
    return _RANDOM.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("opset", [7, 13])
@pytest.mark.parametrize("c", [(3, 5), (1, 5), (3, 1), (5,), (1,), ()])
def test_gemm(agrees: Agrees, opset: int, c: tuple[int, ...]) -> None:
    feeds = {"x": _floats(3, 4), "b": _floats(4, 5), "c": np.asarray(_floats(*c))}
    agrees(helper.make_node("Gemm", list(feeds), ["y"], alpha=0.5, beta=2.0), feeds, opset=opset, gradient=("x",))


@pytest.mark.parametrize(("a", "b"), [((3, 4), (4, 5)), ((4, 3), (5, 4))])
@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_gemm_without_c(agrees: Agrees, a: tuple[int, int], b: tuple[int, int], alpha: float) -> None:
    turned = int(a == (4, 3))
    node = helper.make_node("Gemm", ["x", "b"], ["y"], transA=turned, transB=turned, alpha=alpha)
    agrees(node, {"x": _floats(*a), "b": _floats(*b)}, gradient=("x",))


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.float64])
def test_gemm_as_a_linear_layer(agrees: Agrees, kind: Any) -> None:
    feeds = {"x": _floats(3, 4).astype(kind), "w": _floats(5, 4).astype(kind), "b": _floats(5).astype(kind)}
    tolerance = 5e-3 if kind == np.float16 else 1e-5
    agrees(
        helper.make_node("Gemm", list(feeds), ["y"], transB=1), feeds, rtol=tolerance, atol=tolerance, gradient=("x",)
    )


def test_gemm_before_broadcasting_was_implied() -> None:
    a, b, c = torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)
    assert torch.equal(gemm_1(a, b, c, broadcast=1), torch.full((2, 4), 4.0))
    with pytest.raises(ValueError, match="broadcast 0"):
        gemm_1(a, b, c)


@pytest.mark.parametrize(("a", "b"), [((4,), (4,)), ((2, 3, 4), (4,)), ((2, 1, 3, 4), (5, 4, 2))])
def test_matmul(agrees: Agrees, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    agrees(helper.make_node("MatMul", ["x", "b"], ["y"]), {"x": _floats(*a), "b": _floats(*b)}, gradient=("x", "b"))


def test_matmul_of_integers(agrees: Agrees) -> None:
    whole = np.arange(6, dtype=np.int64)
    agrees(helper.make_node("MatMul", ["a", "b"], ["y"]), {"a": whole.reshape(2, 3), "b": whole.reshape(3, 2)})


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bhid,bhjd->bhij", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("...ij, ...jk -> ...ik", [(2, 3, 4), (2, 4, 5)]),
        ("ij,jk,kl", [(2, 3), (3, 4), (4, 5)]),
        ("BiC,Cj->Bij", [(2, 3, 4), (4, 5)]),
        ("ba", [(2, 3)]),
        ("ii->i", [(3, 3)]),
    ],
)
def test_einsum(agrees: Agrees, equation: str, shapes: list[tuple[int, ...]]) -> None:
    feeds = {("x", "b", "c")[i]: _floats(*shape) for i, shape in enumerate(shapes)}
    agrees(helper.make_node("Einsum", list(feeds), ["y"], equation=equation), feeds, gradient=("x",))
