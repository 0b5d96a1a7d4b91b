"""What a bundle answered, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import RenderableType

from .layout import table
from .shapes import shape_text

__all__ = ["output_summary", "outputs_table"]


def output_summary(array: np.ndarray) -> dict[str, object]:
    """dtype, shape, and for numbers: smallest, largest, mean, and how many are not finite."""
    found: dict[str, object] = {"dtype": array.dtype.name, "shape": list(array.shape)}
    if array.dtype.kind in "OSU" or not array.size:
        return found
    values = array.astype(np.float64)
    finite = values[np.isfinite(values)]
    extremes = (finite.min(), finite.max(), finite.mean()) if finite.size else (None, None, None)
    names = ("min", "max", "mean")
    found |= {name: None if value is None else float(value) for name, value in zip(names, extremes, strict=True)}
    return found | {"nonfinite": int(values.size - finite.size)}


def outputs_table(steps: Sequence[Mapping[str, np.ndarray]]) -> RenderableType:
    """One row per output and step."""
    rows = []
    for index, step in enumerate(steps):
        for name, array in step.items():
            summary = output_summary(array)
            numbers = [summary.get(key) for key in ("min", "max", "mean")]
            rows.append(
                (
                    name if len(steps) == 1 else f"{name}@{index}",
                    f"{array.dtype.name}{shape_text(array.shape)}",
                    *("–" if number is None else f"{number:.6g}" for number in numbers),
                    str(summary.get("nonfinite", "–")),
                )
            )
    return table(
        ("output", "type", "min", "max", "mean", "not finite"), rows, right=("min", "max", "mean", "not finite")
    )
