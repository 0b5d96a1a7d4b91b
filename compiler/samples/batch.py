"""Batches of samples, in order, one batch in memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from ...runtimes.base import TensorInfo
from .base import Feeds, Sample, Samples, State

__all__ = ["batches", "can_batch", "stack"]


def can_batch(inputs: Sequence[TensorInfo], state: State = State()) -> bool:
    """Whether samples may be stacked: every input has a free first dimension, all the same, and nothing is carried.

    Inputs of rank 0 do not stand in the way: `batches` keeps samples apart that differ there.
    """
    first = {info.shape[0] for info in inputs if info.shape}
    return len(first) == 1 and not isinstance(first.pop(), int) and not state.carried


def batches(samples: Samples, size: int) -> Iterator[list[Sample]]:
    """Groups of at most `size` neighbouring samples that can be stacked.

    Neighbours share a group when their feeds have the same dtypes and shapes (and, where these are of rank 0,
    the same values). A sequence, or a sample of a model with carried state, is alone.

    Args:
        samples: Read once, in order.
        size: Most samples of a group; 1 for models whose batch is fixed.
    """
    group: list[Sample] = []
    shared: Hashable = None
    for sample in samples:
        form = None if samples.state.carried else _form(sample)
        if group and (len(group) >= size or form is None or form != shared):
            yield group
            group = []
        group.append(sample)
        shared = form
    if group:
        yield group


def stack(samples: Sequence[Sample]) -> Feeds:
    """Feeds of one-step samples concatenated along axis 0: `[n, ...]`; feeds of rank 0 are those of the first."""
    first = samples[0].feeds
    if len(samples) == 1:
        return first
    return {
        name: np.concatenate([sample.feeds[name] for sample in samples]) if array.ndim else array
        for name, array in first.items()
    }


def _form(sample: Sample) -> Hashable:
    if len(sample.steps) > 1:
        return None
    return tuple(
        (name, array.dtype.str, array.shape, None if array.ndim else array.item())
        for name, array in sorted(sample.feeds.items())
    )
