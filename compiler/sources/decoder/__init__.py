"""Decoders: from a configuration and weights to a graph with a KV cache, as ONNX Runtime runs it fastest."""

from .build import build
from .config import DecoderConfig, Rope
from .matrices import Matrix, Weight

__all__ = ["DecoderConfig", "Matrix", "Rope", "Weight", "build"]
