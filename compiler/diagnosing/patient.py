"""From a bundle and its float model back to the compile that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from ...bundle import Bundle
from ...errors import ModelError
from ...passes.quantize.decide import DecideQuantization
from ...passes.recipe import Recipe
from ...targets import find_target
from ...targets.policy import Policy
from ...targets.spec import TargetSpec
from ..baking.bake import Baking, baking_of
from ..baking.samples import open_baked
from ..load import load_model
from ..lockfile import read_lock
from ..samples import DataSource, ImagePreprocess, Samples, split
from ..samples.base import State
from ..scheme import opset_of_scheme
from ..signature import inputs_of

__all__ = ["Patient", "all_in_integers", "patient_of"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Patient:
    """A compile that is to be examined.

    Attributes:
        model: The float model as it was loaded; never changed.
        recipe: The passes that made the bundle.
        policy, target: What they were asked for.
        calibration: The samples they observed.
        evaluation: Samples they did not observe; None leaves calibration mismatch unexamined.
        shapes: Fixed shapes by input name.
        notes: What the reader must know about these.
        isa: Instruction set whose kernels it is examined on; "" takes the target's.
        baking: What was baked into the model.
    """

    model: ir.Model
    recipe: Recipe
    policy: Policy
    target: TargetSpec
    calibration: Samples
    evaluation: Samples | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    isa: str = ""
    baking: Baking = field(default_factory=Baking)


def patient_of(
    bundle: Bundle,
    model: str | Path | ir.Model | onnx.ModelProto,
    *,
    calibration: DataSource,
    evaluation: DataSource | None = None,
    target: str | Path | TargetSpec | None = None,
    state: State | None = None,
    preprocess: Mapping[str, ImagePreprocess] | None = None,
    on: str | Path | TargetSpec | None = None,
) -> Patient:
    """Read back what a bundle was compiled with.

    Args:
        bundle: The bundle.
        model: The float model it was compiled from.
        calibration: The samples it observed.
        evaluation: Samples it did not observe.
        target: The target, where the manifest's name does not find it (a TOML of the user's).
        state: Outputs fed back as inputs; None takes the manifest's.
        preprocess: How image files become an input, by input name.
        on: A target on whose kernels the bundle is to run, where that is not its own.

    Raises:
        ModelError: The model is not the one the bundle was compiled from.
        SamplesError: The samples do not fit it.
        TargetError: The target cannot be found.
    """
    manifest, options = bundle.manifest, bundle.manifest.get("options", {})
    spec = find_target(target or str(manifest["target"]["name"]))
    known = {each.name for each in fields(Policy)}
    said: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in options.items() if name in known
    }
    policy = Policy(**said)
    shapes = {name: tuple(shape) for name, shape in options.get("shapes", {}).items()}
    loaded = load_model(
        model,
        shapes=shapes,
        opset_floor=max(spec.opset, opset_of_scheme(policy.scheme)),
        max_opset=spec.max_opset,
        max_ir_version=spec.max_ir_version,
    )
    if loaded.digest != manifest["source"]["digest"]:
        raise ModelError(
            loaded.origin,
            "is not the model this bundle was compiled from: its sha256 is another",
            remedy="Give the float model that was compiled, or compile this one",
        )
    baking = baking_of(manifest)
    floats = baking.into(loaded.model)[0] if baking else loaded.model
    inputs = inputs_of(floats)
    common: dict[str, Any] = {
        "preprocess": preprocess or {},
        "state": state or State(carried=dict(manifest["state"])),
        "seed": int(options.get("seed", 0)),
    }
    limit = options.get("samples")
    whole = open_baked(calibration, inputs, baking, role="calibration", limit=limit, **common)
    observed, notes = _observed(whole, manifest)
    unseen = None if evaluation is None else open_baked(evaluation, inputs, baking, role="evaluation", **common)
    patient = Patient(
        model=floats,
        recipe=read_lock(bundle.path),
        policy=policy,
        target=spec,
        calibration=observed,
        evaluation=unseen,
        shapes=shapes,
        notes=notes,
        isa="" if on is None else find_target(on).isa,
        baking=baking,
    )
    return all_in_integers(patient)


def all_in_integers(patient: Patient) -> Patient:
    """The patient without the nodes a search left float: what they hide is what is to be found."""
    passes = patient.recipe.passes
    hidden = {name for each in passes if isinstance(each, DecideQuantization) for name in each.float_nodes}
    if not hidden:
        return patient
    bare = tuple(replace(e, float_nodes=()) if isinstance(e, DecideQuantization) else e for e in passes)
    note = f"examined with all in integers: the search had left {len(hidden)} nodes float"
    return replace(
        patient,
        recipe=replace(patient.recipe, passes=bare),
        policy=replace(patient.policy, float_nodes=()),
        notes=(*patient.notes, note),
    )


def _observed(samples: Samples, manifest: Mapping[str, Any]) -> tuple[Samples, tuple[str, ...]]:
    """The samples whose digest the manifest has: all, or the half a compile without evaluation samples observed."""
    known = manifest["samples"]["calibration"]
    if known is None or samples.digest() == known["digest"]:
        return samples, ()
    if len(samples) > 1:
        kept, _ = split(samples, seed=int(known["seed"]))
        if kept.digest() == known["digest"]:
            return kept, (f"{len(kept)} of {len(samples)} calibration samples were observed by the compile",)
    return samples, ("these are not the samples the bundle was compiled with: ranges are measured anew",)
