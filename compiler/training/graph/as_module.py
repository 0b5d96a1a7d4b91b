"""From a model to a module that computes the same and can be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

from ..extra import require_torch

if TYPE_CHECKING:
    from .module import GraphModule

__all__ = ["as_module"]


def as_module(model: ir.Model, *, origin: str = "<onnx_ir.Model>") -> GraphModule:
    """A PyTorch module of a model.

    Args:
        model: What `load_model` gives, prepared or not; it is not changed.
        origin: Where it comes from, for messages.

    Returns:
        A module with the model's inputs and outputs, its float weights as parameters.

    Raises:
        MissingExtraError: PyTorch is not installed.
        ModelError: A node's operator, or a form of it, cannot be trained.
    """
    require_torch(origin)
    from .module import GraphModule

    return GraphModule(model, origin=origin)
