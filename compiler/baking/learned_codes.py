"""Centers of product codes: found in what the finished model answers to calibration samples, kept beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir

from ...errors import BundleError, OptionError
from ...passes.codebook.product import CENTERS, product_codes
from ...runtimes import runtime
from ...runtimes.base import SessionSettings
from ..materialize import in_memory
from ..samples import replay
from ..samples.base import Samples
from .bake import Baking

__all__ = ["centers_file", "check_learned_codes", "kept_centers", "learned_codes", "with_centers"]

_IN_PROCESS = "onnxruntime-cpu"
# Embeddings that centers are found in; more say little.
_ROWS = 16384
# Fewer for a center than this, and centers are the samples' own.
_FEW = 4


def check_learned_codes(baking: Baking, calibration: Samples | None) -> None:
    """Refuse product codes without samples to find them in.

    Raises:
        OptionError: There are none.
    """
    for name in baking.learned:
        if calibration is None:
            raise OptionError(
                f"--postprocess {name}:product",
                "finds its codes in embeddings of calibration samples, and there are none",
                remedy=f"Give --calibration, or choose {name}:int8 or {name}:binary",
            )


def learned_codes(
    baking: Baking, model: ir.Model, calibration: Samples | None, *, seed: int, threads: int
) -> tuple[Baking, tuple[str, ...]]:
    """The baking with the centers of its product codes, and notes.

    Args:
        baking: What is baked.
        model: The finished model, whose outputs answer embeddings still; it is not changed.
        calibration: Samples to run it on.
        seed: Of what centers start from.
        threads: Of the session; 0 is the runtime's choice.
    """
    if not baking.learned or calibration is None:
        return baking, ()
    rows: dict[str, list[np.ndarray]] = {name: [] for name in baking.learned}
    session = runtime(_IN_PROCESS).open(in_memory(model.clone()), SessionSettings(threads=threads))
    with closing(session):
        for sample in calibration:
            for _, outputs in replay(session.run, sample, session.inputs, calibration.state):
                for name, found in rows.items():
                    found.append(outputs[name].reshape(-1, outputs[name].shape[-1]).astype(np.float32))
            if all(sum(map(len, found)) >= _ROWS for found in rows.values()):
                break
    centers, notes = {}, []
    for name, found in rows.items():
        table = np.concatenate(found)[:_ROWS]
        made = product_codes(table, baking.outputs[name].part, seed)
        centers[name] = made.centers.astype(np.float32)
        lost = float(np.square(made.real - table).sum() / max(np.square(table).sum(), np.finfo(np.float32).tiny))
        few = f"; fewer than {_FEW * CENTERS} say little of others" if len(table) < _FEW * CENTERS else ""
        notes.append(
            f"output {name!r}: {len(made.centers)} bytes for {table.shape[1]} numbers, their codes found in "
            f"{len(table)} embeddings of calibration samples, {100 * lost:.2g} % of whose energy is lost{few}"
        )
    return replace(baking, centers=centers), tuple(notes)


def centers_file(name: str) -> str:
    """Where a bundle keeps the centers of an output's codes: float32, (parts, 256, numbers of a part)."""
    return f"{name.replace('/', '_')}.centers.npy"


def kept_centers(baking: Baking) -> dict[str, bytes]:
    """The files of a baking's centers, by name."""
    found = {}
    for name, centers in baking.centers.items():
        file = io.BytesIO()
        np.save(file, centers)
        found[centers_file(name)] = file.getvalue()
    return found


def with_centers(baking: Baking, folder: Path) -> Baking:
    """The baking of a bundle with the centers that lie beside its manifest.

    Raises:
        BundleError: A file is missing, or holds none.
    """
    found: dict[str, np.ndarray] = {}
    for name in baking.learned:
        file = folder / centers_file(name)
        try:
            found[name] = np.load(file, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise BundleError(
                str(file), "has no centers of product codes, which the manifest speaks of", remedy="Compile it again"
            ) from error
    centers: Mapping[str, np.ndarray] = found
    return replace(baking, centers=centers) if found else baking
