"""Observe segment after segment where a model is too large for memory: never more weights than one segment holds.

Each segment is opened twice: instrumented, to be observed, and as it is, to write what the next ones read. That
doubles the work of an inference, for models that could else not be observed at all.
"""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx_ir as ir

from ...passes.observe.statistics import Need, Observation, forget_observations, set_observation
from ...runtimes.base import SessionSettings
from ..journal import Journal
from ..materialize import in_memory, weight_bytes
from ..observe import observe
from ..planning.memory import give_back
from ..progress import Progress
from ..samples.base import Samples
from .cache import ObservationCache
from .cut import Segment, cut
from .kept_segments import KeptSegment
from .spill import Crossing, spill

__all__ = ["SEGMENT_ABOVE", "observe_any", "observe_in_segments"]

# Models of less weight are observed whole. ONNX Runtime holds the weights of a session about twice: as they are,
# and packed for its kernels.
SEGMENT_ABOVE = 1 << 30
_SEGMENT_BYTES = 256 << 20


def observe_any(
    model: ir.Model,
    needs: Sequence[Need],
    samples: Samples,
    *,
    threads: int,
    progress: Progress,
    max_memory: int | None = None,
    cache: ObservationCache | None = None,
    journal: Journal | None = None,
) -> dict[Need, Observation]:
    """Observe a model whole, or in segments where it is too large for that and carries no state.

    Arguments, result and errors are those of `observe`; segments are not cached, but kept in the journal.
    """
    if weight_bytes(model) > SEGMENT_ABOVE and not samples.state.carried:
        return observe_in_segments(
            model, needs, samples, threads=threads, progress=progress, max_memory=max_memory, journal=journal
        )
    return observe(model, needs, samples, threads=threads, progress=progress, max_memory=max_memory, cache=cache)


def observe_in_segments(
    model: ir.Model,
    needs: Sequence[Need],
    samples: Samples,
    *,
    threads: int,
    progress: Progress,
    max_memory: int | None = None,
    journal: Journal | None = None,
) -> dict[Need, Observation]:
    """Measure what is needed over all samples and set it on the model's values, as `observe` does.

    Args:
        model: The model; only the `meta` of its values changes.
        needs: What to measure.
        samples: The calibration samples; no state is carried.
        threads: Cores to use; 0 is all of them.
        progress: Told of every batch of every segment.
        max_memory: Bytes this process may hold while a segment is observed; None does not limit it.
        journal: Where observations are put, and found again with what crosses into the next segment, by a compile that
            was interrupted; None keeps them in memory.

    Returns:
        The observations.
    """
    found: dict[Need, Observation] = {}
    waiting = list(dict.fromkeys(needs))
    folder: Path | None = None
    kept = None if journal is None else KeptSegment.first(journal, samples)
    with tempfile.TemporaryDirectory(prefix="edgec-") as scratch:
        for number, segment in enumerate(cut(model, _SEGMENT_BYTES)):
            if not waiting:
                break
            held = {*segment.reads, *(str(value.name) for node in segment.model.graph for value in node.outputs)}
            here = [need for need in waiting if need.value in held]
            waiting = [need for need in waiting if need.value not in held]
            crossing, after = Crossing(samples=samples, folder=folder, reads=segment.reads), None
            if kept is not None:
                kept = kept.behind(segment)
                known, after = kept.recall(here), kept.crossing
                if len(known) == len(here):  # else all of them again: kernels depend on what is observed beside
                    found |= known
                    here = []
            if here:
                seen = observe(segment.model, here, crossing, threads=threads, progress=progress, max_memory=max_memory)
                found |= seen if kept is None else kept.remember(seen)
                del seen
            if after is None:
                after = Path(scratch) / str(number)
                after.mkdir()
                if segment.writes:
                    _spill(segment, crossing, after, threads)
                if kept is not None:
                    after = kept.cross(after)
            if kept is None and folder is not None:
                shutil.rmtree(folder)
            if kept is not None:
                _let_go(segment.model)
            folder = after
    values = {value.name: value for value in model.graph.inputs}
    values |= {value.name: value for node in model.graph for value in node.outputs}
    for need, observed in found.items():
        set_observation(values[need.value], need.statistic, observed)
    return found


def _let_go(model: ir.Model) -> None:
    """Free what a segment left: graphs are cyclic, what hangs on one stays, and nobody collects while passes run."""
    for value in (*model.graph.inputs, *(value for node in model.graph for value in node.outputs)):
        forget_observations(value)
    gc.collect()
    give_back()


def _spill(segment: Segment, crossing: Crossing, folder: Path, threads: int) -> None:
    from ...runtimes.ort import OrtCpu

    session = OrtCpu().open(in_memory(segment.model.clone()), SessionSettings(threads=threads))
    try:
        spill(crossing, session.run, keeps=segment.keeps, folder=folder)
    finally:
        session.close()
