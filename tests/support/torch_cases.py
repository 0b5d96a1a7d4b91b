"""The networks of `torch_models` with what they take: an example, free dimensions, and the same in other sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from support.torch_models import ConvNext, Decoder, DigitsCnn, Encoder, MobileNet, ResNet, Tagger, Vit, seeded
from torch import Tensor, nn

__all__ = ["CASES", "Case"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network.

    Attributes:
        build: Makes it.
        inputs: An example, for sizes of the free dimensions.
        dynamic: What a user would say of its dimensions.
        sizes: Other sizes of the free dimensions.
        nodes: Names of nodes that a reader expects.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[..., dict[str, Tensor]]
    dynamic: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)
    sizes: Mapping[str, int]
    nodes: tuple[str, ...]

    def module(self) -> nn.Module:
        """The network with its weights drawn."""
        return seeded(self.build())

    def example(self, **sizes: int) -> dict[str, Tensor]:
        """What it takes."""
        return self.inputs(torch.Generator().manual_seed(1), **sizes)


def _image(channels: int, size: int) -> Callable[..., dict[str, Tensor]]:
    return lambda random, batch=1: {"image": torch.rand(batch, channels, size, size, generator=random)}


def _words(random: torch.Generator, batch: int = 1, length: int = 7) -> dict[str, Tensor]:
    return {"words": torch.randint(0, 50, (batch, length), generator=random)}


def _sentence(random: torch.Generator, batch: int = 1, length: int = 7) -> dict[str, Tensor]:
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[-1, length - 2 :] = 0
    return {"input_ids": torch.randint(0, 60, (batch, length), generator=random), "attention_mask": mask}


_PASTS = tuple(f"past_{kind}_{layer}" for layer in range(2) for kind in ("key", "value"))


def _prompt(random: torch.Generator, batch: int = 1, length: int = 3, past: int = 4) -> dict[str, Tensor]:
    ids = torch.randint(0, 40, (batch, length), generator=random)
    return {"input_ids": ids, **{name: torch.rand(batch, 2, past, 8, generator=random) for name in _PASTS}}


CASES = {
    "digits": Case(
        build=DigitsCnn,
        inputs=_image(1, 24),
        sizes={"batch": 3},
        nodes=("/features.0/Conv", "/features.3/MaxPool", "/classifier/Gemm"),
    ),
    "mobilenet": Case(
        build=MobileNet,
        inputs=_image(3, 32),
        sizes={"batch": 3},
        nodes=("/stem.0/Conv", "/blocks.1/depthwise.0/Conv", "/blocks.2/Add", "/head/Gemm"),
    ),
    "resnet": Case(
        build=ResNet,
        inputs=_image(3, 32),
        sizes={"batch": 3},
        nodes=("/layer1.0/conv1/Conv", "/layer1.1/downsample.0/Conv", "/avgpool/ReduceMean", "/fc/Gemm"),
    ),
    "vit": Case(
        build=Vit,
        inputs=_image(3, 32),
        sizes={"batch": 3},
        nodes=("/blocks.0/attn/qkv/MatMul", "/blocks.1/norm2/LayerNormalization", "/blocks.1/mlp.1/Gelu"),
    ),
    "convnext": Case(
        build=ConvNext,
        inputs=_image(3, 32),
        sizes={"batch": 3},
        nodes=("/stages.0/dwconv/Conv", "/stages.1/norm/LayerNormalization", "/stages.1/Gelu"),
    ),
    "tagger": Case(
        build=Tagger,
        inputs=_words,
        dynamic={"words": ("batch", "length")},
        sizes={"batch": 2, "length": 11},
        nodes=("/embedding/Gather", "/lstm/LSTM", "/tag/MatMul"),
    ),
    "encoder": Case(
        build=Encoder,
        inputs=_sentence,
        dynamic={"input_ids": ("batch", "length"), "attention_mask": ("batch", "length")},
        sizes={"batch": 3, "length": 12},
        nodes=("/encoder/layers.0/self_attn/MatMul", "/encoder/layers.1/linear2/MatMul"),
    ),
    "decoder": Case(
        build=Decoder,
        inputs=_prompt,
        dynamic={"input_ids": ("batch", "length"), **dict.fromkeys(_PASTS, ("batch", 2, "past", 8))},
        sizes={"batch": 2, "length": 5, "past": 0},
        nodes=("/layers.0/self_attn/q_proj/MatMul", "/layers.1/mlp/down_proj/MatMul", "/lm_head/MatMul"),
    ),
}
