"""A causal language model with its cache as inputs and outputs: what it read stays outside of the graph.

Names are those of onnxruntime-genai and of the decoders that are built here: `past_key_values.N.key`, `present.N.key`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .program import Dims

if TYPE_CHECKING:
    import torch

__all__ = ["with_cache"]

_NEW, _PAST, _PROMPT = 3, 2, 5


def with_cache(model: Any) -> dict[str, Any]:
    """A module around a language model.

    Args:
        model: One of `transformers`, with a cache of keys and values.

    Returns:
        Fields of a `Program`: the module, what it is called on, its names and its free dimensions.
    """
    from torch import nn
    from transformers import DynamicCache

    class Cached(nn.Module):
        """Keys and values in and out, layer by layer."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, past: list[torch.Tensor]
        ) -> dict[str, torch.Tensor]:
            cache = DynamicCache()
            for layer, (key, value) in enumerate(zip(past[::2], past[1::2], strict=True)):
                cache.update(key, value, layer)
            positions = attention_mask.cumsum(-1)[:, -input_ids.shape[1] :] - 1
            given: dict[str, Any] = {"position_ids": positions} if _takes_positions(model) else {}
            made = self.model(
                input_ids=input_ids, attention_mask=attention_mask, past_key_values=cache, use_cache=True, **given
            )
            found = {"logits": made.logits}
            for index, layer in enumerate(made.past_key_values.layers):
                found |= {f"present.{index}.key": layer.keys, f"present.{index}.value": layer.values}
            return found

    module = Cached().eval()
    past = _filled(model)
    inputs = _inputs(model, past, 2, _NEW)
    prompt = _inputs(model, {name: tensor[:1, :, :0] for name, tensor in past.items()}, 1, _PROMPT)
    names = ("input_ids", "attention_mask", *past)
    dims: dict[str, Dims] = {"input_ids": ("batch", "length"), "attention_mask": ("batch", "total")}
    dims |= {name: ("batch", tensor.shape[1], "past", tensor.shape[3]) for name, tensor in past.items()}
    return {
        "module": module,
        "inputs": inputs,
        "others": (prompt,),
        "names": names,
        "dynamic": dims,
        "wrapper": "model",
    }


def _inputs(model: Any, past: Mapping[str, torch.Tensor], batch: int, new: int) -> dict[str, Any]:
    """What it is called on behind a cache."""
    import torch

    tensors = list(past.values())
    return {
        "input_ids": torch.arange(batch * new).reshape(batch, new) % model.config.vocab_size,
        "attention_mask": torch.ones(batch, new + tensors[0].shape[2], dtype=torch.int64),
        "past": tensors,
    }


def _filled(model: Any) -> Mapping[str, torch.Tensor]:
    """Keys and values of a short text, of the shapes that the model itself makes: (batch, heads, tokens, size)."""
    import torch

    ids = torch.arange(2 * _PAST).reshape(2, _PAST) % model.config.vocab_size
    with torch.no_grad():
        layers = model(input_ids=ids, use_cache=True).past_key_values.layers
    found: dict[str, torch.Tensor] = {}
    for index, layer in enumerate(layers):
        found |= {f"past_key_values.{index}.key": layer.keys, f"past_key_values.{index}.value": layer.values}
    return found


def _takes_positions(model: Any) -> bool:
    import inspect

    return "position_ids" in inspect.signature(model.forward).parameters
