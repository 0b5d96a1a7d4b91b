"""Digests of samples: what identifies one, and a set of them.

A sample's feeds and its label are hashed apart: an unlabelled copy of a labelled sample is still the same sample.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .base import Sample

__all__ = ["SampleDigest", "combine", "sample_digest"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleDigest:
    """sha256 of a sample's feeds and of its label (empty without one), 32 bytes each."""

    feeds: bytes
    label: bytes


def sample_digest(sample: Sample) -> SampleDigest:
    """Digest over every array in order: name, dtype, shape, bytes; inputs by name within a step."""
    feeds = hashlib.sha256()
    for step in sample.steps:
        feeds.update(b"step\0")
        for name in sorted(step):
            _update(feeds, name, step[name])
    if sample.label is None:
        return SampleDigest(feeds=feeds.digest(), label=b"")
    label = hashlib.sha256()
    _update(label, "label", sample.label)
    return SampleDigest(feeds=feeds.digest(), label=label.digest())


def combine(digests: Iterable[SampleDigest]) -> str:
    """sha256 over the samples' digests in order, hex."""
    whole = hashlib.sha256()
    for digest in digests:
        whole.update(digest.feeds + (digest.label or bytes(32)))
    return whole.hexdigest()


def _update(digest: hashlib._Hash, name: str, array: np.ndarray) -> None:
    digest.update(f"{name}\0{array.dtype.name}\0{array.shape}\0".encode())
    if array.dtype.kind == "O":  # string tensors: numpy holds pointers
        for text in array.ravel():
            raw = str(text).encode()
            digest.update(len(raw).to_bytes(8, "little") + raw)
    else:
        # Reinterpreted as bytes, since ml_dtypes arrays export no buffer.
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
