"""How samples meet cores: batches, workers, threads."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...passes.observe.statistics import Counts, Extremes, Need

__all__ = ["Layout", "lay_out", "usable_cores"]

# The largest activation of a batch should stay in the second-level cache: MobileNetV2 is fastest one by one.
_BATCH_BYTES = 1 << 20
_LARGEST_BATCH = 64
# Elements that one run shows to be counted are all alive at its end: 29 MB of resnet56's 16 samples of 32 x 32, whose
# largest activations together fill a megabyte.
_SHOWN_BYTES = 8 << 20
# Activations of all workers together; each worker's arena is a few times its largest value.
_WORKERS_BYTES = 64 << 20


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
    made = [value for node in model.graph for value in node.outputs]
    largest = max((_bytes_of_one(value) for value in made if value.name in wanted), default=1)
    size = {value.name: _bytes_of_one(value) for value in (*model.graph.inputs, *made)}
    shown = sum(_shown_of_one(need, size[need.value]) for need in needs)
    stackable = _batch_is_free(model) and not any(_one_by_one(need) for need in needs)
    fitting = min(_BATCH_BYTES // largest, _SHOWN_BYTES // max(1, shown), _LARGEST_BATCH)
    batch = max(1, fitting) if stackable else 1
    workers = int(np.clip(_WORKERS_BYTES // (batch * largest), 1, cores))
    return Layout(batch=batch, workers=workers, threads=max(1, cores // workers))


def _shown_of_one(need: Need, size: int) -> int:
    """Bytes of the elements that one sample shows to be counted."""
    if not isinstance(need.statistic, Counts):
        return 0
    return size if need.statistic.elements is None else min(size, 4 * need.statistic.elements)


def usable_cores() -> int:
    """Cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _one_by_one(need: Need) -> bool:
    """Whether a statistic is of each sample apart."""
    return isinstance(need.statistic, Extremes) and need.statistic.averaged


def _batch_is_free(model: ir.Model) -> bool:
    """Whether every input's first dimension is free."""
    inputs = [value for value in model.graph.inputs if not value.is_initializer()]
    return all(value.shape is not None and len(value.shape) and not isinstance(value.shape[0], int) for value in inputs)


def _bytes_of_one(value: ir.Value) -> int:
    """float32 bytes of a value for one sample; unknown dimensions count as 1."""
    dims = [] if value.shape is None else [dim for dim in list(value.shape)[1:] if isinstance(dim, int)]
    return 4 * max(1, math.prod(dims))
