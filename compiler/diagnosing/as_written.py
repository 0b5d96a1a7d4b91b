"""Run Q/DQ as they are written, in float: experiments ask what rounding does, not what a kernel accepts.

A scale per channel is one such experiment, and ONNX Runtime fails when it fuses it into a kernel that takes one
scale (QLinearSigmoid, 1.31.1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...runtimes.base import ModelSource, Runtime, RuntimeFacts, Session, SessionSettings

__all__ = ["AsWritten"]


@dataclass(frozen=True, slots=True)
class AsWritten:
    """A runtime whose sessions fuse no integer kernels."""

    place: Runtime

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def providers(self) -> tuple[str, ...]:
        return self.place.providers

    def facts(self) -> RuntimeFacts:
        return self.place.facts()

    def close(self) -> None:
        self.place.close()

    def available(self) -> str | None:
        return self.place.available()

    def open(self, model: ModelSource, settings: SessionSettings = SessionSettings()) -> Session:
        """Open a model with the fusion of Q/DQ turned off."""
        config = {**settings.config, "session.disable_quant_qdq": "1"}
        return self.place.open(model, replace(settings, config=config))
