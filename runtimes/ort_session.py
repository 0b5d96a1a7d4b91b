"""Start an ONNX Runtime session: options, weights that stay where they are, readable messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from .base import ModelInMemory, ModelSource, SessionSettings

__all__ = ["PROVIDER", "ort_message", "session_options", "start_session"]

PROVIDER = "CPUExecutionProvider"
QUIET = 4  # OrtLoggingLevel FATAL: what matters comes back as an exception


def session_options(settings: SessionSettings) -> Any:
    """ONNX Runtime session options for these settings; everything not named stays at its default."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    if settings.threads:
        options.intra_op_num_threads = settings.threads
    if not settings.optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    for key, value in settings.config.items():
        options.add_session_config_entry(key, value)
    return options


def start_session(model: ModelSource, options: Any) -> tuple[Any, list[Any]]:
    """An `InferenceSession`, and what must live as long as it does.

    The weights of a `ModelInMemory` are handed over as they are, mapped files included: nothing is
    serialized, parsed or written to a disk on their account.

    Raises:
        Exception: What ONNX Runtime raises; its exceptions share no base.
    """
    import onnxruntime

    if isinstance(model, ModelInMemory):
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(a)) for a in model.weights.values()]
        if values:
            options.add_external_initializers(list(model.weights), values)
        return onnxruntime.InferenceSession(model.graph, options, providers=[PROVIDER]), values
    source = str(model) if isinstance(model, Path) else model
    return onnxruntime.InferenceSession(source, options, providers=[PROVIDER]), []


def ort_message(error: Exception) -> str:
    """One line of an ONNX Runtime exception, without its code, C++ location and stack."""
    text = str(error).split("\nStacktrace:")[0].strip()
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"^Load model from .*? failed: ?", "", text)
    text = re.sub(r"\S+\.(?:cc|h):\d+ (?:[\w:~<>]+\(.*?\) (?:const )?)?", "", text)
    return " ".join(text.split()) or type(error).__name__
