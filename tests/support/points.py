"""Points of a search by hand: who is right on which sample, and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgec.bundle import Bundle
from edgec.compiler.exploring.candidate import Candidate
from edgec.compiler.exploring.point import Point
from edgec.compiler.metrics import metric_named
from edgec.compiler.request import CompileRequest

__all__ = ["point"]


def point(name: str, right: Sequence[int] | None, size: int = 1, *, folder: Path, drop: float = 0.0) -> Point:
    """A point of numbers alone.

    Args:
        name: `model/recipe`.
        right: 1 where a sample is answered right, 0 where not; None without labels.
        size: Bytes.
        folder: Where its bundle would be.
        drop: How much worse than its own float model.
    """
    model, _, recipe = name.partition("/")
    scored: dict[str, Any] | None = None
    if right is not None:
        value = sum(right) / len(right)
        scored = {"name": "top1", "unit": "pt", "n": len(right), "value": value, "value_interval": [value, value]}
        scored |= {"float_value": value + drop, "drop": drop, "drop_interval": None}
    evaluation = {"digest": "d", "metric": scored, "metric_reason": "there are no labels", "outputs": {}}
    sizes = {"bundle_bytes": size, "float_bytes": 100}
    return Point(
        candidate=Candidate(model=model, recipe=recipe, request=CompileRequest(model="m.onnx")),
        key=name,
        bundle=Bundle(path=folder, manifest={"scheme": "a8w8"}),
        proof={"evaluation": evaluation, "size": sizes, "executed": True, "unexecuted": "", "older": None},
        verdict={"results": [], "excused": [], "notes": []},
        metric=metric_named("top1"),
        records=None if right is None else np.array([right, [1] * len(right)], np.float64).T,
    )
