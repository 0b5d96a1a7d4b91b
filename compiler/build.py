"""From the loaded model to what ships: run the recipe, observe where a pass needs it, search for a better one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from ..errors import ModelError, OptionError
from ..passes.codebook.pack_bnb4 import PackBnb4
from ..passes.codebook.pack_incoherent import PackIncoherent
from ..passes.codebook.product_tables import ProductTables
from ..passes.lower.compute_in_half import ComputeInHalf
from ..passes.observe.statistics import Need
from ..passes.outside import Outside, given
from ..passes.quantize.decide import DecideQuantization, nothing_to_do
from ..passes.quantize.dynamic import DynamicQuantization
from ..passes.quantize.insert_qdq import InsertQdq
from ..passes.recipe import Recipe
from ..passes.weight_only.compact_weights import CompactWeights
from ..passes.weight_only.dequantize_blocks import DequantizeBlocks
from ..passes.weight_only.expand_blocks import ExpandBlocks
from ..passes.weight_only.gather_blocks import GatherBlocks
from ..passes.weight_only.half_weights import HalfWeights
from ..passes.weight_only.pack_products import PackProducts
from ..targets.policy import widths
from ..targets.spec import TargetSpec
from .clock import Clock
from .data import CompileData
from .journal import Journal
from .load import Loaded
from .observing.cache import ObservationCache, cache_folder
from .observing.segments import observe_any
from .pipeline import Measure, PassReport
from .request import CompileRequest
from .search import Found, search
from .searching.candidates import Candidate, Candidates
from .searching.fit_bits import check_fit_bits, fit_bits
from .searching.guard_room import threads_within

__all__ = ["Built", "build", "measuring"]

_QUANTIZERS = tuple(
    each.__name__
    for each in (
        InsertQdq,
        DynamicQuantization,
        CompactWeights,
        PackProducts,
        PackIncoherent,
        PackBnb4,
        ProductTables,
        GatherBlocks,
        DequantizeBlocks,
        ExpandBlocks,
        HalfWeights,
        ComputeInHalf,
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """What ships.

    Attributes:
        candidate: The model and the recipe that made it.
        observed: The float model whose values were observed; None where nothing was decided by them.
        notes: What a search chose.
        weights_alone: The note of a static compile that found weights to store and nothing to run in integers.
    """

    candidate: Candidate
    observed: ir.Model | None
    notes: tuple[str, ...]
    weights_alone: tuple[str, ...]


def build(
    loaded: Loaded,
    recipe: Recipe,
    data: CompileData,
    target: TargetSpec,
    request: CompileRequest,
    clock: Clock,
    journal: Journal | None = None,
) -> Built:
    """Run a recipe; search for a better one unless it is the user's own.

    Args:
        loaded: The model.
        recipe: The target's passes, or a lock's.
        data: The samples.
        target: What is compiled for.
        request: All the user asked for.
        clock: Told of the stages `passes`, `observe`, `search`.
        journal: Where a compile too large for memory puts what it makes; None keeps it in memory.

    Raises:
        ModelError: Nothing becomes smaller, and float was not asked for.
        OptionError: The recipe observes, and there are no samples.
    """
    check_fit_bits(request)
    if data.calibration is None and request.recipe is None:
        recipe = recipe.without_samples()
    candidates = Candidates(source=loaded.model, measure=measuring(data, request, clock, journal))
    with clock.stage("passes"), given(Outside(keeper=journal, stage=request.progress.stage)):
        chosen = candidates.build(recipe, request.observers)
    notes: tuple[str, ...] = ()
    if target.native and request.policy.scheme == "auto" and not _changed_by(chosen.reports, *_QUANTIZERS):
        notes = (f"nothing computes in {recipe.scheme}: it stays in float32",)
    else:
        _check_integers(chosen, recipe)
    if request.search and request.recipe is None:
        with clock.stage("search"):
            found = _searched(chosen, candidates, data, target, request, clock)
        chosen, notes = found.candidate, (*notes, *found.notes)
    static = _is_static(chosen.recipe)
    alone = static and not _changed_by(chosen.reports, InsertQdq.__name__)
    note = f"nothing runs in integers; weights stored in {widths(recipe.scheme)[1]} bits"
    return Built(
        candidate=chosen,
        observed=candidates.prepared_for(chosen.recipe) if static and not alone else None,
        notes=notes,
        weights_alone=(note,) if alone else (),
    )


def _searched(
    chosen: Candidate,
    candidates: Candidates,
    data: CompileData,
    target: TargetSpec,
    request: CompileRequest,
    clock: Clock,
) -> Found:
    """What a search finds within `--max-memory`."""
    if data.calibration is not None and request.policy.fit_bits:
        fitted = fit_bits(
            candidates.source,
            request=request,
            scheme=chosen.recipe.scheme,
            target=target,
            data=data,
            measuring=lambda observed: measuring(replace(data, calibration=observed), request, clock),
        )
        return Found(candidate=fitted.candidate, notes=fitted.notes)
    if data.calibration is None or not _is_static(chosen.recipe):
        return Found(candidate=chosen)
    samples = len(data.calibration)
    threads, note = threads_within(candidates.source, request.max_memory, samples=samples, threads=request.threads)
    if note is not None:
        return Found(candidate=chosen, notes=(note,))
    return search(
        chosen,
        candidates,
        request=replace(request, threads=threads),
        target=target,
        data=data,
        measuring=lambda observed: measuring(replace(data, calibration=observed), request, clock),
    )


def measuring(data: CompileData, request: CompileRequest, clock: Clock, journal: Journal | None = None) -> Measure:
    """What observes values of a model on the calibration samples.

    Args:
        data: The samples.
        request: How much memory and how many cores it may take, and where what was observed is kept.
        clock: Told of the stage `observe`.
        journal: Where what was observed of a model too large for memory is put.
    """

    def measure(model: ir.Model, needs: Sequence[Need]) -> None:
        if data.calibration is None:
            raise OptionError(
                "--recipe",
                f"observes {len({need.value for need in needs})} values, and there are no calibration samples",
                remedy="Give --calibration, or a recipe of scheme d8w8 or w8",
            )
        with clock.stage("observe"):
            observe_any(
                model,
                needs,
                data.calibration,
                threads=request.threads,
                progress=request.progress,
                max_memory=request.max_memory,
                cache=ObservationCache(folder=request.cache_dir or cache_folder()) if request.cache else None,
                journal=journal,
            )

    return measure


def _check_integers(made: Candidate, recipe: Recipe) -> None:
    """Refuse a bundle in which nothing became smaller, unless float was asked for."""
    if recipe.scheme == "float" or _changed_by(made.reports, *_QUANTIZERS):
        return
    if _is_static(recipe):
        raise nothing_to_do(made.model)
    raise ModelError(
        str(made.model.graph.name),
        f"has nothing that scheme {recipe.scheme} stores in integers",
        remedy="Pack it as it is with --scheme float, or choose another scheme",
    )


def _is_static(recipe: Recipe) -> bool:
    return any(isinstance(each, DecideQuantization) for each in recipe.passes)


def _changed_by(reports: Sequence[PassReport], *names: str) -> bool:
    return any(report.modified for report in reports if report.name in names)
