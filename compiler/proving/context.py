"""A context binary is the model it was made of: bound to it, for the target's chip, whole, and answering as it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ...bundle import Bundle
from ...errors import BundleError
from ...runtimes import runtime
from ...runtimes.base import Feeds, Session, SessionSettings
from ...runtimes.compare import compare
from ...runtimes.compilers import compiled_for
from ..context import OF, compatibility_of, metadata_of, model_digest
from ..samples.base import State
from .answers import answers_of
from .places import Place
from .proof import ContextProof

__all__ = ["check_context", "prove_context"]

_AGAIN = "Compile the bundle again with --context"
_SHOWN = 12


def check_context(bundle: Bundle) -> Path | None:
    """The bundle's context model, when it is what the manifest and the model beside it say; None without one.

    Raises:
        BundleError: It is cut off, was made of another model, or for another chip.
    """
    entry = bundle.manifest.get("context")
    if entry is None:
        return None
    file = bundle.path / str(entry["model"])
    for name in (file.name, *entry["binaries"]):
        _check_size(bundle, name)
    import onnx
    from google.protobuf.message import DecodeError

    try:
        compiled = onnx.load_model(file, load_external_data=False)
    except DecodeError as error:
        raise BundleError(str(file), "is not an ONNX model", remedy=_AGAIN) from error
    of, model = metadata_of(compiled).get(OF, ""), model_digest(bundle.model)
    if not of == model == entry["of"]:
        other = (of if of != model else str(entry["of"]))[:_SHOWN] or "unknown"
        raise BundleError(
            str(file),
            f"was made of another model: sha256 {other}, {bundle.model.name}'s is {model[:_SHOWN]}",
            affects="A device that loads it answers as that other model",
            remedy=_AGAIN,
        )
    _check_chip(bundle, file, compatibility_of(compiled, _provider(bundle)))
    return file


def prove_context(
    bundle: Bundle,
    file: Path,
    place: Place,
    online: Session,
    feeds: Sequence[Feeds],
    state: State,
    config: Mapping[str, str],
) -> ContextProof:
    """Open the context in a new process of a place, and compare its answers with the model's there.

    Args:
        bundle: Whose.
        file: What `check_context` found.
        place: Where; it has the target's provider.
        online: The model, open in that place: compiled as it was opened.
        feeds: Golden feeds of every step.
        state: Outputs fed back as inputs.
        config: Session options of the bundle.

    Raises:
        ModelError: The context cannot be opened or run there.
        HostError: The place fails.
    """
    wanted = answers_of(online, feeds, state)
    providers = tuple(bundle.manifest["target"]["providers"])
    with closing(runtime(place.runtime.name, providers)) as fresh:
        found = answers_of(fresh.open(file, SessionSettings(threads=online.threads, config=config)), feeds, state)
    results = [each for pair in zip(wanted, found, strict=True) for each in compare(*pair).values()]
    noise = [each.sqnr_db for each in results if not each.exact and each.sqnr_db is not None]
    return ContextProof(
        model=file.name,
        runtime=place.runtime.name,
        exact=all(each.exact for each in results),
        sqnr_db=min(noise, default=None),
        steps=len(wanted),
    )


def _provider(bundle: Bundle) -> str:
    return str(bundle.manifest["target"]["providers"][0])


def _check_size(bundle: Bundle, name: str) -> None:
    listed, file = bundle.manifest["files"].get(name), bundle.path / name
    if listed is None or not file.is_file():
        raise BundleError(str(file), "is missing", affects="The context cannot be loaded without it", remedy=_AGAIN)
    found, wanted = file.stat().st_size, int(listed["bytes"])
    if found < wanted:
        raise BundleError(
            str(file),
            f"is cut off: {found} of {wanted} bytes",
            affects="No device can load it",
            remedy=f"Copy the whole bundle again. {_AGAIN} if that does not help",
        )


def _check_chip(bundle: Bundle, file: Path, compatibility: str) -> None:
    target = bundle.manifest["target"]
    options: Mapping[str, Any] = bundle.manifest.get("provider_options", {}).get(_provider(bundle), {})
    fit = compiled_for(_provider(bundle), compatibility)
    if not fit:
        raise BundleError(
            str(file),
            f"does not say which chip it is for: {compatibility or 'no compatibility info'}",
            affects="The provider checks no chip when it loads it",
            remedy=_AGAIN,
        )
    wrong = {name: values for name, values in fit.items() if options.get(name) not in values}
    if wrong:
        has = ", ".join(f"{name} {' and '.join(values)}" for name, values in wrong.items())
        needs = ", ".join(f"{name} {options.get(name, 'unknown')}" for name in wrong)
        raise BundleError(
            str(file),
            f"is for another chip: {has}; target {target['name']} has {needs}",
            affects="The provider may load it all the same, and compute something else",
            remedy=_AGAIN,
        )
