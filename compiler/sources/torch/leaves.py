"""The tensors in what a module takes and gives, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["leaf_names", "leaves", "output_names"]


def leaves(tree: Any) -> list[torch.Tensor]:
    """Every tensor of nested lists, tuples, dicts and the containers torch knows, in torch's order."""
    import torch
    from torch.utils import _pytree

    return [leaf for leaf in _pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def leaf_names(tree: Any) -> list[str]:
    """What the tensors of `tree` are called: the way to each, joined by `_`."""
    import torch
    from torch.utils import _pytree

    found, _ = _pytree.tree_flatten_with_path(tree)
    return ["_".join(_word(key) for key in path) for path, leaf in found if isinstance(leaf, torch.Tensor)]


def output_names(outputs: Any, taken: Sequence[str]) -> list[str]:
    """What a module's outputs are called: by their keys, else `output`, else `output_0`, `output_1`.

    Args:
        outputs: What the module gave.
        taken: Names of inputs: an output that would be called so gets `_out` behind it.
    """
    names = leaf_names(outputs)
    if names == [""]:
        names = ["output"]
    names = [f"output_{name}" if name[:1].isdigit() else name for name in names]
    return [f"{name}_out" if name in taken else name for name in names]


def _word(key: Any) -> str:
    for kind in ("key", "idx", "name"):
        if hasattr(key, kind):
            return str(getattr(key, kind))
    return str(key)
