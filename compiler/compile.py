"""The story on one screen: load → pipeline → pack → prove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import onnx_ir as ir

from ..bundle import Bundle
from ..errors import ModelError, OptionError
from ..passes.edit import SkipNotes
from ..passes.observe.statistics import Need
from ..passes.quantize.decide import DecideQuantization, nothing_to_do
from ..passes.quantize.dynamic import DynamicQuantization
from ..passes.quantize.insert_qdq import InsertQdq
from ..passes.recipe import Recipe
from ..passes.weight_only.compact_weights import CompactWeights
from ..passes.weight_only.half_weights import HalfWeights
from ..targets import find_target
from ..targets.pipeline import recipe_for
from ..targets.policy import widths
from ..targets.spec import TargetSpec
from .clock import Clock
from .contract import Verdict
from .data import CompileData, open_data
from .destination import check_destination, scratch, writing
from .diagnose import diagnose_miss, missed
from .diagnosing.finding import Diagnosis
from .diagnosing.patient import Patient
from .load import Loaded, load_model
from .lockfile import read_lock
from .materialize import weight_bytes
from .observe import observe
from .observing.cache import ObservationCache, cache_folder
from .pack import manifest_values, pack
from .pipeline import PassReport
from .prove import prove
from .proving.judge import check_units
from .request import CompileRequest
from .scheme import check_measured, choose_scheme, opset_of_scheme
from .search import Found, search
from .searching.candidates import Candidates
from .segmented.observe import SEGMENT_ABOVE, observe_in_segments
from .signature import inputs_of

__all__ = ["CompileResult", "compile", "compile_request", "load_for", "resolve_recipe"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CompileResult:
    """What a compile made and what it took.

    Attributes:
        bundle: The bundle.
        verdict: The verdict; None when proving was not asked for.
        scheme, reason: The scheme and why it was chosen.
        passes: One report per pass.
        skipped: Node name → why it stayed float.
        seconds: Seconds by stage: load, observe, passes, search, pack, prove.
        measured: What a search measured, as `recipe.lock` keeps it; empty when nothing had to be changed.
        diagnosis: What broke a limit on accuracy; None where none is broken, or nothing could be examined.
    """

    bundle: Bundle
    verdict: Verdict | None
    scheme: str
    reason: str
    passes: Sequence[PassReport]
    skipped: SkipNotes
    seconds: dict[str, float]
    measured: Mapping[str, Any]
    diagnosis: Diagnosis | None


_QUANTIZERS = {each.__name__ for each in (InsertQdq, DynamicQuantization, CompactWeights, HalfWeights)}


def compile(model: Any, **options: Any) -> Bundle:
    """Compile a model for a target into a bundle.

    Args:
        model: A path, an `onnx_ir.Model` (never changed) or a `ModelProto`.
        **options: Fields of `CompileRequest`: target, calibration, evaluation, contract, output, ... Three may be
            written short: `contract={"accuracy_drop": "1pt"}`, `metric="top1"`, `state={"past": "present"}`.

    Returns:
        The bundle; its verdict is in `proof/verdict.json` and comes again from `Bundle.prove()`.

    Raises:
        EdgecError: The model, the samples or an option cannot be used; see `errors`.
    """
    return compile_request(CompileRequest.of(model, options)).bundle


def compile_request(request: CompileRequest) -> CompileResult:
    """Compile what a request asks for; the same story behind the library and the command line."""
    clock = Clock()
    if request.metric is not None:
        check_units(request.contract, request.metric)
    target = find_target(request.target)
    output = scratch() if request.output is None else Path(request.output)
    check_destination(output, overwrite=request.overwrite)
    with clock.stage("load"), request.progress.stage("load"):
        loaded = load_for(request, target, request.shapes)
        inputs = inputs_of(loaded.model)
        data = open_data(request, inputs)
    scheme, reason = choose_scheme(request.policy.scheme, loaded.model, calibrated=data.calibration is not None)
    asked = resolve_recipe(request, target, scheme)

    found = _build(loaded, asked, data, target, request, clock)
    model, recipe, reports = found.candidate.model, found.candidate.recipe, found.candidate.reports
    skipped, weights_alone = SkipNotes.of(model), _weights_alone(recipe, reports)
    with writing(output) as folder:
        with clock.stage("pack"), request.progress.stage("pack"):
            bundle = pack(
                model,
                folder,
                recipe=recipe,
                golden=data.golden(inputs),
                state=request.state,
                manifest=manifest_values(
                    target=target,
                    scheme=recipe.scheme,
                    source={"origin": Path(loaded.origin).name, "digest": loaded.digest},
                    calibration=data.calibration_facts(),
                    options=_payload_options(request),
                    notes=(*loaded.notes, *data.notes, *weights_alone, *found.notes),
                    golden=data.golden_origin,
                ),
            )
        notes = found.notes
        del model, found
        verdict = _prove(bundle, loaded, data, notes, request, clock) if request.prove else None
        diagnosis = _diagnose(bundle, verdict, loaded, asked, data, target, request, clock)
    return CompileResult(
        bundle=Bundle.open(output),
        verdict=verdict,
        scheme=recipe.scheme,
        reason="; ".join((reason, *weights_alone)),
        passes=reports,
        skipped=skipped,
        seconds=clock.seconds,
        measured=recipe.measured,
        diagnosis=diagnosis,
    )


def load_for(request: CompileRequest, target: TargetSpec, shapes: Mapping[str, tuple[int, ...]]) -> Loaded:
    """The request's model, brought to what the target's runtime reads."""
    scheme = request.policy.scheme if request.recipe is None else read_lock(request.recipe).scheme
    return load_model(
        request.model,
        shapes=shapes,
        opset_floor=max(target.opset, opset_of_scheme(scheme)),
        max_opset=target.max_opset,
        max_ir_version=target.max_ir_version,
        already_quantized="accept" if scheme == "float" else "refuse",
    )


def resolve_recipe(request: CompileRequest, target: TargetSpec, scheme: str) -> Recipe:
    """The passes that will run: those of a lock, or the target's under the user's policy."""
    if request.recipe is not None:
        return read_lock(request.recipe)
    check_measured(request.policy, scheme)
    return recipe_for(target, replace(request.policy, scheme=scheme))


def _build(
    loaded: Loaded, recipe: Recipe, data: CompileData, target: TargetSpec, request: CompileRequest, clock: Clock
) -> Found:
    """Run the recipe, observing where a pass needs it; search for a better one unless it is the user's own."""

    def measure(model: ir.Model, needs: Sequence[Need]) -> None:
        if data.calibration is None:
            raise OptionError(
                "--recipe",
                f"observes {len({need.value for need in needs})} values, and there are no calibration samples",
                remedy="Give --calibration, or a recipe of scheme d8w8 or w8",
            )
        with clock.stage("observe"):
            common: Any = {"threads": request.threads, "progress": request.progress, "max_memory": request.max_memory}
            if weight_bytes(model) > SEGMENT_ABOVE and not data.calibration.state.carried:
                observe_in_segments(model, needs, data.calibration, **common)
            else:
                observe(model, needs, data.calibration, **common, cache=_cache(request))

    candidates = Candidates(source=loaded.model, measure=measure)
    with clock.stage("passes"):
        first = candidates.build(recipe, request.observers)
    _check_integers(first.model, recipe, first.reports)
    if not request.search or request.recipe is not None:
        return Found(candidate=first)
    with clock.stage("search"):
        return search(first, candidates, request=request, target=target, data=data)


def _cache(request: CompileRequest) -> ObservationCache | None:
    return ObservationCache(folder=request.cache_dir or cache_folder()) if request.cache else None


def _check_integers(model: ir.Model, recipe: Recipe, reports: Sequence[PassReport]) -> None:
    """Refuse a bundle in which nothing became smaller, unless float was asked for."""
    if recipe.scheme != "float" and not _changed_by(reports, *_QUANTIZERS):
        if any(isinstance(each, DecideQuantization) for each in recipe.passes):
            raise nothing_to_do(model)
        raise ModelError(
            str(model.graph.name),
            f"has nothing that scheme {recipe.scheme} stores in integers",
            remedy="Pack it as it is with --scheme float, or choose another scheme",
        )


def _changed_by(reports: Sequence[PassReport], *names: str) -> bool:
    return any(report.modified for report in reports if report.name in names)


def _weights_alone(recipe: Recipe, reports: Sequence[PassReport]) -> tuple[str, ...]:
    """The note of a static compile that found weights to store and nothing to run in integers."""
    if _changed_by(reports, InsertQdq.__name__) or not any(isinstance(each, InsertQdq) for each in recipe.passes):
        return ()
    return (f"nothing runs in integers; weights stored in {widths(recipe.scheme)[1]} bits",)


def _prove(
    bundle: Bundle, loaded: Loaded, data: CompileData, notes: Sequence[str], request: CompileRequest, clock: Clock
) -> Verdict:
    with clock.stage("prove"):
        return prove(
            bundle,
            evaluation=data.evaluation,
            contract=request.contract,
            metric=request.metric,
            float_model=loaded.model,
            seed=request.seed,
            state=request.state,
            progress=request.progress,
            notes=(*data.notes, *notes, *data.overlap_notes()),
        )


def _diagnose(
    bundle: Bundle,
    verdict: Verdict | None,
    loaded: Loaded,
    recipe: Recipe,
    data: CompileData,
    target: TargetSpec,
    request: CompileRequest,
    clock: Clock,
) -> Diagnosis | None:
    """Examine what a bundle that misses its budget was asked to be; write what was found beside it."""
    static = any(isinstance(each, DecideQuantization) for each in recipe.passes)
    if verdict is None or data.calibration is None or not static or not request.diagnose or not missed(verdict):
        return None
    patient = Patient(
        model=loaded.model,
        recipe=recipe,
        policy=request.policy,
        target=target,
        calibration=data.calibration,
        evaluation=data.evaluation,
    )
    with clock.stage("diagnose"):
        return diagnose_miss(bundle, patient, threads=request.threads, progress=request.progress)


def _payload_options(request: CompileRequest) -> dict[str, Any]:
    """Options the payload depends on, as the manifest records them."""
    return {
        "shapes": {name: list(shape) for name, shape in request.shapes.items()},
        "samples": request.samples,
        "seed": request.seed,
        **{name: list(value) if isinstance(value, tuple) else value for name, value in asdict(request.policy).items()},
        "recipe": request.recipe is not None,
    }
