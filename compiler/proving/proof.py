"""The proof: everything measured of a bundle, of one machine, on one day."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...runtimes.base import Latency, Memory, Placement
from ...runtimes.compare import Comparison
from ..metrics.intervals import Interval
from .machine import Machine
from .older_proof import OlderProof
from .probing.off_wanted import OffWanted
from .steps import OutputSteps

__all__ = [
    "AdapterProof",
    "ContextProof",
    "EvaluationProof",
    "GoldenProof",
    "LatencyProof",
    "MetricProof",
    "OrtProof",
    "OutputProof",
    "Proof",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class GoldenProof:
    """The golden inputs, run again, against the golden outputs.

    Attributes:
        exact: Every element is equal.
        sqnr_db: Of the worst output; None when an integer output differs or has no signal to noise.
        nonfinite: Elements of the answers that are NaN or infinite.
        steps: Steps replayed.
        agrees: Whether the answers are close enough to be the same model on another processor.
    """

    exact: bool
    sqnr_db: float | None
    nonfinite: int
    steps: int
    agrees: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ContextProof:
    """The context binary in a process of its own, against the model compiled there as it was opened.

    Attributes:
        model: The file.
        runtime: Where.
        exact: Every element of every output is equal.
        sqnr_db: Of the worst output; None when all are equal, or an integer output differs.
        steps: Golden steps that both were given.
    """

    model: str
    runtime: str
    exact: bool
    sqnr_db: float | None
    steps: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OrtProof:
    """The model in ORT format, against the model, both opened in one place and optimized alike.

    Attributes:
        model: The file.
        runtime: Where.
        style: `fixed` or `runtime`, as the manifest says.
        exact: Every element of every output is equal.
        sqnr_db: Of the worst output; None when all are equal, or an integer output differs.
        agrees: Whether the answers are close enough to be the same model, by the measure of the golden outputs.
        steps: Golden steps that both were given.
    """

    model: str
    runtime: str
    style: str
    exact: bool
    sqnr_db: float | None
    agrees: bool
    steps: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputProof:
    """One output over all evaluation samples.

    Attributes:
        name: The output.
        carried: It is state fed back as an input; reported, but no clause looks at it.
        against_float: The comparison with float; None without float.
        nonfinite: Elements that are NaN or infinite where float's are finite (or at all, without float).
    """

    name: str
    carried: bool
    against_float: Comparison | None
    nonfinite: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricProof:
    """The task metric; values in its own unit (0..1 for `pt`), intervals of 95%.

    Attributes:
        float_value: Of the float model; None without one.
        value: Of the bundle.
        drop: How much worse the bundle is than float; None without float.
        n: Labelled samples.
    """

    name: str
    direction: str
    unit: str
    n: int
    float_value: float | None
    float_interval: Interval | None
    value: float
    value_interval: Interval | None
    drop: float | None
    drop_interval: Interval | None


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationProof:
    """What the evaluation samples showed.

    Attributes:
        origin, digest: Which samples: the name of their file or folder, and what is in it.
        samples, steps: How many samples, and model runs in all.
        outputs: One per output, in the model's order.
        metric: The task metric; None with `metric_reason`.
        records: What the metric recorded of the bundle, a row a sample, shape (n, k); None without a metric.
    """

    origin: str
    digest: str
    samples: int
    steps: int
    outputs: tuple[OutputProof, ...]
    metric: MetricProof | None
    metric_reason: str = ""
    records: np.ndarray | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class AdapterProof:
    """The bundle with an adapter active, in the session of the one without.

    Attributes:
        name: Which.
        golden: The golden inputs again, against what they gave with it.
        evaluation: Against float with the same adapter; None without evaluation samples.
    """

    name: str
    golden: GoldenProof
    evaluation: EvaluationProof | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyProof:
    """Latency with one thread count, all sessions timed turn by turn in one run.

    Attributes:
        threads: Intra-op threads.
        bundle: The bundle, with its session options.
        float_model: The float model; None without one.
        ratio: Bundle's over float's, with its 95% interval: of the fastest runs of paired blocks with one thread, of
            the medians with more.
        p95_ratio: The same of the 95th percentiles.
        without_options: The bundle without its session options; None where it has none.
        busy: Wall-clock over processor seconds while one thread computed; near 1 where the processor was ours, None
            where only the clock on the wall was read.
    """

    threads: int
    bundle: Latency
    float_model: Latency | None
    ratio: float | None
    ratio_interval: Interval | None
    without_options: Latency | None
    p95_ratio: float | None = None
    p95_ratio_interval: Interval | None = None
    busy: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """Everything measured of a bundle.

    Attributes:
        bundle: Digest of the bundle's payload.
        date: UTC, ISO 8601.
        machine: Where.
        versions: Of edgec and what it measured with.
        runtime: The runtime's name.
        providers: Execution providers the target wants.
        wanted: The provider that is to run it: the target's first, on a place that is not the target's the place's.
        off_wanted: What ran off that provider, and why; empty where it is the CPU's, or nothing was tried.
        session_options: Applied to the bundle's sessions.
        unexecuted: Why the target's own kernels could not be executed here; "" when they were.
        untimed: Why times taken here are not the target's; "" when they are.
        emulated: What emulated the processor; "" when it is real.
        isa: Instruction set of the processor that executed, as far as it tells; "" when nothing was executed.
        golden, placement: None when nothing could be executed.
        checked: What the support rules of the target's providers say, node by node, where its kernels could not be
            executed; `placement` is then theirs. None where there are no rules, or the kernels ran.
        apart: By output, how far the place is from this process; None where it is this process.
        context: The context binary beside the model; None where the bundle has none, or it could not be loaded here.
        ort: The model in ORT format; None where the bundle has none.
        evaluation: None without evaluation samples.
        adapters: One per adapter of the bundle that could be switched on here.
        size_bytes, float_bytes: Of the bundle's model, of float's.
        load_seconds: Median over all times the bundle was opened.
        opened: How often that was.
        latency: One per thread count.
        memory: What opening and running the bundle took of a new process of the place; None where nobody asked, or
            `memory_reason` says why it is not known.
        older: What older releases of ONNX Runtime make of it; None where nobody asked.
        opset, ir_version: Of the model's file; 0 where nobody asked.
        notes: What a reader of the verdict must know.
    """

    bundle: str
    date: str
    machine: Machine
    versions: Mapping[str, str]
    runtime: str
    providers: tuple[str, ...]
    session_options: Mapping[str, str]
    unexecuted: str
    golden: GoldenProof | None
    placement: Placement | None
    evaluation: EvaluationProof | None
    size_bytes: int
    float_bytes: int | None
    load_seconds: float | None
    opened: int
    latency: tuple[LatencyProof, ...]
    untimed: str = ""
    emulated: str = ""
    isa: str = ""
    checked: Mapping[str, Any] | None = None
    apart: Mapping[str, OutputSteps] | None = None
    context: ContextProof | None = None
    ort: OrtProof | None = None
    wanted: str = ""
    off_wanted: tuple[OffWanted, ...] = ()
    memory: Memory | None = None
    memory_reason: str = ""
    older: OlderProof | None = None
    adapters: tuple[AdapterProof, ...] = ()
    opset: int = 0
    ir_version: int = 0
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The proof as JSON values; numbers that are not finite become null."""
        return {
            "schema_version": "1",
            "bundle": self.bundle,
            "date": self.date,
            "machine": self.machine.to_json(),
            "versions": dict(self.versions),
            "runtime": self.runtime,
            "providers": list(self.providers),
            "session_options": dict(self.session_options),
            "executed": not self.unexecuted,
            "unexecuted": self.unexecuted,
            "untimed": self.untimed,
            "emulated": self.emulated,
            "isa": self.isa,
            "golden": None if self.golden is None else _plain(self.golden),
            "evaluation": None if self.evaluation is None else _evaluation(self.evaluation),
            "size": {
                "bundle_bytes": self.size_bytes,
                "float_bytes": self.float_bytes,
                "ratio": self.size_bytes / self.float_bytes if self.float_bytes else None,
            },
            "load": {"seconds": self.load_seconds, "opened": self.opened},
            "latency": [_plain(each) for each in self.latency],
            "memory": None if self.memory is None else _plain(self.memory),
            "placement": None if self.placement is None else _placement(self.placement, self),
            "checked": None if self.checked is None else dict(self.checked),
            "apart": None if self.apart is None else {name: each.to_json() for name, each in self.apart.items()},
            "context": None if self.context is None else _plain(self.context),
            "ort": None if self.ort is None else _plain(self.ort),
            "adapters": {
                each.name: {
                    "golden": _plain(each.golden),
                    "evaluation": None if each.evaluation is None else _evaluation(each.evaluation),
                }
                for each in self.adapters
            },
            "older": None if self.older is None else _plain(self.older),
            "notes": list(self.notes),
        }


def _evaluation(evaluation: EvaluationProof) -> dict[str, object]:
    return {
        "origin": evaluation.origin,
        "digest": evaluation.digest,
        "samples": evaluation.samples,
        "steps": evaluation.steps,
        "outputs": {
            output.name: {
                "carried": output.carried,
                "nonfinite": output.nonfinite,
                "against_float": None if output.against_float is None else output.against_float.to_json(),
            }
            for output in evaluation.outputs
        },
        "metric": None if evaluation.metric is None else _plain(evaluation.metric),
        "metric_reason": evaluation.metric_reason,
    }


def _placement(placement: Placement, proof: Proof) -> dict[str, object]:
    wanted = proof.wanted or next(iter(proof.providers), "")
    return {
        "evidence": placement.evidence,
        "partitions": placement.partitions,
        "crossing_bytes": placement.crossing_bytes,
        "macs": placement.macs,
        "integer_macs": placement.integer_macs,
        "integer_mac_share": placement.integer_mac_share,
        "wanted": wanted,
        "wanted_mac_share": placement.mac_share_on(wanted) if wanted else None,
        "off_wanted": [each.to_json() for each in proof.off_wanted],
        "uncounted": [kernel.name for kernel in placement.kernels if kernel.macs is None],
        "off_provider": [kernel.name for kernel in placement.off_provider((*proof.providers, wanted))],
        "kernels": [
            {
                "name": kernel.name,
                "op": kernel.op_type,
                "provider": kernel.provider,
                "macs": kernel.macs,
                "integer": kernel.integer,
                "inputs": [f"{dtype}{list(shape)}" for dtype, shape in kernel.inputs],
                "outputs": [f"{dtype}{list(shape)}" for dtype, shape in kernel.outputs],
            }
            for kernel in placement.kernels
        ],
    }


def _plain(value: Any) -> Any:
    """Dataclasses to dicts, tuples to lists, numbers without bound to null."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
