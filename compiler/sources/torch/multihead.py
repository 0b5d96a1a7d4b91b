"""torch.nn.MultiheadAttention written down as an attention: one product for all of its inputs, then the operator.

What torch traces reshapes heads into the batch and back, and each mask with them; of that no runtime sees an attention.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["as_attention"]


@contextmanager
def as_attention() -> Iterator[None]:
    """Inside, MultiheadAttention computes the same in another form."""
    from torch import nn

    kind: Any = nn.MultiheadAttention
    before = kind.forward

    def forward(self: Any, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        plain = self._qkv_same_embed_dim and self.bias_k is None and not self.add_zero_attn and query.dim() == 3
        if not plain:
            return before(self, query, key, value, *args, **kwargs)
        return _attended(self, query, key, value, *args, **kwargs)

    kind.forward = forward
    try:
        yield
    finally:
        kind.forward = before


def _attended(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    key_padding_mask: torch.Tensor | None = None,
    need_weights: bool = True,
    attn_mask: torch.Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The arguments are torch's; (batch, length, channels) where `batch_first`, else (length, batch, channels)."""
    from torch.nn import functional

    del is_causal  # a hint: the mask is there as well
    same = query is key and key is value
    if not module.batch_first:
        query, key, value = (each.transpose(0, 1) for each in (query, key, value))
    weight, bias = module.in_proj_weight, module.in_proj_bias
    if same:
        parts = functional.linear(query, weight, bias).chunk(3, -1)
    else:
        weights, biases = weight.chunk(3), (None,) * 3 if bias is None else bias.chunk(3)
        parts = tuple(map(functional.linear, (query, key, value), weights, biases))
    heads = [part.unflatten(-1, (module.num_heads, -1)).transpose(1, 2) for part in parts]
    mask = _mask(heads[0], key_padding_mask, attn_mask)
    mixed = functional.scaled_dot_product_attention(heads[0], heads[1], heads[2], attn_mask=mask)
    y = module.out_proj(mixed.transpose(1, 2).flatten(2))
    if not module.batch_first:
        y = y.transpose(0, 1)
    return y, _weights(heads[0], heads[1], mask, average_attn_weights) if need_weights else None


def _weights(query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, average: bool) -> torch.Tensor:
    """What the operator does not give, computed beside it; where nobody reads it, it is dropped."""
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    found = (scores if mask is None else scores + mask).softmax(-1)
    return found.mean(1) if average else found


def _mask(query: torch.Tensor, padding: torch.Tensor | None, mask: torch.Tensor | None) -> torch.Tensor | None:
    """What is added to the scores (batch, heads, queries, keys), of torch's two masks."""
    batch, heads = query.shape[:2]
    found = None
    if padding is not None:
        found = _added(padding, query)[:, None, None, :]
    if mask is not None:
        added = _added(mask, query)
        added = added[None, None] if added.dim() == 2 else added.unflatten(0, (batch, heads))
        found = added if found is None else found + added
    return found


def _added(mask: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """-Inf where a mask of truths holds, floats as they are."""
    import torch

    if mask.dtype != torch.bool:
        return mask.to(query.dtype)
    return torch.where(mask, float("-inf"), 0.0).to(query.dtype)
