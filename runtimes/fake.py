"""A runtime for tests: answers what it is told to, takes as long as it is told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .base import Feeds, Kernel, Latency, ModelSource, Placement, RuntimeFacts, Session, SessionSettings, TensorInfo

__all__ = ["FakeRuntime", "FakeSession"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeRuntime:
    """A place that executes nothing.

    Attributes:
        answer: Feeds to outputs by name.
        inputs, outputs: The signature every model has here.
        kernels: What `placement` reports.
        seconds: What every run is said to take.
        reason: Why it cannot be used; None when it can.
    """

    answer: Callable[[Feeds], Mapping[str, np.ndarray]]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    kernels: tuple[Kernel, ...] = ()
    seconds: float = 0.001
    reason: str | None = None
    name: str = "fake"
    providers: tuple[str, ...] = ("CPUExecutionProvider",)

    def available(self) -> str | None:
        return self.reason

    def facts(self) -> RuntimeFacts:
        return RuntimeFacts.here()

    def close(self) -> None:
        return None

    def open(self, model: ModelSource, settings: SessionSettings = SessionSettings()) -> Session:
        return FakeSession(runtime=self, model=model, settings=settings)


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeSession:
    """An open model of a `FakeRuntime`; `calls` holds the feeds of every run."""

    runtime: FakeRuntime
    model: ModelSource
    settings: SessionSettings
    calls: list[Feeds] = field(default_factory=list)

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return self.runtime.inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        return self.runtime.outputs

    @property
    def load_seconds(self) -> float:
        return self.runtime.seconds

    @property
    def threads(self) -> int:
        return self.settings.threads

    def run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        self.calls.append(feeds)
        return dict(self.runtime.answer(feeds))

    def run_seconds(self, feeds: Feeds) -> float:
        self.calls.append(feeds)
        return self.runtime.seconds

    def placement(self, feeds: Feeds) -> Placement:
        del feeds
        return Placement(kernels=self.runtime.kernels, evidence="told so")

    def latency(self, feeds: Feeds, runs: int) -> Latency:
        del feeds
        each = self.runtime.seconds
        return Latency(p50=each, p95=each, minimum=each, runs=runs, threads=self.threads)

    def close(self) -> None:
        return None
