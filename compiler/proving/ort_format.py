"""A model in ORT format is the model it was made of: bound to it, whole, and answering as it does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from ...bundle import Bundle
from ...errors import BundleError
from ...runtimes import runtime
from ...runtimes.base import Feeds, Runtime, SessionSettings
from ...runtimes.ort_format import ABSENT, WITHOUT
from ..context import model_digest
from ..samples.base import State
from .answers import answers_of
from .golden import replay_golden
from .places import IN_PROCESS
from .proof import OrtProof

__all__ = ["check_ort", "ort_options", "prove_ort"]

_AGAIN = "Compile the bundle again with --ort"
_SHOWN = 12


def check_ort(bundle: Bundle) -> Path | None:
    """The bundle's model in ORT format, when it is that of the model beside it; None without one.

    Raises:
        BundleError: It is missing, or was made of another model.
    """
    entry = bundle.manifest.get("ort")
    if entry is None:
        return None
    file = bundle.path / str(entry["model"])
    if file.name not in bundle.manifest["files"] or not file.is_file():
        raise BundleError(str(file), "is missing", affects="A minimal build has nothing to open", remedy=_AGAIN)
    of, model = str(entry["of"]), model_digest(bundle.model)
    if of != model:
        raise BundleError(
            str(file),
            f"was made of another model: sha256 {of[:_SHOWN]}, {bundle.model.name}'s is {model[:_SHOWN]}",
            affects="A device that loads it answers as that other model",
            remedy=_AGAIN,
        )
    return file


def ort_options(bundle: Bundle) -> dict[str, str]:
    """Config entries of a session that opens it: the bundle's, and its own."""
    return {**bundle.manifest["session_options"], **bundle.manifest["ort"]["session_options"]}


def prove_ort(bundle: Bundle, file: Path, place: Runtime, feeds: Sequence[Feeds], state: State) -> OrtProof:
    """Open the model in ORT format and the model itself in one place, and compare their answers.

    The model is optimized as it was for the file: convolutions that are not in blocks add up in another order, and one
    float that falls on the other side of a half may move all that is quantized behind it (nanodet_m in a8w8: 25 dB).

    Args:
        bundle: Whose.
        file: What `check_ort` found.
        place: Where; in this process it is the CPU provider that opens them.
        feeds: Golden feeds of every step.
        state: Outputs fed back as inputs.

    Raises:
        ModelError: It cannot be opened or run there.
        HostError: The place fails.
    """
    where = runtime(IN_PROCESS) if place.name == IN_PROCESS else place
    near = (bundle.manifest.get("golden_noise_db"), bundle.manifest["target"].get("golden_margin_db", 3.0))
    alike = {**bundle.manifest["session_options"], WITHOUT: ";".join(ABSENT)}
    with closing(where.open(bundle.model, SessionSettings(threads=1, config=alike))) as session:
        wanted = answers_of(session, feeds, state)
    with closing(where.open(file, SessionSettings(threads=1, config=ort_options(bundle)))) as session:
        found = replay_golden(session, feeds, wanted, state, *near)
    return OrtProof(
        model=file.name,
        runtime=where.name,
        style=str(bundle.manifest["ort"]["style"]),
        exact=found.exact,
        sqnr_db=found.sqnr_db,
        agrees=found.agrees,
        steps=found.steps,
    )
