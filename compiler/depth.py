"""Where error shows in what ships: one sample through float and bundle, SQNR of every value that both have.

A look beside the proof, not a part of it: no clause rests on it. One sample of thousands of elements a value tells
where error rises; `edgec compare` does it on many, and `edgec diagnose` says where it is born.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from ..bundle import Bundle
from ..errors import EdgecError
from .compare import compare_subjects
from .diagnosing.subject import Subject, open_subject
from .samples.base import Sample, Samples, State

__all__ = ["MOST_ELEMENTS", "error_by_depth"]

_log = logging.getLogger(__name__)

# What is worth a look that nobody asked for: about a second and a half of comparing.
MOST_ELEMENTS = 32 << 20
_STEPS = 8


def error_by_depth(bundle: Bundle, model: ir.Model, samples: Samples) -> dict[str, Any] | None:
    """Compare a bundle with float value by value on the first of some samples.

    Args:
        bundle: What ships.
        model: What it was compiled from, after rewrites that rescale values; not changed.
        samples: The first is run, its first steps where it is a sequence.

    Returns:
        What `proof/depth.json` holds: (depth, value, operator, SQNR in dB or null for identical) of every value but
        those without signal, which have no place on a curve. None where there is no sample, the values are too many
        or too large for a look, or the two models cannot be compared: the verdict does not rest on it.
    """
    sample = next(iter(samples), None)
    if sample is None:
        return None
    one = _One(sample=Sample(id=sample.id, steps=sample.steps[:_STEPS]), origin=sample.id, state=samples.state)
    if _elements(model) * len(one.sample.steps) > MOST_ELEMENTS:
        return None
    try:
        found = compare_subjects(Subject(name="float", model=model), open_subject(bundle), one, threads=1)
    except EdgecError as error:
        _log.info("error by depth was not looked at: %s", error)
        return None
    return {
        "schema_version": "1",
        "bundle": bundle.digest,
        "sample": Path(sample.id).name,
        "steps": len(one.sample.steps),
        "values": [
            [each.depth, each.name, each.op, each.distance.sqnr_db if math.isfinite(each.distance.sqnr_db) else None]
            for each in found.values
            if each.distance.sqnr_db != -math.inf
        ],
        "unmatched": len(found.lone),
    }


def _elements(model: ir.Model) -> int:
    """Elements of all values for one run; unknown dimensions count as 1."""
    shapes = (value.shape for node in model.graph for value in node.outputs if value.shape is not None)
    return sum(int(np.prod([dim for dim in shape if isinstance(dim, int)], dtype=np.int64)) for shape in shapes)


@dataclass(frozen=True, kw_only=True, slots=True)
class _One:
    """One sample as a source of samples."""

    sample: Sample
    origin: str
    state: State

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Sample]:
        return iter((self.sample,))

    def digest(self) -> str:
        """sha256 of its name; nothing is bound by it."""
        return hashlib.sha256(self.sample.id.encode()).hexdigest()
