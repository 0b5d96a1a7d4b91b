"""The driver: load → pipeline → pack → prove."""

from .. import passes  # noqa: F401 - before anything here imports onnx_ir: see passes/deferred.py
