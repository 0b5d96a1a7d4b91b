"""Samples: feeds for the model, opened from what the user gave, read lazily and checked one by one."""

from __future__ import annotations

from .base import DataSource, Feeds, Sample, Samples, State
from .batch import batches, can_batch, stack
from .digest import SampleDigest, sample_digest
from .images import ImagePreprocess
from .open import open_samples
from .sequence import replay, start_state
from .subset import overlap, split

__all__ = [
    "DataSource",
    "Feeds",
    "ImagePreprocess",
    "Sample",
    "SampleDigest",
    "Samples",
    "State",
    "batches",
    "can_batch",
    "open_samples",
    "overlap",
    "replay",
    "sample_digest",
    "split",
    "stack",
    "start_state",
]
