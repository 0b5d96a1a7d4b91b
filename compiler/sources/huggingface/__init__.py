"""Hugging Face folders: `config.json`, safetensors, a tokenizer. Read offline; no package of theirs is needed."""

from .folder import files_beside, is_checkpoint, part_of, parts_of, read_checkpoint

__all__ = ["files_beside", "is_checkpoint", "part_of", "parts_of", "read_checkpoint"]
