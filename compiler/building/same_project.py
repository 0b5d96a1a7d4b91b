"""Whether a bundle is that of a project: compiled from its model, as it says, on its samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from ...bundle import Bundle
from ...errors import BundleError
from ...targets import find_target
from ..adapters.adapt import sparing_adapters
from ..baking.bake import Baking, baking_of
from ..data import CompileData, open_data
from ..loading.source import open_source
from ..proving.measure import companions_of, state_of
from ..request import CompileRequest
from ..samples.base import DataSource
from ..signature import inputs_in
from .job import Job

__all__ = ["check_same_project", "data_behind"]

# What a compile settles itself where the project leaves it open.
_SETTLED = ("reduce_range", "reduce_range_nodes", "reduce_range_auto")


def check_same_project(bundle: Bundle, request: CompileRequest, job: Job) -> None:
    """Refuse a bundle of another model or another project, which may lie where this one's would.

    Limits may differ: they are judged anew. Samples are compared where they are files that are still there.

    Args:
        bundle: What lies there.
        request: What the project says.
        job: Names the project.

    Raises:
        BundleError: It is not this project's.
        SamplesError: The project's calibration samples cannot be read.
    """
    assert isinstance(request.model, str | Path)
    if bundle.manifest["source"].get("digest") != open_source(request.source).digest():
        raise BundleError(
            str(bundle.path),
            f"was not compiled from {request.model} as it is now",
            remedy="Build it again: edgec build",
        )
    for what, theirs, ours in _facts(bundle, request):
        if theirs != ours:
            raise BundleError(
                str(bundle.path),
                f"is not of {job.project}: {what} {theirs}, the project says {ours}",
                remedy="Build it again: edgec build; or name the folder of its own build with -o",
            )


def _facts(bundle: Bundle, request: CompileRequest) -> Iterator[tuple[str, str, str]]:
    """What must be alike: its name, what the bundle says, what the project says; what takes long comes last."""
    manifest = bundle.manifest
    yield "its target is", str(manifest["target"].get("name")), find_target(request.target).name
    options, asked = _plain(manifest.get("options", {})), _plain(sparing_adapters(request).payload_options())
    settled = _SETTLED if request.policy.reduce_range_auto else ()
    for name in sorted(asked.keys() & options.keys() - set(settled)):
        yield f"it was compiled with {name} =", _said(options[name]), _said(asked[name])
    ours = Baking(inputs=request.inputs, outputs=request.outputs).to_json()
    theirs = manifest.get("baked", Baking().to_json())
    for end in ("inputs", "outputs"):
        yield f"of its {end} it has baked", json.dumps(theirs.get(end)), json.dumps(_plain(ours[end]))
    observed = manifest["samples"].get("calibration")
    words = ("without calibration samples", "with calibration samples")
    yield "it was compiled", words[observed is not None], words[request.calibration is not None]
    if observed is not None and request.evaluation is not None and _is_there(request.calibration):
        yield "its calibration samples have the digest", observed["digest"], _digest(bundle, request)


def _plain(values: Any) -> Any:
    """Values as a manifest holds them."""
    return json.loads(json.dumps(values))


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def data_behind(bundle: Bundle, request: CompileRequest) -> CompileData:
    """The samples of a project as its compile opened them, read to fit the bundle.

    Raises:
        SamplesError: They cannot be opened.
    """
    if not request.state.carried:
        request = replace(request, state=state_of(bundle))
    return open_data(request, inputs_in(bundle.manifest), baking_of(bundle.manifest), companions_of(bundle))


def _digest(bundle: Bundle, request: CompileRequest) -> str:
    calibration = data_behind(bundle, request).calibration
    return "" if calibration is None else calibration.digest()


def _is_there(data: DataSource | None) -> bool:
    """Whether samples are files that can be compared: CI may check without them, code may draw them anew."""
    return isinstance(data, str | PathLike) and Path(data).exists()
