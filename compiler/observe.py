"""Run the instrumented graph over the calibration samples: one pass, one batch for each worker in memory.

Samples are independent, so cores work on different ones, each with a single-threaded run of the same session:
splitting one small inference over cores costs more than it saves. Memory is that of the batches under way
and the accumulators, whatever the number of samples; extremes do not depend on the order they are merged in.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from ..passes.observe.instrument import Probe, Totals, fold, instrument, merge_totals, read_probes
from ..passes.observe.statistics import Need, Observation, Range, set_observation
from ..runtimes.base import Session, SessionSettings
from .materialize import in_memory
from .progress import Progress
from .samples import batches, replay, stack
from .samples.base import Sample, Samples

if TYPE_CHECKING:
    from ..runtimes.base import Feeds

__all__ = ["Layout", "lay_out", "observe"]

_log = logging.getLogger(__name__)

# The largest activation of a batch should stay in the second-level cache: MobileNetV2 is fastest one by one.
_BATCH_BYTES = 1 << 20
_LARGEST_BATCH = 64
# Activations of all workers together; each worker's arena is a few times its largest value.
_WORKERS_BYTES = 64 << 20


def observe(
    model: ir.Model, needs: Sequence[Need], samples: Samples, *, threads: int, progress: Progress
) -> dict[Need, Observation]:
    """Measure what is needed over all samples and set it on the model's values.

    Args:
        model: The model; only the `meta` of its values changes.
        needs: What to measure.
        samples: The calibration samples.
        threads: Cores to use; 0 is all of them.
        progress: Told of every batch.

    Returns:
        The observations.
    """
    from ..runtimes.ort import OrtCpu

    # Outputs carried from step to step must survive the instrumentation.
    carried = {output.name for output in model.graph.outputs} & set(samples.state.carried.values())
    clone = model.clone()
    kept = [output for output in clone.graph.outputs if output.name in carried]
    probes = instrument(clone, needs)
    clone.graph.outputs.extend(kept)
    layout = lay_out(model, needs, threads)
    session = OrtCpu().open(in_memory(clone), SessionSettings(threads=layout.threads))
    try:
        found = _run(session, probes, samples, layout, progress)
    finally:
        session.close()
    values = {value.name: value for value in model.graph.inputs}
    values |= {value.name: value for node in model.graph for value in node.outputs}
    for need, observed in found.items():
        set_observation(values[need.value], need.statistic, observed)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How samples meet cores: `workers` run at once, each on a batch of `batch` samples with `threads` threads."""

    batch: int
    workers: int
    threads: int


def lay_out(model: ir.Model, needs: Sequence[Need], threads: int) -> Layout:
    """One worker per core while their activations stay small, else fewer workers of several threads.

    Args:
        model: The model to observe.
        needs: What will be observed.
        threads: Cores to use; 0 is all of them.
    """
    cores = threads or usable_cores()
    wanted = {need.value for need in needs}
    values = [value for node in model.graph for value in node.outputs if value.name in wanted]
    largest = max((_bytes_of_one(value) for value in values), default=1)
    batch = int(np.clip(_BATCH_BYTES // largest, 1, _LARGEST_BATCH)) if _batch_is_free(model) else 1
    workers = int(np.clip(_WORKERS_BYTES // (batch * largest), 1, cores))
    return Layout(batch=batch, workers=workers, threads=max(1, cores // workers))


def usable_cores() -> int:
    """Cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _batch_is_free(model: ir.Model) -> bool:
    """Whether every input's first dimension is free."""
    inputs = [value for value in model.graph.inputs if not value.is_initializer()]
    return all(value.shape is not None and len(value.shape) and not isinstance(value.shape[0], int) for value in inputs)


def _run(
    session: Session, probes: Sequence[Probe], samples: Samples, layout: Layout, progress: Progress
) -> dict[Need, Observation]:
    size = 1 if samples.state.carried else layout.batch
    together = _Together(session, probes)

    def observed(batch: list[Sample]) -> tuple[int, Totals]:
        seen: Totals = {}
        if together.same(batch):
            fold(seen, probes, session.run(stack(batch)))
            return len(batch), seen
        for sample in batch:
            for _, outputs in replay(session.run, sample, session.inputs, samples.state):
                fold(seen, probes, outputs)
        return len(batch), seen

    total: Totals = {}
    with progress.stage("observe", len(samples)) as advance, ThreadPoolExecutor(layout.workers) as pool:
        under_way: deque[Future[tuple[int, Totals]]] = deque()

        def finish_one() -> None:
            count, seen = under_way.popleft().result()
            merge_totals(total, probes, seen)
            advance(count)

        try:
            for batch in batches(samples, size):
                together.decide(batch)
                under_way.append(pool.submit(observed, batch))
                if len(under_way) > layout.workers:
                    finish_one()
            while under_way:
                finish_one()
        finally:
            for future in under_way:
                future.cancel()
    return read_probes(probes, total)


@dataclass(kw_only=False, slots=True)
class _Together:
    """Whether samples may be stacked: found out on the first batch of several."""

    session: Session
    probes: Sequence[Probe]
    allowed: bool | None = None

    def decide(self, batch: Sequence[Sample]) -> None:
        if self.allowed is None and len(batch) > 1:
            singles = [sample.feeds for sample in batch[:2]]
            self.allowed = _same_when_batched(self.session, self.probes, stack(batch[:2]), singles)

    def same(self, batch: Sequence[Sample]) -> bool:
        return bool(self.allowed) and len(batch) > 1


def _same_when_batched(session: Session, probes: Sequence[Probe], both: Feeds, singles: Sequence[Feeds]) -> bool:
    """Whether two samples run together give the ranges they give one by one.

    A free first dimension is a promise the graph may not keep (a Reshape to a constant batch of 1).
    """
    from ..errors import EdgecError

    try:
        together = _ranges(session, probes, both)
    except EdgecError:
        return False
    first, second = (_ranges(session, probes, feeds) for feeds in singles)
    for need, seen in together.items():
        apart = first[need].merge(second[need])
        width = np.maximum(apart.high - apart.low, np.finfo(np.float32).tiny)
        if not (
            np.all(np.abs(seen.low - apart.low) <= 1e-3 * width)
            and np.all(np.abs(seen.high - apart.high) <= 1e-3 * width)
        ):
            _log.info("samples run one by one: batched, %r has another range", need.value)
            return False
    return True


def _ranges(session: Session, probes: Sequence[Probe], feeds: Feeds) -> dict[Need, Range]:
    """The ranges one run shows."""
    outputs = session.run(feeds)
    seen = {probe.need: probe.seen(outputs) for probe in probes}
    return {need: observed for need, observed in seen.items() if isinstance(observed, Range)}


def _bytes_of_one(value: ir.Value) -> int:
    """float32 bytes of a value for one sample; unknown dimensions count as 1."""
    dims = [] if value.shape is None else [dim for dim in list(value.shape)[1:] if isinstance(dim, int)]
    return 4 * int(np.prod(dims, dtype=np.int64))
