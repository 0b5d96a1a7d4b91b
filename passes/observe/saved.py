"""Totals as plain arrays and back, so that an interrupted observation can go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from .averages import SumOfExtremes
from .counts import Tally
from .extremes import Bounds
from .instrument import Probe, Totals
from .means import WeightedSum
from .statistics import Gram

__all__ = ["load_totals", "save_totals"]

_KINDS: dict[str, type[Any]] = {each.__name__: each for each in (Bounds, SumOfExtremes, Tally, WeightedSum, Gram)}


def save_totals(probes: Sequence[Probe], totals: Totals) -> dict[str, np.ndarray]:
    """Arrays by `index.kind.field`, the index that of the probe; integers become arrays of shape ()."""
    arrays = {}
    for index, probe in enumerate(probes):
        total = totals[probe.needs[0]]
        if isinstance(total, Tally):
            total = total.settled()
        for each in fields(total):
            value = getattr(total, each.name)
            if not isinstance(value, tuple):
                arrays[f"{index}.{type(total).__name__}.{each.name}"] = np.asarray(value)
    return arrays


def load_totals(probes: Sequence[Probe], arrays: Mapping[str, np.ndarray]) -> Totals:
    """The totals in what `save_totals` made.

    Raises:
        ValueError: These are not the arrays of these probes.
    """
    found: dict[int, tuple[str, dict[str, Any]]] = {}
    for name, array in arrays.items():
        index, kind, field = name.split(".")
        values = found.setdefault(int(index), (kind, {}))[1]
        # Only counts of rows and runs are integers of shape ().
        values[field] = int(array) if array.ndim == 0 and array.dtype == np.int64 else array
    if sorted(found) != list(range(len(probes))) or any(kind not in _KINDS for kind, _ in found.values()):
        raise ValueError("these totals are of other probes")
    try:
        return {probe.needs[0]: _KINDS[found[index][0]](**found[index][1]) for index, probe in enumerate(probes)}
    except TypeError as error:
        raise ValueError(f"these totals are of another kind: {error}") from error
