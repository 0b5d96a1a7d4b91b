"""What computes each operator: one file for each family."""

from __future__ import annotations

from collections.abc import Callable

from ..call import Call
from ..steps import Operator
from . import (
    attention,
    binary,
    conv,
    fill,
    index,
    join,
    norm,
    pool,
    product,
    quantized,
    recurrent,
    reduce,
    resize,
    rotary,
    shape,
    unary,
)

__all__ = ["OPERATORS", "REFUSALS"]

# By operator, with the domain where it is not ONNX's.
OPERATORS: dict[str, Operator] = {
    **attention.OPERATORS,
    **binary.OPERATORS,
    **conv.OPERATORS,
    **fill.OPERATORS,
    **index.OPERATORS,
    **join.OPERATORS,
    **norm.OPERATORS,
    **pool.OPERATORS,
    **product.OPERATORS,
    **quantized.OPERATORS,
    **recurrent.OPERATORS,
    **reduce.OPERATORS,
    **resize.OPERATORS,
    **rotary.OPERATORS,
    **shape.OPERATORS,
    **unary.OPERATORS,
}

# What in a call cannot be computed, None where all can.
REFUSALS: dict[str, Callable[[Call], str | None]] = {
    "Attention": attention.refuse_scores,
    "BatchNormalization": norm.refuse_training,
    "Cast": shape.refuse_type,
    "GRU": recurrent.refuse_recurrent,
    "LSTM": recurrent.refuse_recurrent,
    "MaxPool": pool.refuse_indices,
    "RNN": recurrent.refuse_recurrent,
    "Resize": resize.refuse_policy,
    "com.microsoft.GroupQueryAttention": attention.refuse_forms,
    "com.microsoft.MultiHeadAttention": attention.refuse_causal,
}
