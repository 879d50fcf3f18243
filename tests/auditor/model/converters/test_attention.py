"""Attention against onnxruntime: layouts, masks, grouped heads, caches, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

from geoaudit.model.converters.attention import attention

Agrees = Callable[..., list[Any]]
_RANDOM = np.random.default_rng(0)


def _floats(*shape: int) -> Any:
    return _RANDOM.standard_normal(shape).astype(np.float32)


def _inputs(layout: str, heads: int = 4, shared: int = 2) -> tuple[dict[str, Any], dict[str, Any]]:
    """Queries, keys and values of two sequences of lengths 3 and 5, and the attributes that they need."""
    if layout == "4d":
        return {"x": _floats(2, heads, 3, 4), "k": _floats(2, shared, 5, 4), "v": _floats(2, shared, 5, 6)}, {}
    flat = {"x": _floats(2, 3, heads * 4), "k": _floats(2, 5, shared * 4), "v": _floats(2, 5, shared * 6)}
    return flat, {"q_num_heads": heads, "kv_num_heads": shared}


@pytest.mark.parametrize("layout", ["3d", "4d"])
@pytest.mark.parametrize("shared", [4, 2, 1])
@pytest.mark.parametrize("attributes", [{}, {"is_causal": 1}, {"scale": 0.3, "softcap": 1.5}])
def test_without_mask(agrees: Agrees, layout: str, shared: int, attributes: Any) -> None:
    feeds, needed = _inputs(layout, shared=shared)
    agrees(helper.make_node("Attention", list(feeds), ["y"], **needed, **attributes), feeds, opset=23, gradient=("x",))


@pytest.mark.parametrize("shape", [(3, 5), (1, 1, 3, 5), (2, 1, 3, 5), (2, 4, 3, 5), (4, 3, 5)])
@pytest.mark.parametrize("kind", [bool, np.float32])
@pytest.mark.parametrize("causal", [0, 1])
def test_masks(agrees: Agrees, shape: tuple[int, ...], kind: Any, causal: int) -> None:
    feeds, needed = _inputs("3d")
    feeds["mask"] = _floats(*shape) > -0.5 if kind is bool else _floats(*shape)
    node = helper.make_node("Attention", list(feeds), ["y"], is_causal=causal, **needed)
    agrees(node, feeds, opset=23, gradient=("x",))


def test_a_query_without_keys_gives_zeros_and_a_finite_gradient() -> None:
    q, k, v = (torch.randn(1, 2, 3, 4, requires_grad=True) for _ in range(3))
    y = attention(q, k, v, torch.tensor([[True] * 3, [False] * 3, [True] * 3]))
    assert isinstance(y, torch.Tensor)
    y.sum().backward()
    assert not y[:, :, 1].any()
    assert all(t.grad is not None and t.grad.isfinite().all() for t in (q, k, v))


@pytest.mark.parametrize("mode", [0, 1, 3])
def test_cache_and_products(agrees: Agrees, mode: int) -> None:
    feeds, needed = _inputs("4d")
    feeds |= {"past_key": _floats(2, 2, 3, 4), "past_value": _floats(2, 2, 3, 6)}
    inputs = ["x", "k", "v", "", "past_key", "past_value"]
    node = helper.make_node(
        "Attention", inputs, ["y", "key", "value", "products"], softcap=2.0, qk_matmul_output_mode=mode, **needed
    )
    agrees(node, feeds, opset=23, gradient=("x",))


@pytest.mark.parametrize("attributes", [{}, {"interleaved": 1}, {"rotary_embedding_dim": 4}])
@pytest.mark.parametrize("layout", ["3d", "4d"])
def test_rotary_embedding(agrees: Agrees, layout: str, attributes: Any) -> None:
    half = attributes.get("rotary_embedding_dim", 8) // 2
    x = _floats(2, 3, 5, 8) if layout == "4d" else _floats(2, 5, 24)
    feeds = {"x": x, "cos": _floats(9, half), "sin": _floats(9, half)}
    feeds["positions"] = _RANDOM.integers(0, 9, (2, 5))
    heads = {} if layout == "4d" else {"num_heads": 3}
    node = helper.make_node("RotaryEmbedding", list(feeds), ["y"], **heads, **attributes)
    agrees(node, feeds, opset=23, gradient=("x",))
