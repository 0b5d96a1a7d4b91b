"""The story on one screen: load → pipeline → pack → prove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..bundle import Bundle
from ..errors import OptionError
from ..passes.edit import SkipNotes
from ..passes.quantize.decide import DecideQuantization
from ..passes.recipe import Recipe
from ..targets.pipeline import recipe_for
from ..targets.spec import TargetSpec
from .adapters.adapt import spared_by, sparing_adapters
from .adapters.pack import check_adapters
from .baking.learned_codes import check_learned_codes, kept_centers, learned_codes
from .build import Built, build
from .clock import Clock
from .compile_record import compile_record
from .context import context_compiler, make_context
from .contract import Verdict
from .coverage import coverage, write_coverage
from .data import CompileData, open_data, with_cache
from .depth import error_by_depth
from .destination import check_destination, scratch, writing
from .diagnose import diagnose_miss, missed
from .diagnosing.finding import Diagnosis
from .diagnosing.patient import Patient
from .golden_noise import rounds_otherwise
from .journal import journal_for
from .learned import as_trained, is_trained, with_learned_params
from .load import Loaded, load_model
from .lockfile import read_lock
from .materialize import weight_bytes
from .older import target_of
from .ort_format import check_ort_scheme, check_ort_target, make_ort
from .pack import manifest_values, pack
from .pipeline import PassReport
from .prove import prove, write_records
from .proving.judge import check_units
from .pruned import prune, rest_of, without_pruning
from .reduce_saturating import reduce_saturating
from .remarks import remarks
from .request import CompileRequest
from .sbom.source_licence import source_licence
from .scheme import check_measured, check_scheme, choose_scheme, opset_of_scheme
from .signature import inputs_of
from .sparsity import sparsity_note, sparsity_of, write_sparsity
from .static_shapes import check_static
from .unread import unread

__all__ = ["CompileResult", "compile", "compile_request", "load_for", "resolve_recipe"]

# ONNX Runtime holds the weights of a session as they are, and packed for its kernels.
_FLOAT_COPIES = 2


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
    target = target_of(request)
    check_adapters(request, target)
    request = sparing_adapters(request)
    output = scratch() if request.output is None else Path(request.output)
    check_destination(output, overwrite=request.overwrite)
    compiler = context_compiler(target) if request.context else None
    if request.ort:
        check_ort_target(target)
    with clock.stage("load"), request.progress.stage("load"):
        loaded = load_for(request, target, request.shapes)
        inputs = inputs_of(loaded.model)
        request = with_cache(as_trained(request, loaded.model, target), loaded.model)
        data = open_data(request, inputs, loaded.baking, loaded.companions)
    calibrated = data.calibration is not None or is_trained(loaded.model)
    scheme, reason = choose_scheme(
        request.policy.scheme, loaded.model, calibrated=calibrated, native=target.native, stored=loaded.stored
    )
    pruned = prune(request, loaded, data, clock)
    loaded, request = pruned.loaded, replace(request, policy=without_pruning(request.policy))
    request, reduced = reduce_saturating(request, loaded, data, target, scheme, clock)
    asked = with_learned_params(resolve_recipe(request, target, scheme), loaded.model)
    if request.ort:
        check_ort_scheme(asked.scheme)

    sparse = sparsity_of(loaded.model)
    check_learned_codes(loaded.baking, data.calibration)
    with journal_for(loaded, request) as journal:
        built = build(loaded, asked, data, target, request, clock, journal)
        baking, coded = learned_codes(
            loaded.baking, built.candidate.model, data.calibration, seed=request.seed, threads=request.threads
        )
        loaded = replace(loaded, baking=baking)
        recipe, skipped = pruned.whole(built.candidate.recipe), SkipNotes.of(built.candidate.model)
        with writing(output) as folder:
            with clock.stage("pack"), request.progress.stage("pack"):
                bundle = pack(
                    loaded.baking.choices(built.candidate.model),
                    folder,
                    recipe=recipe,
                    golden=data.golden(inputs),
                    state=request.state,
                    manifest=manifest_values(
                        target=target,
                        scheme=recipe.scheme,
                        source=_source(loaded, request),
                        calibration=data.calibration_facts(),
                        options={**request.payload_options(), **pruned.options},
                        notes=(
                            *loaded.notes,
                            *data.notes,
                            *spared_by(request),
                            *pruned.notes,
                            *sparsity_note(sparse, target),
                            *reduced,
                            *unread(request, target, scheme),
                            *built.weights_alone,
                            *built.notes,
                            *coded,
                            *remarks(built.candidate.model),
                        ),
                        golden=data.golden_origin,
                        baking=loaded.baking,
                    ),
                    reference=loaded.baking.choices(loaded.model) if rounds_otherwise(target) else None,
                    samples=data.calibration or (),
                    context=None if compiler is None else partial(make_context, compiler=compiler),
                    ort=partial(make_ort, target=target) if request.ort else None,
                    companions={**loaded.companions, **kept_centers(baking)},
                    adapters=loaded.adapters,
                )
            write_sparsity(bundle, sparse)
            verdict = _prove(bundle, loaded, built, data, request, clock) if request.prove else None
            diagnosis = _diagnose(bundle, verdict, loaded, asked, data, target, request, clock)
            reason = "; ".join((reason, *built.weights_alone))
            if verdict is not None:
                reports = pruned.then(built.candidate.reports)
                facts: Any = {"reason": reason, "passes": reports, "seconds": clock.seconds}
                write_records(bundle, {"compile": compile_record(bundle, built.candidate.model, **facts)})
                if request.report:
                    from .report.page.write import write_page

                    write_page(bundle)
        return CompileResult(
            bundle=Bundle.open(output),
            verdict=verdict,
            scheme=recipe.scheme,
            reason=reason,
            passes=pruned.then(built.candidate.reports),
            skipped=skipped,
            seconds=clock.seconds,
            measured=recipe.measured,
            diagnosis=diagnosis,
        )


def load_for(request: CompileRequest, target: TargetSpec, shapes: Mapping[str, tuple[int, ...]]) -> Loaded:
    """The request's model, brought to what the target's runtime reads."""
    scheme = request.policy.scheme if request.recipe is None else read_lock(request.recipe).scheme
    check_scheme(scheme, target)
    loaded = load_model(
        request.source,
        shapes=shapes,
        opset_floor=max(target.opset, opset_of_scheme(scheme)),
        max_opset=target.max_opset,
        max_ir_version=target.max_ir_version,
        already_quantized="accept" if scheme == "float" else "stored" if scheme == "auto" else "refuse",
    )
    if target.static_shapes:
        check_static(loaded.model, target)
    loaded = loaded.adapted(request.adapters, request.adapter_map, request.merge_adapter)
    return loaded.baked(request.inputs, request.outputs, request.state.carried)


def resolve_recipe(request: CompileRequest, target: TargetSpec, scheme: str) -> Recipe:
    """The passes that will run: those of a lock, or the target's under the user's policy."""
    if request.recipe is not None:
        return rest_of(read_lock(request.recipe))
    check_measured(request.policy, scheme, calibrated=request.calibration is not None)
    return recipe_for(target, replace(request.policy, scheme=scheme))


def _prove(
    bundle: Bundle, loaded: Loaded, built: Built, data: CompileData, request: CompileRequest, clock: Clock
) -> Verdict:
    fits, beyond = _float_fits(loaded, request)
    with request.proving(), clock.stage("prove"):
        verdict = prove(
            bundle,
            evaluation=data.evaluation,
            contract=request.contract,
            metric=request.metric,
            float_model=loaded.before if fits else None,
            seed=request.seed,
            state=request.state,
            progress=request.progress,
            probe=request.probe,
            report=False,  # once, when all of it is known
            elsewhere=request.elsewhere,
            trial=request.trial,
            notes=(*data.notes, *built.notes, *data.overlap_notes(), *beyond, *_compared(bundle, built, data, request)),
        )
        reference = loaded.model if built.observed is None else built.observed
        depth = None if data.evaluation is None or not fits else error_by_depth(bundle, reference, data.evaluation)
        if depth is not None:
            write_records(bundle, {"depth": depth})
        return verdict


def _float_fits(loaded: Loaded, request: CompileRequest) -> tuple[bool, tuple[str, ...]]:
    """Whether float runs within `--max-memory`, and what the verdict says where it does not."""
    needed = _FLOAT_COPIES * weight_bytes(loaded.before)
    if request.max_memory is None or needed <= request.max_memory:
        return True, ()
    limit = f"--max-memory is {request.max_memory / 1e9:.3g} GB"
    return False, (f"nothing was compared with float, whose session takes {needed / 1e9:.3g} GB: {limit}",)


def _compared(bundle: Bundle, built: Built, data: CompileData, request: CompileRequest) -> tuple[str, ...]:
    """What the verdict says of the observed samples beside those that prove; nothing where no ranges were taken."""
    if built.observed is None or data.calibration is None or data.evaluation is None:
        return ()
    limits: Any = {"threads": request.threads, "max_memory": request.max_memory}
    try:
        found = coverage(built.observed, built.candidate.model, data.calibration, data.evaluation, **limits)
    except OptionError as error:
        return (f"calibration samples were not compared with the evaluation samples: {error}",)
    write_coverage(found, bundle)
    warning = found.warning()
    return (warning,) if warning else ()


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


def _source(loaded: Loaded, request: CompileRequest) -> dict[str, str]:
    """Where the model comes from, and its licence where somebody states one."""
    licence = request.license or source_licence(loaded.before.metadata_props, loaded.files)
    said = {"origin": Path(loaded.origin).name, "digest": loaded.digest}
    if loaded.merged is not None:
        said |= {"merged": Path(loaded.merged.origin).name, "merged_digest": loaded.merged.digest}
    return {**said, "licence": licence} if licence else said
