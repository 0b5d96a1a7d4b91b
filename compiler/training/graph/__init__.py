"""An ONNX graph as a PyTorch module that computes exactly it, can be trained, and goes back into ONNX."""

from .as_module import as_module

__all__ = ["as_module"]
