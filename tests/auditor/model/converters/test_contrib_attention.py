"""Attention of the com.microsoft domain against onnxruntime; packed forms, which its CPU lacks, against the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from onnx import helper

from geoaudit.model.converters import contrib_attention

Array = npt.NDArray[Any]
Agrees = Callable[..., list[Array]]
DOMAIN = "com.microsoft"
BATCH, QUERIES, KEYS, HEADS, SIZE = 3, 4, 5, 2, 3


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run(agrees: Agrees, op: str, inputs: str, feeds: dict[str, Array], outputs: str = "y", **attributes: Any) -> None:
    gradient = attributes.pop("gradient", ("x",))
    given = {name: feeds[name] for name in inputs.split(",") if name}
    node = helper.make_node(op, inputs.split(","), outputs.split(","), domain=DOMAIN, num_heads=HEADS, **attributes)
    agrees(node, given, domains={DOMAIN: 1}, gradient=gradient)


MASKS = {
    "none": None,
    "raw 2D": np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 1, 0]], np.int32),
    "raw 3D": np.tril(np.ones((BATCH, QUERIES, QUERIES), np.int32)),
    "lengths": np.array([4, 2, 3], np.int32),
    "ends and starts": np.array([4, 3, 4, 0, 1, 2], np.int32),
}


@pytest.mark.parametrize("mask", list(MASKS))
@pytest.mark.parametrize("causal", [0, 1])
def test_attention(agrees: Agrees, mask: str, causal: int) -> None:
    feeds = {"x": numbers(BATCH, QUERIES, 4), "w": numbers(4, 18, seed=1), "b": numbers(18, seed=2)}
    inputs = "x,w,b"
    if MASKS[mask] is not None:
        feeds["mask"], inputs = MASKS[mask], "x,w,b,mask"
    run(agrees, "Attention", inputs, feeds, unidirectional=causal)


def test_attention_with_bias_past_scale_and_fill(agrees: Agrees) -> None:
    feeds = {
        "x": numbers(BATCH, QUERIES, 4),
        "w": numbers(4, 18, seed=1),
        "b": numbers(18, seed=2),
        "mask": MASKS["raw 2D"],
        "past": numbers(2, BATCH, HEADS, 2, SIZE, seed=3),
        "bias": numbers(1, HEADS, QUERIES, QUERIES, seed=4),
    }
    run(agrees, "Attention", "x,w,b,mask,,bias", feeds, scale=0.3, mask_filter_value=-3.0)
    run(agrees, "Attention", "x,w,b,,past", feeds, "y,present", unidirectional=1)


def test_attention_of_uneven_hidden_sizes(agrees: Agrees) -> None:
    feeds = {"x": numbers(BATCH, QUERIES, 4), "w": numbers(4, 16, seed=1), "b": numbers(16, seed=2)}
    run(agrees, "Attention", "x,w,b", feeds, qkv_hidden_sizes=[6, 6, 4])


@pytest.mark.parametrize("setting", ["do_rotary", "past_present_share_buffer"])
def test_what_attention_cannot_do_is_refused(setting: str) -> None:
    with pytest.raises(NotImplementedError, match=setting):
        contrib_attention.attention(torch.ones(1, 2, 4), torch.ones(4, 12), outputs=1, num_heads=2, **{setting: 1})


CROSS = {
    "x": numbers(BATCH, QUERIES, HEADS * SIZE), "k": numbers(BATCH, KEYS, HEADS * SIZE, seed=1),
    "v": numbers(BATCH, KEYS, HEADS * 4, seed=2), "b": numbers(20, seed=3),
    "mask": np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 1, 0, 1]], np.int32),
    "lengths": np.array([5, 2, 3], np.int32),
    "bias": numbers(BATCH, 1, QUERIES, KEYS, seed=4),
    "k4": numbers(BATCH, HEADS, KEYS, SIZE, seed=5), "v4": numbers(BATCH, HEADS, KEYS, SIZE, seed=6),
    "pk": numbers(BATCH, HEADS, 2, SIZE, seed=7), "pv": numbers(BATCH, HEADS, 2, SIZE, seed=8),
}  # fmt: skip


@pytest.mark.parametrize(
    "inputs", ["x,k,v", "x,k,v,b", "x,k,v,b,mask", "x,k,v,,lengths", "x,k,v,,mask,bias", "x,k4,v4", "x,k4,v4,,mask"]
)
def test_multi_head_attention(agrees: Agrees, inputs: str) -> None:
    run(agrees, "MultiHeadAttention", inputs, CROSS, scale=0.4)


def test_multi_head_attention_is_causal_and_extends_the_past(agrees: Agrees) -> None:
    same = {**CROSS, "k": CROSS["k"][:, :QUERIES], "v": CROSS["v"][:, :QUERIES]}
    run(agrees, "MultiHeadAttention", "x,k,v", same, unidirectional=1, gradient=("x", "k", "v"))
    same["v"] = same["v"][..., : HEADS * SIZE]
    run(agrees, "MultiHeadAttention", "x,k,v,,,,pk,pv", same, "y,keys,values")


def test_packed_heads_agree_with_separate_ones() -> None:
    q, k, v = (torch.from_numpy(numbers(BATCH, KEYS, HEADS * SIZE, seed=i)) for i in range(3))
    apart = [t.reshape(BATCH, KEYS, HEADS, SIZE) for t in (q, k, v)]
    bias = torch.from_numpy(numbers(3 * HEADS * SIZE))
    expected = contrib_attention.multi_head_attention(q, k, v, bias, num_heads=HEADS)[0]
    every = contrib_attention.multi_head_attention(torch.stack(apart, 3), None, None, bias, num_heads=HEADS)[0]
    some = contrib_attention.multi_head_attention(q, torch.stack(apart[1:], 3), None, bias, num_heads=HEADS)[0]
    torch.testing.assert_close(every, expected)
    torch.testing.assert_close(some, expected)
