"""Attention of the com.microsoft domain, as onnxruntime's transformer optimiser writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters.contrib import MICROSOFT
from geoaudit.model.converters.operator import operator


def heads(x: Tensor, count: int) -> Tensor:
    """(B, S, N H) as (B, N, S, H)."""
    return x.reshape(*x.shape[:2], count, -1).transpose(1, 2)


def merged(x: Tensor) -> Tensor:
    """(B, N, S, H) as (B, S, N H)."""
    return x.transpose(1, 2).flatten(2)


def padding_bias(mask: Tensor, batch: int, length: int, like: Tensor, fill: float) -> Tensor:
    """What padding adds to the scores.

    Args:
        mask: integers: (B, T) or (B, S, T), positive where attended; (B,), lengths without right padding; or (2 B,),
            ends, then starts.
        batch: B.
        length: T, the number of keys.
        like: floats whose type and device the result takes.
        fill: the number added where not attended.

    Returns:
        Of shape (B, 1, 1 or S, T).

    Raises:
        NotImplementedError: a mask of another shape.
    """
    if mask.dim() == 1 and len(mask) in (batch, 2 * batch):
        places = torch.arange(length, device=mask.device)
        kept = places < mask[:batch, None]
        if len(mask) == 2 * batch:
            kept = kept & (places >= mask[batch:, None])
    elif mask.dim() in (2, 3):
        kept = mask > 0
    else:
        raise NotImplementedError(f"mask of shape {list(mask.shape)}")
    added = torch.zeros(kept.shape, dtype=like.dtype, device=like.device).masked_fill(~kept, fill)
    return added.view(batch, 1, -1, added.shape[-1])


def causal_bias(queries: int, keys: int, like: Tensor) -> Tensor:
    """The lowest number where a key comes after the query, else 0; the last key stands beside the last query."""
    lowest = torch.full((queries, keys), torch.finfo(like.dtype).min, dtype=like.dtype, device=like.device)
    return lowest.triu(keys - queries + 1)


def attend(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, fill: float = -10000.0,
    causal: bool = False, scale: float | None = None,
) -> Tensor:  # fmt: skip
    """Scaled dot product attention of (B, N, S, H) heads, as (B, S, N H).

    Args:
        q, k, v: queries, keys and values.
        mask: see `padding_bias`.
        bias: added to the scores, broadcast to (B, N, S, T).
        fill: what is added where `mask` hides a key.
        causal: whether later keys are hidden.
        scale: of the scores; None and 0 for 1 / sqrt(H).
    """
    added = bias
    if mask is not None:
        padding = padding_bias(mask, len(q), k.shape[2], q, fill)
        added = padding if added is None else added + padding
    if causal and q.shape[2] > 1:
        later = causal_bias(q.shape[2], k.shape[2], q)
        added = later if added is None else torch.where(later < 0, later, added)
    return merged(functional.scaled_dot_product_attention(q, k, v, added, scale=scale or None))


def attention_of(
    packed: Tensor, mask_index: Tensor | None = None, past: Tensor | None = None, attention_bias: Tensor | None = None,
    *, num_heads: int, outputs: int = 1, do_rotary: int = 0, mask_filter_value: float = -10000.0,
    past_present_share_buffer: int = 0, qkv_hidden_sizes: Sequence[int] | None = None, scale: float = 0.0,
    unidirectional: int = 0, rotary_embedding_dim: int = 0,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Self-attention of projected queries, keys and values, (B, S, sum of hidden sizes) side by side.

    Returns:
        (B, S, hidden), and the keys and values stacked, (2, B, N, T, H).

    Raises:
        NotImplementedError: rotary embedding or a shared buffer.
    """
    if do_rotary or past_present_share_buffer:
        raise NotImplementedError("do_rotary" if do_rotary else "past_present_share_buffer")
    third = packed.shape[-1] // 3
    q, k, v = (heads(part, num_heads) for part in torch.split(packed, list(qkv_hidden_sizes or (third,) * 3), -1))
    if past is not None:
        k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
    y = attend(
        q, k, v, mask=mask_index, bias=attention_bias, fill=mask_filter_value, causal=bool(unidirectional), scale=scale
    )
    return (y,) if outputs == 1 else (y, torch.stack((k, v)))


@operator("Attention", domain=MICROSOFT)
def attention(
    x: Tensor, weights: Tensor, bias: Tensor | None = None, mask_index: Tensor | None = None,
    past: Tensor | None = None, attention_bias: Tensor | None = None, *, outputs: int, **settings: Any,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Self-attention with one weight (and bias) for queries, keys and values, side by side; see `attention_of`."""
    packed = x @ weights if bias is None else x @ weights + bias
    return attention_of(packed, mask_index, past, attention_bias, outputs=outputs, **settings)


def _projected(x: Tensor, bias: Tensor | None, num_heads: int) -> Tensor:
    return heads(x if bias is None else x + bias, num_heads)


@operator("MultiHeadAttention", domain=MICROSOFT)
def multi_head_attention(
    query: Tensor, key: Tensor | None = None, value: Tensor | None = None, bias: Tensor | None = None,
    key_padding_mask: Tensor | None = None, attention_bias: Tensor | None = None, past_key: Tensor | None = None,
    past_value: Tensor | None = None, *, num_heads: int, outputs: int = 1, mask_filter_value: float = -10000.0,
    scale: float = 0.0, unidirectional: int = 0,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Attention of projected queries, keys and values.

    Args:
        query: (B, S, N H), or all three packed as (B, S, N, 3, H).
        key: (B, L, N H), (B, N, L, H) with heads apart, or keys and values packed as (B, L, N, 2, H).
        value: as `key`, unless packed.
        bias: of the projections of all three, side by side.

    Returns:
        (B, S, N H) and, with the past, all keys and all values, each (B, N, T, H).

    Raises:
        NotImplementedError: scores asked for as the fourth output.
    """
    if outputs > 3:
        raise NotImplementedError("output qk")
    if query.dim() == 5:
        query, key, value = (part.flatten(2) for part in query.unbind(3))
    elif key is not None and key.dim() == 5:
        key, value = (part.flatten(2) for part in key.unbind(3))
    assert key is not None and value is not None
    sizes = [t.shape[-1] if t.dim() == 3 else 0 for t in (query, key, value)]
    parts = [None] * 3 if bias is None else torch.split(bias, sizes)
    q = _projected(query, parts[0], num_heads)
    k = key if key.dim() == 4 else _projected(key, parts[1], num_heads)
    v = value if value.dim() == 4 else _projected(value, parts[2], num_heads)
    if past_key is not None and past_value is not None:
        k, v = torch.cat((past_key, k), 2), torch.cat((past_value, v), 2)
    y = attend(
        q, k, v, mask=key_padding_mask, bias=attention_bias, fill=mask_filter_value, causal=bool(unidirectional),
        scale=scale,
    )  # fmt: skip
    return (y, k, v)[:outputs]
