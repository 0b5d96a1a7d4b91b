"""What an encoder-decoder is, apart from its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["PARTS", "EncoderDecoderConfig", "Part"]

Part: TypeAlias = Literal["encoder", "decoder"]
PARTS: tuple[Part, ...] = ("encoder", "decoder")


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderDecoderConfig:
    """Shapes of Whisper: A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022).

    Attributes:
        mels: Channels of the features.
        frames: Positions of the encoder's states; features have twice as many frames.
        context: Most tokens of the decoder, prompt and answer.
        vocabulary: Tokens.
        hidden: Width of both streams.
        encoder_layers, decoder_layers: How many.
        encoder_heads, decoder_heads: Of their attentions; divisors of `hidden`.
        encoder_intermediate, decoder_intermediate: Widths of the feed-forward parts.
        scaled: Embeddings are multiplied by √hidden.
        bos, pad, start: Tokens that begin a text, fill a batch, and are fed first; None where there is none.
        eos: Tokens that end an answer.

    Raises:
        ValueError: The numbers do not fit each other.
    """

    mels: int
    frames: int
    context: int
    vocabulary: int
    hidden: int
    encoder_layers: int
    decoder_layers: int
    encoder_heads: int
    decoder_heads: int
    encoder_intermediate: int
    decoder_intermediate: int
    scaled: bool = False
    bos: int | None = None
    pad: int | None = None
    start: int | None = None
    eos: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in (
            "mels", "frames", "context", "vocabulary", "hidden", "encoder_layers", "decoder_layers", "encoder_heads",
            "decoder_heads", "encoder_intermediate", "decoder_intermediate",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is below 1")
        for name in ("encoder_heads", "decoder_heads"):
            if self.hidden % getattr(self, name):
                raise ValueError(f"hidden: {self.hidden} is no multiple of {name}, {getattr(self, name)}")
        for token in (self.bos, self.pad, self.start, *self.eos):
            if token is not None and token >= self.vocabulary:
                raise ValueError(f"token {token} is beyond its vocabulary of {self.vocabulary}")
