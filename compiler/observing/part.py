"""One pass over the samples for some needs: instrument, look up, run, keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import onnx_ir as ir

from ...passes.observe.instrument import Probe, Totals, instrument, read_probes
from ...passes.observe.statistics import Counts, Extremes, Need, Observation
from ...runtimes.base import ModelInMemory, Session, SessionSettings
from ..materialize import in_memory
from ..progress import Advance
from ..samples.base import Samples
from .cache import ObservationCache, entry_key
from .engine import Glance, run_over
from .layout import Layout
from .resume import Checkpoint, Recalled, Stale, recall

__all__ = ["counted_every", "observe_part"]

# About how many samples selections of elements are counted on.
_COUNTED = 32


def observe_part(
    model: ir.Model,
    needs: Sequence[Need],
    before: Sequence[Need],
    samples: Samples,
    layout: Layout,
    *,
    advance: Advance,
    every: int = 1,
    sparing: bool = False,
    cache: ObservationCache | None = None,
) -> dict[Need, Observation]:
    """Measure some needs.

    Args:
        model: The model; not changed.
        needs: What to measure.
        before: What other passes measure of values further up.
        samples: Read once.
        layout: Batches, workers, threads.
        advance: Told how many samples are done.
        every: Selections of elements are counted on every so many batches.
        sparing: Hold one session only, although most samples need a smaller one.
        cache: Where to look first, and to keep what took long.

    Returns:
        The observations.
    """
    anchors = _anchors(needs, before)
    source, probes = _instrumented(model, needs, anchors, samples)
    sketch = _sketch(model, anchors, probes, samples, every=every, sparing=sparing)
    run = _Run(source, probes, samples, layout, advance, sketch)
    if cache is None:
        return read_probes(probes, run.totals(None, Recalled()))
    settings = f"{layout.batch} {sorted(samples.state.carried.items())} {len(needs)} {every}"
    key = entry_key(source, settings=settings)
    known = recall(cache, key, probes, samples)
    if known.complete:
        advance(len(samples))
        return read_probes(probes, known.totals)
    try:
        checkpoint = Checkpoint(cache=cache, key=key, probes=probes, skip=known.skip)
        totals = run.totals(checkpoint, known)
    except Stale:
        checkpoint = Checkpoint(cache=cache, key=key, probes=probes)
        totals = run.totals(checkpoint, Recalled())
    checkpoint.finish(totals)
    return read_probes(probes, totals)


def _anchors(needs: Sequence[Need], before: Sequence[Need]) -> list[Need]:
    """One cheap reduction of every value further up that another pass measures.

    ONNX Runtime fuses what nobody looks at, and a fused kernel may round differently: so anchored, a slice runs the
    kernels that the whole would.
    """
    here = {need.value for need in needs}
    values = dict.fromkeys(need.value for need in before if need.value not in here)
    return [Need(value=value, statistic=Extremes(floor=0.0)) for value in values]


def _instrumented(
    model: ir.Model, needs: Sequence[Need], anchors: Sequence[Need], samples: Samples
) -> tuple[ModelInMemory, tuple[Probe, ...]]:
    """The graph that shows the needs, and their probes."""
    clone = model.clone()
    # Outputs carried from step to step must survive the instrumentation.
    carried = set(samples.state.carried.values())
    kept = [output for output in clone.graph.outputs if output.name in carried]
    probes = instrument(clone, needs, anchors)
    clone.graph.outputs.extend(kept)
    return in_memory(clone), probes


def _is_selection(need: Need) -> bool:
    return isinstance(need.statistic, Counts) and need.statistic.elements is not None


def counted_every(needs: Sequence[Need], samples: Samples) -> int:
    """Which batches selections of elements are counted on: some samples show how values are distributed.

    Selecting costs ONNX Runtime its blocked layout (MobileNetV2: as long as the inference itself).
    """
    return math.ceil(len(samples) / _COUNTED) if any(_is_selection(need) for need in needs) else 1


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sketch:
    """A graph with all probes but selections; None takes those of the full graph."""

    source: ModelInMemory | None
    probes: tuple[Probe, ...]
    every: int


def _sketch(
    model: ir.Model,
    anchors: Sequence[Need],
    probes: Sequence[Probe],
    samples: Samples,
    *,
    every: int,
    sparing: bool,
) -> _Sketch | None:
    """What most batches need; None where all are observed in full."""
    fewer = tuple(probe for probe in probes if not _is_selection(probe.needs[0]))
    if every == 1 or len(fewer) == len(probes):
        return None
    if sparing or not fewer:
        return _Sketch(source=None, probes=fewer, every=every)
    source, fewer = _instrumented(model, [need for probe in fewer for need in probe.needs], anchors, samples)
    return _Sketch(source=source, probes=fewer, every=every)


@dataclass(frozen=True, slots=True)
class _Run:
    source: ModelInMemory
    probes: Sequence[Probe]
    samples: Samples
    layout: Layout
    advance: Advance
    sketch: _Sketch | None

    def totals(self, checkpoint: Checkpoint | None, known: Recalled) -> Totals:
        """What all samples show, of which some are known."""
        with self._open(self.source) as session, ExitStack() as stack:
            glance = None
            if self.sketch is not None:
                source = self.sketch.source
                light = session if source is None else stack.enter_context(self._open(source))
                glance = Glance(session=light, probes=self.sketch.probes, every=self.sketch.every)
            return run_over(
                session,
                self.probes,
                self.samples,
                self.layout,
                advance=self.advance,
                totals=known.totals,
                glance=glance,
                skip=known.skip[0],
                passed=None if checkpoint is None else checkpoint.passed,
                done=None if checkpoint is None else checkpoint.done,
            )

    def _open(self, source: ModelInMemory) -> closing[Session]:
        from ...runtimes.ort import OrtCpu

        return closing(OrtCpu().open(source, SessionSettings(threads=self.layout.threads, patterns=False)))
