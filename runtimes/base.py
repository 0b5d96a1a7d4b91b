"""The runtime protocol: bundle → outputs, placement, latency.

A runtime is a place that executes a model file. It knows nothing of passes or targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

__all__ = [
    "Feeds",
    "Kernel",
    "Latency",
    "Memory",
    "ModelInMemory",
    "ModelSource",
    "Placement",
    "Runtime",
    "RuntimeFacts",
    "Session",
    "SessionSettings",
    "TensorInfo",
]

Feeds: TypeAlias = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorInfo:
    """One graph input or output. A dimension is an int, a symbol, or None (unknown)."""

    name: str
    dtype: np.dtype
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionSettings:
    """How a session is opened. The defaults are ONNX Runtime's own, apart from the thread count.

    Attributes:
        threads: Intra-op threads; 0 leaves the choice to the runtime.
        optimize: False turns graph optimizations off (for numeric tests of a graph as written).
        patterns: False takes the memory of a run piece by piece, not in one block as large as that of the first run:
            as fast, and less memory where several run at once (espnetv2_05_voc, two at once: 230 MB for 349 MB).
        config: Extra session config entries, as a bundle's `session_options` lists them.
    """

    threads: int = 0
    optimize: bool = True
    patterns: bool = True
    config: Mapping[str, str] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """The keywords `runner.options` takes, as JSON values."""
        return {
            "threads": self.threads,
            "optimize": self.optimize,
            "patterns": self.patterns,
            "config": dict(self.config),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernel:
    """One node as the runtime really executed it, after its own fusions.

    Attributes:
        name: Node name in the runtime's optimized graph.
        op_type: Operator executed (`QLinearConv`, `Conv`, `MatMulIntegerToFloat`, ...).
        provider: Execution provider, or "unknown" where there is no evidence.
        inputs, outputs: (dtype name, shape) of each operand.
        macs: Multiply-accumulates of one run; 0 for kernels that have none, None when unknown.
        integer: Whether these MACs ran on integers.
    """

    name: str
    op_type: str
    provider: str
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    macs: int | None
    integer: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where every node ran, and on what evidence.

    Attributes:
        kernels: In order of first execution.
        evidence: What shows it.
        partitions: Runs of kernels on one provider; 0 when not known.
        crossing_bytes: Bytes of one run that one provider writes and another reads; None when not known.
    """

    kernels: tuple[Kernel, ...]
    evidence: str
    partitions: int = 0
    crossing_bytes: int | None = None

    @property
    def macs(self) -> int:
        """All known MACs of one run."""
        return sum(kernel.macs or 0 for kernel in self.kernels)

    @property
    def integer_macs(self) -> int:
        """MACs of one run that ran in integer kernels."""
        return sum(kernel.macs or 0 for kernel in self.kernels if kernel.integer)

    @property
    def integer_mac_share(self) -> float | None:
        """Share of MACs in integer kernels in 0..1; None when nothing was counted."""
        return self.integer_macs / self.macs if self.macs else None

    def mac_share_on(self, provider: str) -> float | None:
        """Share of MACs that ran on a provider in 0..1; None when nothing was counted."""
        there = sum(kernel.macs or 0 for kernel in self.kernels if kernel.provider == provider)
        return there / self.macs if self.macs else None

    def off_provider(self, wanted: Sequence[str]) -> tuple[Kernel, ...]:
        """Kernels that ran on none of the wanted providers (or for which that is unknown)."""
        return tuple(kernel for kernel in self.kernels if kernel.provider not in wanted)


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """Seconds per run, of `runs` timed runs."""

    p50: float
    p95: float
    minimum: float
    runs: int
    threads: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Resident bytes of a process that did nothing but open a model and run it.

    Attributes:
        before: What it held when ONNX Runtime was loaded and the feeds were there.
        peak: The most it held from then on.
        runs: How often it ran the model.
    """

    before: int
    peak: int
    runs: int

    @property
    def added(self) -> int:
        """What the model took at most."""
        return max(0, self.peak - self.before)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ModelInMemory:
    """A model whose large weights are arrays beside its graph.

    Attributes:
        graph: The serialized model; the initializers in `weights` say that their bytes are external.
        weights: Arrays by initializer name, of the dtype and shape the graph declares.
    """

    graph: bytes
    weights: Mapping[str, np.ndarray]


ModelSource: TypeAlias = Path | bytes | ModelInMemory


class Session(Protocol):
    """An open model."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]: ...
    @property
    def outputs(self) -> tuple[TensorInfo, ...]: ...
    @property
    def load_seconds(self) -> float: ...
    @property
    def threads(self) -> int: ...
    def run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        """Outputs by name, for one set of feeds."""
        ...

    def placement(self, feeds: Feeds) -> Placement:
        """Where each node runs, from one profiled run of `feeds`."""
        ...

    def run_seconds(self, feeds: Feeds) -> float:
        """Seconds one run of checked feeds takes, outputs discarded."""
        ...

    def latency(self, feeds: Feeds, runs: int) -> Latency: ...
    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeFacts:
    """What executes in a place.

    Attributes:
        onnxruntime, numpy, python: Versions; "" of what is not there.
        machine: The processor's architecture, as the place sees it.
        system: Operating system and release.
        features: Instruction sets of the processor, by numpy's names (`AVX2`, `ASIMDDP`).
        emulated: What emulates the processor; "" when it is real, and only then are times a device's.
    """

    onnxruntime: str
    numpy: str
    python: str
    machine: str
    system: str
    features: tuple[str, ...] = ()
    emulated: str = ""

    @classmethod
    def here(cls) -> RuntimeFacts:
        """Of this process."""
        from .runner import hello

        return cls.of(hello())

    @classmethod
    def of(cls, hello: Mapping[str, Any], emulated: str = "") -> RuntimeFacts:
        """What a runner says of itself."""
        names = ("onnxruntime", "numpy", "python", "machine", "system")
        features = tuple(hello.get("features", ()))
        return cls(**{name: str(hello[name]) for name in names}, features=features, emulated=emulated)


class Runtime(Protocol):
    """A place that executes bundles."""

    @property
    def name(self) -> str: ...
    @property
    def providers(self) -> tuple[str, ...]:
        """Execution providers its sessions use, in order."""
        ...

    def available(self) -> str | None:
        """None when the runtime can be used here, else the reason why not."""
        ...

    def facts(self) -> RuntimeFacts:
        """What executes there."""
        ...

    def open(self, model: ModelSource, settings: SessionSettings = SessionSettings()) -> Session: ...

    def close(self) -> None:
        """End what was started; the next `open` starts it again."""
        ...
