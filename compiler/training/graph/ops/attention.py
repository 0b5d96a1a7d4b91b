"""Attention: ONNX's own, and the grouped queries with a cache that ONNX Runtime runs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..call import Call
from ..steps import Operator
from .rotary import turned

__all__ = ["OPERATORS", "refuse_forms", "refuse_causal", "refuse_scores"]


def _attend(q: Tensor, k: Tensor, v: Tensor, scale: float, bias: Tensor | None, softcap: float) -> Tensor:
    """softmax(q kᵀ scale + bias) v; queries of a group share keys. (batch, heads, tokens, size)."""
    group = q.shape[1] // k.shape[1]
    if group > 1:
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = torch.matmul(q, k.transpose(-1, -2)) * scale
    if softcap:
        scores = torch.tanh(scores / softcap) * softcap
    if bias is not None:
        scores = scores + bias
    return torch.matmul(torch.softmax(scores, -1), v)


def _bias(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where a key is seen, the lowest number where it is not: a row that sees nothing stays finite."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)


def _split(x: Tensor, heads: int) -> Tensor:
    """(batch, tokens, heads * size) → (batch, heads, tokens, size)."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) if x.dim() == 3 else x


def _attention(
    call: Call,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    lengths: Tensor | None = None,
) -> tuple[Tensor, ...]:
    flat = q.dim() == 3
    heads, kv_heads = call.get("q_num_heads", 0), call.get("kv_num_heads", 0)
    q, k, v = _split(q, heads), _split(k, kv_heads), _split(v, kv_heads)
    before = 0
    if past_key is not None and past_value is not None:
        before = past_key.shape[2]
        k, v = torch.cat((past_key, k), 2), torch.cat((past_value, v), 2)
    bias: Tensor | None = None
    if mask is not None:
        bias = _bias(mask, q.dtype) if mask.dtype is torch.bool else mask
        missing = k.shape[2] - bias.shape[-1]
        if missing > 0:  # a mask of fewer keys hides the rest
            bias = torch.nn.functional.pad(bias, [0, missing], value=torch.finfo(q.dtype).min)
    places = torch.arange(k.shape[2], device=q.device)
    if lengths is not None:
        seen = _bias(places < lengths.to(q.device).reshape(-1, 1, 1, 1), q.dtype)
        bias = seen if bias is None else bias + seen
    if call.get("is_causal", 0):
        at = torch.arange(q.shape[2], device=q.device).unsqueeze(1) + before
        seen = _bias(places <= at, q.dtype)
        bias = seen if bias is None else bias + seen
    scale = call.get("scale", 1 / math.sqrt(q.shape[-1]))
    made = _attend(q, k, v, scale, bias, call.get("softcap", 0.0))
    made = made.transpose(1, 2).flatten(2) if flat else made
    return made, k, v


def refuse_scores(call: Call) -> str | None:
    """Where the scores are asked for."""
    return "its fourth output, the scores, is not computed" if call.outputs > 3 else None


def refuse_forms(call: Call) -> str | None:
    """Forms of GroupQueryAttention that only inference has."""
    if call.get("smooth_softmax", 0):
        return "a smooth softmax is not computed"
    if call.get("kv_cache_bit_width", 0) or call.get("k_quant_type", "NONE") not in ("NONE", b"NONE"):
        return "its cache is quantized; train the float form"
    return "its fourth output, the scores, is not computed" if call.outputs > 3 else None


def _grouped(
    call: Call,
    query: Tensor,
    key: Tensor | None,
    value: Tensor | None,
    past_key: Tensor | None,
    past_value: Tensor | None,
    last: Tensor,
    total: Tensor,
    cos: Tensor | None = None,
    sin: Tensor | None = None,
    positions: Tensor | None = None,
    added: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """GroupQueryAttention of ONNX Runtime 1.31: rotates, writes the cache, attends to what came before.

    `last` is how many tokens a row has, without one. Rows of a first prompt begin at 0, those that are shorter than
    the longest are filled up behind; later tokens follow what the row has.
    """
    heads, kv_heads = call.attributes["num_heads"], call.attributes["kv_num_heads"]
    rows, tokens = query.shape[:2]
    if key is None or value is None:
        size = query.shape[-1] // (heads + 2 * kv_heads)
        query, key, value = query.split([heads * size, kv_heads * size, kv_heads * size], -1)
    else:
        size = query.shape[-1] // heads
    q, k, v = (x.reshape(rows, tokens, -1, size) for x in (query, key, value))
    whole, device = int(total.item()), query.device
    lengths = last.to(device).long().reshape(-1) + 1
    steps = torch.arange(tokens, device=device)
    first = torch.zeros_like(lengths) if whole == tokens else lengths - tokens
    at = first.unsqueeze(1) + steps
    if cos is not None and sin is not None and call.get("do_rotary", 0):
        where = at if positions is None else positions.to(device).long()
        interleaved = bool(call.get("rotary_interleaved", 0))
        q, k = (turned(x, cos[where], sin[where], interleaved) for x in (q, k))
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    k, v = _cached(past_key, k, at, whole), _cached(past_value, v, at, whole)
    places = torch.arange(k.shape[2], device=device)
    seen = places <= at.unsqueeze(-1)
    if not call.get("causal", 1):
        seen = (places < lengths.unsqueeze(1)).unsqueeze(1).expand_as(seen)
    window = call.get("local_window_size", -1)
    if window > 0:
        seen = seen & (places > at.unsqueeze(-1) - window)
    bias = _bias(seen.unsqueeze(1), q.dtype)
    bias = bias if added is None else bias + added
    scale = call.get("scale", 0.0) or 1 / math.sqrt(size)
    made = _attend(q, k, v, scale, bias, call.get("softcap", 0.0))
    return made.transpose(1, 2).flatten(2), k, v


def _multi_head(
    call: Call,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None = None,
    padding: Tensor | None = None,
    added: Tensor | None = None,
) -> Tensor:
    """MultiHeadAttention of ONNX Runtime 1.31; `padding` is 1 for keys that are seen, (batch, keys)."""
    if bias is not None:
        of = bias.split([query.shape[-1], key.shape[-1], value.shape[-1]])
        query, key, value = query + of[0], key + of[1], value + of[2]
    q, k, v = (_split(x, call.attributes["num_heads"]) for x in (query, key, value))
    scale = call.get("scale", 0.0) or 1 / math.sqrt(q.shape[-1])
    if padding is not None:
        hidden = _bias(padding[:, None, None, :] != 0, q.dtype)
        added = hidden if added is None else added + hidden
    return _attend(q, k, v, scale, added, 0.0).transpose(1, 2).flatten(2)


def refuse_causal(call: Call) -> str | None:
    """Causal forms of MultiHeadAttention, and those with caches."""
    if call.get("unidirectional", 0):
        return "a causal form of it is not computed"
    return "its caches are not computed" if call.outputs > 1 else None


def _cached(past: Tensor | None, new: Tensor, at: Tensor, whole: int) -> Tensor:
    """The cache with new tokens written at their places, at least `whole` tokens long."""
    if past is None or past.shape[2] == 0:
        missing = whole - new.shape[2]
        return torch.nn.functional.pad(new, [0, 0, 0, missing]) if missing > 0 else new
    missing = max(whole - past.shape[2], 0)
    past = torch.nn.functional.pad(past, [0, 0, 0, missing])
    return past.scatter(2, at[:, None, :, None].expand_as(new), new)


OPERATORS: dict[str, Operator] = {
    "Attention": _attention,
    "com.microsoft.GroupQueryAttention": _grouped,
    "com.microsoft.MultiHeadAttention": _multi_head,
}
