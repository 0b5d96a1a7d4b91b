"""What ONNX Runtime is given and says, in this process's words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from . import runner
from .base import ModelInMemory, ModelSource, SessionSettings

__all__ = ["PROVIDER", "evidence_of", "ort_message", "start_session"]

PROVIDER = "CPUExecutionProvider"


def start_session(model: ModelSource, settings: SessionSettings) -> tuple[Any, list[Any]]:
    """An `InferenceSession` on the CPU provider, and what must live as long as it does.

    Raises:
        Exception: What ONNX Runtime raises; its exceptions share no base.
    """
    source, weights = _parts(model)
    return runner.open_session(source, runner.options(**settings.options()), [PROVIDER], weights)


def evidence_of(model: ModelSource, settings: SessionSettings, feeds: dict[str, np.ndarray]) -> runner.Evidence:
    """What one run of checked feeds shows of where it ran.

    Raises:
        Exception: What ONNX Runtime raises.
    """
    source, weights = _parts(model)
    return runner.evidence(source, settings.options(), [PROVIDER], weights, feeds)


def _parts(model: ModelSource) -> tuple[str | bytes, dict[str, np.ndarray]]:
    if isinstance(model, ModelInMemory):
        return model.graph, dict(model.weights)
    return (str(model) if isinstance(model, Path) else model), {}


def ort_message(error: Exception | str) -> str:
    """One line of an ONNX Runtime exception, without its code, C++ location and stack."""
    text = str(error).split("\nStacktrace:")[0].strip()
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"^Load model from .*? failed: ?", "", text)
    text = re.sub(r"\S+\.(?:cc|h):\d+ (?:[\w:~<>]+\(.*?\) (?:const )?)?", "", text)
    return " ".join(text.split()) or type(error).__name__
