"""Prove that older releases of ONNX Runtime open a bundle and give its golden outputs: by rules, and by running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from ...bundle import Bundle
from ...errors import HostError, ModelError
from ...runtimes import runtime
from ...runtimes.base import Feeds, Runtime, SessionSettings
from ...runtimes.install.component import onnxruntime_version
from ...runtimes.older import older_runtime
from ...targets.policy import widths
from ...targets.releases.facts import RELEASES
from ...targets.releases.reads import Obstacle, first_reading, obstacles
from ..load import load_model
from ..loading.opset import opset_of
from ..older import release_named
from ..samples.base import State
from .golden import replay_golden
from .older_proof import OlderProof, OlderRun
from .places import IN_PROCESS

__all__ = ["file_versions", "prove_older", "shipped_model"]

_NAMES_SHOWN = 3


def prove_older(bundle: Bundle, minor: int, state: State) -> OlderProof:
    """Ask the rules of a release, then run the golden inputs in it and in all since that are installed here.

    Each is this machine's processor and the CPU provider, whatever the bundle's target is.

    Args:
        bundle: The bundle.
        minor: Of the oldest release that must open it.
        state: Outputs fed back as inputs.

    Raises:
        ContractError: Nothing is known of that release.
        HostError: One that is installed does not start.
    """
    model, asked, manifest = shipped_model(bundle.model), release_named(minor), bundle.manifest
    first = first_reading(model)
    feeds, outputs = bundle.golden()
    here = int(onnxruntime_version().split(".")[1])
    since = [each.minor for each in RELEASES if minor < each.minor < here]
    runs, missing = [], ""
    for each in (minor, *since):
        found = runtime(IN_PROCESS if each == here else older_runtime(each))
        why = found.available()
        if why is None:
            with closing(found):
                runs.append(_run(found, bundle, feeds, outputs, state))
        elif each == minor:
            missing = why
    found_in = (obstacles(model, each) for each in RELEASES if each.minor >= minor)
    prevents = next((each for each in found_in if each), ())
    return OlderProof(
        asked=str(asked),
        obstacles=tuple(_said(each) for each in prevents),
        first="" if first is None else str(first),
        mend="" if widths(str(manifest["scheme"])) == (8, 8) else "compile it with --scheme a8w8, d8w8 or w8",
        missing=missing,
        runs=tuple(runs),
    )


def shipped_model(file: Path) -> ir.Model:
    """A model as its file is, with inferred types."""
    model = load_model(file, opset_floor=1, already_quantized="accept").model
    model.ir_version = file_versions(file)["ir_version"]  # loading may have raised it
    return model


def file_versions(file: Path) -> dict[str, int]:
    """`opset` and `ir_version` of a model's file."""
    model = onnx.load(file, load_external_data=False)
    return {"opset": opset_of(model) or 0, "ir_version": model.ir_version}


def _run(
    place: Runtime,
    bundle: Bundle,
    feeds: Sequence[Feeds],
    outputs: Sequence[Mapping[str, np.ndarray]],
    state: State,
) -> OlderRun:
    manifest = bundle.manifest
    version = place.facts().onnxruntime
    settings = SessionSettings(threads=1, config=manifest["session_options"])
    near = (manifest.get("golden_noise_db"), manifest["target"].get("golden_margin_db", 3.0))
    try:
        with closing(place.open(bundle.model, settings)) as session:
            golden = replay_golden(session, feeds, outputs, state, *near)
    except (ModelError, HostError) as error:  # HostError: its process started, and died of the model
        return OlderRun(runtime=place.name, onnxruntime=version, refused=error.problem)
    return OlderRun(
        runtime=place.name,
        onnxruntime=version,
        exact=golden.exact,
        sqnr_db=golden.sqnr_db,
        agrees=golden.agrees,
        steps=golden.steps,
    )


def _said(obstacle: Obstacle) -> str:
    """What it is, and the first of its nodes."""
    names = obstacle.nodes
    if not names:
        return obstacle.what
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{obstacle.what} ({', '.join(names[:_NAMES_SHOWN])}{more})"
