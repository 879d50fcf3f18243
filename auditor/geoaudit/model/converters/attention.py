"""Attention and rotary positions, as the default domain defines them."""

from __future__ import annotations

import math

import torch
from onnx import TensorProto
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters.operator import operator

_PRECISIONS: dict[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.BFLOAT16: torch.bfloat16,
}


@operator("Attention", since=23)
def attention(
    q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, past_key: Tensor | None = None,
    past_value: Tensor | None = None, nonpad_kv_seqlen: Tensor | None = None, *, is_causal: int = 0,
    kv_num_heads: int | None = None, left_window_size: int = -1, outputs: int = 1, q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0, right_window_size: int = -1, scale: float | None = None, softcap: float = 0.0,
    softmax_precision: int | None = None,
) -> Tensor | tuple[Tensor, ...]:  # fmt: skip
    """Scaled dot-product attention over (batch, heads, length, size) or (batch, length, heads x size).

    Outputs: the attended values, the keys and values with the past before them, and the products of queries and
    keys as `qk_matmul_output_mode` wants them.
    """
    flat = q.dim() == 3
    if flat:
        q, k, v = _heads(q, q_num_heads), _heads(k, kv_num_heads), _heads(v, kv_num_heads)
    past = 0
    if past_key is not None and past_value is not None:
        past, k, v = past_key.shape[2], torch.cat((past_key, k), 2), torch.cat((past_value, v), 2)
    present = k, v
    k, v = (t if t.shape[1] == q.shape[1] else t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in present)
    offset = nonpad_kv_seqlen.reshape(-1, 1, 1, 1) - q.shape[2] if nonpad_kv_seqlen is not None else past
    right = 0 if is_causal else right_window_size
    top_left = bool(is_causal) and attn_mask is None and left_window_size < 0
    simple = outputs < 4 and not softcap and nonpad_kv_seqlen is None
    if simple and ((top_left and past == 0) or (attn_mask is None and max(left_window_size, right) < 0)):
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=top_left, scale=scale)
        return _outputs(y, present, None, outputs, flat=flat)
    bias = _bias(q, k, attn_mask, offset, left_window_size, right, nonpad_kv_seqlen)
    y, products = _attend(q, k, v, bias, scale, softcap, softmax_precision, qk_matmul_output_mode)
    return _outputs(y, present, products, outputs, flat=flat)


def _heads(x: Tensor, count: int | None) -> Tensor:
    """(batch, length, heads x size) as (batch, heads, length, size)."""
    if not count:
        raise ValueError("three-dimensional queries, keys and values need the number of heads")
    return x.reshape(x.shape[0], x.shape[1], count, x.shape[2] // count).transpose(1, 2)


def _outputs(
    y: Tensor, present: tuple[Tensor, Tensor], products: Tensor | None, count: int, *, flat: bool
) -> Tensor | tuple[Tensor, ...]:
    y = y.transpose(1, 2).flatten(2) if flat else y
    if count == 1:
        return y
    every = (y, *present) if products is None else (y, *present, products)
    return every[:count]


def _bias(
    q: Tensor, k: Tensor, mask: Tensor | None, offset: int | Tensor, left: int, right: int, valid: Tensor | None
) -> Tensor:
    """What is added to the products before the softmax: -inf where a key is out of a query's reach."""
    length = k.shape[2]
    keys = torch.arange(length, device=q.device)
    queries = torch.arange(q.shape[2], device=q.device).unsqueeze(1) + offset
    allowed = torch.ones(q.shape[2], length, dtype=torch.bool, device=q.device)
    if left >= 0:
        allowed = allowed & (keys >= queries - left)
    if right >= 0:
        allowed = allowed & (keys <= queries + right)
    if valid is not None:
        allowed = allowed & (keys < valid.reshape(-1, 1, 1, 1))
    if mask is not None and mask.dtype == torch.bool:
        allowed = allowed & functional.pad(mask, (0, length - mask.shape[-1]), value=False)
    bias = torch.zeros((), dtype=q.dtype, device=q.device).masked_fill(~allowed, -torch.inf)
    if mask is not None and mask.dtype != torch.bool:
        bias = bias + functional.pad(mask, (0, length - mask.shape[-1]), value=-torch.inf)
    return bias


def _attend(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor, scale: float | None, softcap: float, precision: int | None, mode: int
) -> tuple[Tensor, Tensor]:
    """The attended values and what the fourth output shows; a query without keys attends to nothing."""
    root = math.sqrt(1 / math.sqrt(q.shape[3]) if scale is None else scale)
    products = (q * root) @ (k * root).transpose(2, 3)
    capped = softcap * torch.tanh(products / softcap) if softcap else products
    empty = (bias == -torch.inf).all(-1, keepdim=True)
    biased = capped + bias
    logits = biased.masked_fill(empty, 0.0)
    if precision is not None:
        logits = logits.to(_PRECISIONS[precision])
    weights = torch.softmax(logits, -1).masked_fill(empty, 0.0).to(q.dtype)
    return weights @ v, (products, capped, biased, weights)[mode]


@operator("RotaryEmbedding", since=23)
def rotary_embedding(
    x: Tensor, cos_cache: Tensor, sin_cache: Tensor, position_ids: Tensor | None = None, *, interleaved: int = 0,
    num_heads: int = 0, rotary_embedding_dim: int = 0,
) -> Tensor:  # fmt: skip
    """Pairs of each head's first elements turned by angles that depend on the position."""
    heads = _heads(x, num_heads) if x.dim() == 3 else x
    size = rotary_embedding_dim or heads.shape[3]
    turned, rest = heads[..., :size], heads[..., size:]
    if position_ids is not None:
        cos_cache, sin_cache = cos_cache[position_ids], sin_cache[position_ids]
    cos, sin = cos_cache.unsqueeze(1), sin_cache.unsqueeze(1)
    if interleaved:
        first, second = turned[..., 0::2], turned[..., 1::2]
    else:
        first, second = turned.chunk(2, -1)
    real, imaginary = cos * first - sin * second, sin * first + cos * second
    pair = torch.stack((real, imaginary), -1).flatten(-2) if interleaved else torch.cat((real, imaginary), -1)
    y = torch.cat((pair, rest), -1) if rest.shape[-1] else pair
    return y.transpose(1, 2).flatten(2) if x.dim() == 3 else y
