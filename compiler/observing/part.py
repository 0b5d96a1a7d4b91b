"""One pass over the samples for some needs: instrument, look up, run, keep."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from ...passes.observe.instrument import Probe, Totals, instrument, read_probes
from ...passes.observe.statistics import Extremes, Need, Observation
from ...runtimes.base import ModelInMemory, SessionSettings
from ..materialize import in_memory
from ..progress import Advance
from ..samples.base import Samples
from .cache import ObservationCache, entry_key
from .engine import run_over
from .layout import Layout
from .resume import Checkpoint, Recalled, Stale, recall

__all__ = ["observe_part"]


def observe_part(
    model: ir.Model,
    needs: Sequence[Need],
    before: Sequence[Need],
    samples: Samples,
    layout: Layout,
    *,
    advance: Advance,
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
        cache: Where to look first, and to keep what took long.

    Returns:
        The observations.
    """
    clone = model.clone()
    # Outputs carried from step to step must survive the instrumentation.
    carried = set(samples.state.carried.values())
    kept = [output for output in clone.graph.outputs if output.name in carried]
    probes = instrument(clone, (*needs, *_anchors(needs, before)))[: len(needs)]
    clone.graph.outputs.extend(kept)
    source = in_memory(clone)
    if cache is None:
        return read_probes(probes, _run(source, probes, samples, layout, advance, None, Recalled()))
    key = entry_key(source, settings=f"{layout.batch} {sorted(samples.state.carried.items())} {len(needs)}")
    known = recall(cache, key, probes, samples)
    if known.complete:
        advance(len(samples))
        return read_probes(probes, known.totals)
    try:
        checkpoint = Checkpoint(cache=cache, key=key, probes=probes, skip=known.skip)
        totals = _run(source, probes, samples, layout, advance, checkpoint, known)
    except Stale:
        checkpoint = Checkpoint(cache=cache, key=key, probes=probes)
        totals = _run(source, probes, samples, layout, advance, checkpoint, Recalled())
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


def _run(
    source: ModelInMemory,
    probes: Sequence[Probe],
    samples: Samples,
    layout: Layout,
    advance: Advance,
    checkpoint: Checkpoint | None,
    known: Recalled,
) -> Totals:
    from ...runtimes.ort import OrtCpu

    session = OrtCpu().open(source, SessionSettings(threads=layout.threads))
    try:
        return run_over(
            session,
            probes,
            samples,
            layout,
            advance=advance,
            totals=known.totals,
            skip=known.skip[0],
            passed=None if checkpoint is None else checkpoint.passed,
            done=None if checkpoint is None else checkpoint.done,
        )
    finally:
        session.close()
