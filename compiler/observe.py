"""Run the instrumented graph over the calibration samples: one pass, one batch in memory.

Memory is that of one batch and the accumulators, whatever the number of samples.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from ..passes.observe.instrument import Probe, instrument, merge_outputs, read_probes
from ..passes.observe.statistics import Need, Range, set_observation
from ..runtimes.base import Session, SessionSettings
from .materialize import materialize
from .progress import Progress
from .samples import batches, replay, stack
from .samples.base import Samples

if TYPE_CHECKING:
    from ..runtimes.base import Feeds

__all__ = ["batch_size", "observe"]

_log = logging.getLogger(__name__)

# The largest activation of a batch should stay in the second-level cache: MobileNetV2 is fastest one by one.
_BATCH_BYTES = 1 << 20
_LARGEST_BATCH = 64


def observe(
    model: ir.Model, needs: Sequence[Need], samples: Samples, *, threads: int, progress: Progress
) -> dict[str, Range]:
    """Measure the needed ranges over all samples and set them on the model's values.

    Args:
        model: The model; only the `meta` of its values changes.
        needs: What to measure.
        samples: The calibration samples.
        threads: Intra-op threads; 0 is the runtime's choice.
        progress: Told every batch.

    Returns:
        The ranges by value name.
    """
    from ..runtimes.ort import OrtCpu

    # Outputs carried from step to step must survive the instrumentation.
    carried = {output.name for output in model.graph.outputs} & set(samples.state.carried.values())
    clone = model.clone()
    kept = [output for output in clone.graph.outputs if output.name in carried]
    probes = instrument(clone, needs)
    clone.graph.outputs.extend(kept)
    with materialize(clone) as source:
        session = OrtCpu().open(source, SessionSettings(threads=threads))
        try:
            del source, clone
            found = _run(session, probes, samples, batch_size(model, needs), progress)
        finally:
            session.close()
    for value in (*model.graph.inputs, *(value for node in model.graph for value in node.outputs)):
        if value.name in found:
            set_observation(value, found[value.name])
    return found


def batch_size(model: ir.Model, needs: Sequence[Need]) -> int:
    """How many samples to run at once; 1 unless every input's first dimension is free."""
    if not all(value.shape is not None and len(value.shape) and not isinstance(value.shape[0], int)
               for value in model.graph.inputs if not value.is_initializer()):  # fmt: skip
        return 1
    wanted = {need.value for need in needs}
    values = (value for node in model.graph for value in node.outputs if value.name in wanted)
    largest = max((_bytes_of_one(value) for value in values), default=1)
    return int(np.clip(_BATCH_BYTES // largest, 1, _LARGEST_BATCH))


def _run(
    session: Session, probes: Sequence[Probe], samples: Samples, size: int, progress: Progress
) -> dict[str, Range]:
    seen: dict[str, np.ndarray] = {}
    with progress.stage("observe", len(samples)) as advance:
        if samples.state.carried:
            for sample in samples:
                for _, outputs in replay(session.run, sample, session.inputs, samples.state):
                    merge_outputs(seen, probes, outputs)
                advance(1)
            return read_probes(probes, seen)
        batchable: bool | None = None
        for batch in batches(samples, size):
            if batchable is None and len(batch) > 1:
                batchable = _same_when_batched(session, probes, stack(batch[:2]), [s.feeds for s in batch[:2]])
            groups = [stack(batch)] if batchable and len(batch) > 1 else [step for s in batch for step in s.steps]
            for feeds in groups:
                merge_outputs(seen, probes, session.run(feeds))
            advance(len(batch))
    return read_probes(probes, seen)


def _same_when_batched(session: Session, probes: Sequence[Probe], both: Feeds, singles: Sequence[Feeds]) -> bool:
    """Whether two samples run together give the ranges they give one by one.

    A free first dimension is a promise the graph may not keep (a Reshape to a constant batch of 1).
    """
    from ..errors import EdgecError

    try:
        together = read_probes(probes, session.run(both))
    except EdgecError:
        return False
    first, second = (read_probes(probes, session.run(feeds)) for feeds in singles)
    for name, seen in together.items():
        apart = first[name].merge(second[name])
        width = np.maximum(apart.high - apart.low, np.finfo(np.float32).tiny)
        if not (
            np.all(np.abs(seen.low - apart.low) <= 1e-3 * width)
            and np.all(np.abs(seen.high - apart.high) <= 1e-3 * width)
        ):
            _log.info("samples run one by one: batched, %r has another range", name)
            return False
    return True


def _bytes_of_one(value: ir.Value) -> int:
    """float32 bytes of a value for one sample; unknown dimensions count as 1."""
    dims = [] if value.shape is None else [dim for dim in list(value.shape)[1:] if isinstance(dim, int)]
    return 4 * int(np.prod(dims, dtype=np.int64))
