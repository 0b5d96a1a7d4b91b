"""What a decoder of the llama family is, apart from its weights."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ARCHITECTURES", "DecoderConfig", "Rope"]

# What onnxruntime-genai 0.18 calls them, which is what Hugging Face calls `model_type`.
ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3")
_SCALINGS = ("default", "linear", "llama3")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rope:
    """Rotary positions: J. Su et al., "RoFormer" (2021, arXiv 2104.09864), eq. 34, with the scalings of Hugging Face.

    Attributes:
        theta: Base of the frequencies, theta^(-2i/d).
        scaling: `default` none, `linear` all frequencies divided by `factor`, `llama3` the low ones
            (transformers 4.57, modeling_rope_utils.py).
        factor: How much longer the context is than the one trained on.
        low_frequency, high_frequency: Rotations in the trained context between which `llama3` interpolates.
        trained_context: Tokens, for `llama3`.
        factors: What each frequency is divided by, for checkpoints that say so number by number; empty for none.
        interleaved: Pairs are neighbours (2i, 2i + 1), as llama.cpp lays them, not halves (i, i + d/2).
    """

    theta: float = 10000.0
    scaling: str = "default"
    factor: float = 1.0
    low_frequency: float = 1.0
    high_frequency: float = 4.0
    trained_context: int = 8192
    factors: tuple[float, ...] = ()
    interleaved: bool = False

    def __post_init__(self) -> None:
        if self.scaling not in _SCALINGS:
            raise ValueError(f"scaling: {self.scaling!r} is not one of {', '.join(_SCALINGS)}")
        if not all(0 < each < float("inf") for each in self.factors):
            raise ValueError("factors of the frequencies must be above 0")
        if not (self.theta > 0 and self.factor > 0):
            raise ValueError(f"theta {self.theta:g} and factor {self.factor:g} must be above 0")
        if self.scaling == "llama3" and not 0 < self.low_frequency < self.high_frequency:
            raise ValueError(
                f"low_frequency {self.low_frequency:g} is not below high_frequency {self.high_frequency:g}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderConfig:
    """Shapes and constants of a decoder: RMS norms, rotary positions, grouped queries, SwiGLU.

    Attributes:
        architecture: `llama`, `mistral`, `qwen2` or `qwen3`: what onnxruntime-genai reads as the model's type.
        vocabulary: Tokens.
        hidden: Width of the residual stream.
        intermediate: Width between the two products of the feed-forward part.
        layers: How many.
        heads, kv_heads: Of queries; of keys and values, a divisor of it.
        head_size: Width of a head.
        context: Most tokens, prompt and answer; the rotary tables are as long.
        epsilon: Of the RMS norms.
        rope: Rotary positions.
        window: Tokens a query sees, itself included; 0 is all before it.
        tied: The head's matrix is the embedding table.
        qkv_bias, output_bias, mlp_bias: Which products of a layer have biases.
        qk_norm: Queries and keys are normalized head by head before they are rotated.
        bos, pad: Tokens that begin a text and fill a batch; None where there is none.
        eos: Tokens that end an answer.

    Raises:
        ValueError: The numbers do not fit each other.
    """

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    context: int
    architecture: str = "llama"
    epsilon: float = 1e-5
    rope: Rope = field(default_factory=Rope)
    window: int = 0
    tied: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    bos: int | None = None
    eos: tuple[int, ...] = ()
    pad: int | None = None

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"architecture: {self.architecture!r} is not one of {', '.join(ARCHITECTURES)}")
        for name in ("vocabulary", "hidden", "intermediate", "layers", "heads", "kv_heads", "head_size", "context"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is below 1")
        if self.heads % self.kv_heads:
            raise ValueError(f"heads: {self.heads} is no multiple of kv_heads, {self.kv_heads}")
        if self.head_size % 8:
            raise ValueError(
                f"head_size: {self.head_size} is no multiple of 8, as the kernel of GroupQueryAttention needs"
            )
        if self.rope.factors and len(self.rope.factors) != self.head_size // 2:
            raise ValueError(
                f"rope: {len(self.rope.factors)} factors, and heads have {self.head_size // 2} frequencies"
            )
        if self.window < 0:
            raise ValueError(f"window: {self.window} is below 0")
        if not self.epsilon > 0:
            raise ValueError(f"epsilon: {self.epsilon:g} is not above 0")
