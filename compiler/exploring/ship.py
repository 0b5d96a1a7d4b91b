"""The recommended point becomes a bundle of its own, proved once more with everything its contract asks."""

from __future__ import annotations

import shutil
from pathlib import Path

from ...bundle import MANIFEST, Bundle
from ..building.same_project import data_behind
from ..contract import Verdict
from ..destination import check_destination
from ..progress import Progress
from ..prove import SCORES, prove
from .budget import float_model_of
from .kept import Kept
from .point import Point

__all__ = ["ship", "unship"]


def ship(point: Point, output: Path, kept: Kept, progress: Progress) -> tuple[Bundle, Verdict]:
    """Copy a point's bundle out of the trials and prove it, times included; it gets its page.

    Args:
        point: Which.
        output: Where to; a bundle there is replaced.
        kept: The trials.
        progress: Who watches.

    Raises:
        OutputError: It cannot be written.
        ExecutionRequiredError: The contract asks for execution, which is not possible here.
    """
    unship(output)
    check_destination(output, overwrite=True)
    bundle = kept.shelf.take(point.key, output)
    assert bundle is not None, f"{point.key} was found before"
    (bundle.proof / SCORES).unlink(missing_ok=True)
    request = point.candidate.whole()
    data = data_behind(bundle, request)
    verdict = prove(
        bundle,
        evaluation=data.evaluation,
        contract=request.contract,
        metric=request.metric,
        float_model=float_model_of(point),
        seed=request.seed,
        state=request.state if request.state.carried else None,
        preprocess=request.preprocess,
        progress=progress,
        probe=request.probe,
        notes=(*data.notes, *data.overlap_notes()),
    )
    return Bundle.open(output), verdict


def unship(output: Path) -> None:
    """Remove a bundle that another search recommended."""
    if (output / MANIFEST).is_file():
        shutil.rmtree(output)
