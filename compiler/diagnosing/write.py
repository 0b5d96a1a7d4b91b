"""Write a diagnosis beside a bundle: its JSON and its plots."""

from __future__ import annotations

import json
from pathlib import Path

from ...errors import OutputError
from ..coverage import window
from .finding import Diagnosis
from .svg import curve_svg, histogram_svg

__all__ = ["write_diagnosis"]


def write_diagnosis(found: Diagnosis, folder: Path, *, bundle: str) -> None:
    """Write `diagnosis.json`, `error_by_depth.svg` and one `histogram_N.svg` per guilty value.

    Args:
        found: What to write.
        folder: Where to; made when it is not there. Plots of an earlier diagnosis are removed.
        bundle: Digest of the bundle that was examined.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("histogram_*.svg"):
            old.unlink()
        values = {"schema_version": "1", "bundle": bundle, **found.to_json()}
        text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        _write(folder / "diagnosis.json", text)
        _write(folder / "error_by_depth.svg", curve_svg("Error by depth, bundle against float", found.curve))
        for number, portrait in enumerate(found.guilty):
            low, high = window(portrait.params)
            plot = histogram_svg(
                portrait.name,
                portrait.histogram.edges,
                portrait.histogram.counts,
                clip=(low, high),
                note=f"a step is {float(portrait.params.scale):.3g}; dashed: clipped beyond",
            )
            _write(folder / f"histogram_{number}.svg", plot)
    except OSError as error:
        raise OutputError(
            str(folder), f"cannot be written: {error.strerror}", remedy="Name another folder with --plots"
        ) from error


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="\n")
