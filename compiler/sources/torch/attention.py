"""scaled_dot_product_attention in the form that runtimes fuse: two products around a Softmax.

    softmax(q s · kᵀ + mask) · v

What torch's own translation writes reshapes the keys by their sizes at run time, scales queries and keys each, and
guards against rows that are masked as a whole; none of it is needed here, and it hides the pattern.

A mask of -Inf becomes the smallest float: no range can be taken of Inf, and the Softmax is the same. A row that is
masked as a whole gives the mean of the values, where torch gives zeros: the comparison tells where that is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["translations"]

_LEAST = float(np.finfo(np.float32).min)


def translations() -> dict[Any, Callable[..., Any]]:
    """What `torch.onnx.export` takes as `custom_translation_table`."""
    import torch

    return {torch.ops.aten.scaled_dot_product_attention.default: _attention}


def _attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """The operator in ONNX's; traced by onnxscript, so that Python's `if` is decided here."""
    import onnxscript

    op: Any = onnxscript.opset20
    del dropout_p
    rank = len(query.shape)
    if enable_gqa and query.shape[1] != key.shape[1]:
        shared = query.shape[1] // key.shape[1]
        key, value = _repeated(op, key, shared), _repeated(op, value, shared)
    factor = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    turned = op.Transpose(key, perm=[*range(rank - 2), rank - 1, rank - 2])
    scores = op.MatMul(op.Mul(query, op.CastLike(op.Constant(value_float=factor), query)), turned)
    if is_causal:
        scores = op.Add(scores, op.CastLike(_causal(op, query, key), query))
    elif attn_mask is not None:
        scores = op.Add(scores, _bias(op, attn_mask, query))
    return op.MatMul(op.Softmax(scores, axis=-1), value)


def _repeated(op: Any, heads: Any, times: int) -> Any:
    """Each head of (batch, heads, length, size) `times` in a row."""
    each = op.Expand(op.Unsqueeze(heads, op.Constant(value_ints=[2])), op.Constant(value_ints=[1, 1, times, 1, 1]))
    shape = op.Shape(heads)
    front, behind = op.Slice(shape, [0], [1]), op.Slice(shape, [2], [4])
    return op.Reshape(each, op.Concat(front, op.Constant(value_ints=[heads.shape[1] * times]), behind, axis=0))


def _bias(op: Any, mask: Any, query: Any) -> Any:
    """What is added to the scores: 0 where a mask of truths holds, else the least float; floats as they are."""
    import onnx_ir as ir

    least = op.CastLike(op.Constant(value_float=_LEAST), query)
    if mask.dtype == ir.DataType.BOOL:
        return op.Where(mask, op.CastLike(op.Constant(value_float=0.0), query), least)
    return op.Max(mask, least)


def _causal(op: Any, query: Any, key: Any) -> Any:
    """The least float where a row may not look, (queries, keys)."""
    one, zero = op.Constant(value_int=1), op.Constant(value_int=0)
    rows = op.Range(zero, op.Squeeze(op.Shape(query, start=-2, end=-1)), one)
    columns = op.Range(zero, op.Squeeze(op.Shape(key, start=-2, end=-1)), one)
    seen = op.GreaterOrEqual(op.Unsqueeze(rows, op.Constant(value_ints=[1])), columns)
    return op.Where(seen, op.Constant(value_float=0.0), op.Constant(value_float=_LEAST))
