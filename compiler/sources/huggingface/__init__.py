"""Hugging Face folders: `config.json`, safetensors, a tokenizer. Read offline; no package of theirs is needed."""

from .folder import is_checkpoint, read_checkpoint

__all__ = ["is_checkpoint", "read_checkpoint"]
