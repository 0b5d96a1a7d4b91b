"""Leave out what the user asked for, before anything is decided for the target.

The model that is left takes the place of the one that was loaded: a search compares with it, and the verdict with the
model as it came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import onnx_ir as ir

from ..errors import OptionError
from ..passes.base import Pass
from ..passes.prune.costs import cost_of_nodes
from ..passes.recipe import Recipe
from ..targets.policy import Policy
from ..targets.pruning import PRUNERS, pruning
from .build import measuring
from .clock import Clock
from .data import CompileData
from .load import Loaded
from .lockfile import read_lock
from .observers import SignatureGuard
from .pipeline import PassReport, run_passes
from .request import CompileRequest

__all__ = ["Pruned", "check_unpruned", "prune", "rest_of", "to_prune", "without_pruning"]

_FIELDS = tuple(
    each.name for each in fields(Policy) if each.name.startswith("prune_") or each.name.startswith("sparsity")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What is left.

    Attributes:
        loaded: The model, smaller; the one it was is what it is compared with.
        passes: What left things out; none where nothing was asked for.
        reports: One of each pass.
        notes: What is left.
        options: What was asked for, as the manifest records it.
    """

    loaded: Loaded
    passes: tuple[Pass, ...] = ()
    reports: tuple[PassReport, ...] = ()
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def then(self, reports: Sequence[PassReport]) -> tuple[PassReport, ...]:
        """Reports of what was done, and of what was done behind it."""
        return (*self.reports, *(replace(each, index=each.index + len(self.reports)) for each in reports))

    def whole(self, recipe: Recipe) -> Recipe:
        """The recipe with what was done before it: what a lock replays."""
        return replace(recipe, passes=(*self.passes, *recipe.passes))


def without_pruning(policy: Policy) -> Policy:
    """The policy of a model that is pruned already."""
    defaults = Policy()
    return replace(policy, **{name: getattr(defaults, name) for name in _FIELDS})


def check_unpruned(policy: Policy) -> None:
    """Refuse what leaves parts out, where a model is to be trained: a compile would do so behind it, and undo it.

    Raises:
        OptionError: It asks for that.
    """
    name = next((name for name in _FIELDS if getattr(policy, name) != getattr(Policy(), name)), None)
    if name is not None:
        raise OptionError(
            f"option {name!r}",
            "leaves parts of a model out, which comes before training",
            remedy="Compile with it under scheme float, and train the model of that bundle",
        )


def prune(request: CompileRequest, loaded: Loaded, data: CompileData, clock: Clock) -> Pruned:
    """Leave out what the request, or the lock it replays, says.

    Args:
        request: What the user asked for.
        loaded: The model; it is not changed.
        data: The samples.
        clock: Told of the stage `prune`.

    Raises:
        OptionError: Samples are asked for, and there are none.
    """
    passes = to_prune(request, calibrated=data.calibration is not None)
    options = {name: value for name, value in request.payload_options().items() if name in _FIELDS}
    if not passes:
        return Pruned(loaded=loaded, options=options)
    model = loaded.model.clone()
    with clock.stage("prune"), request.progress.stage("prune"):
        measure = measuring(data, request, clock)
        reports = run_passes(model, passes, measure=measure, observers=(SignatureGuard(), *request.observers))
    notes = _shrunk(loaded, model)
    return Pruned(
        loaded=replace(loaded, model=model, reference=loaded.before),
        passes=passes,
        reports=tuple(reports),
        notes=notes,
        options=options,
    )


def to_prune(request: CompileRequest, *, calibrated: bool) -> tuple[Pass, ...]:
    """The passes that leave out what the request, or the lock it replays, says; none where it says nothing.

    Args:
        request: What the user asked for.
        calibrated: Whether there are samples to go by.

    Raises:
        OptionError: Samples are asked for, and there are none.
    """
    if request.recipe is not None:
        return _first_of(read_lock(request.recipe))
    _check_measured(request.policy, calibrated=calibrated)
    return pruning(request.policy, calibrated=calibrated)


def rest_of(recipe: Recipe) -> Recipe:
    """The passes of a lock behind those that leave things out."""
    return replace(recipe, passes=recipe.passes[len(_first_of(recipe)) :])


def _first_of(recipe: Recipe) -> tuple[Pass, ...]:
    last = max((k for k, each in enumerate(recipe.passes) if isinstance(each, PRUNERS)), default=-1)
    return recipe.passes[: last + 1]


def _check_measured(policy: Policy, *, calibrated: bool) -> None:
    for option, value, by in (
        ("--prune-by", policy.prune_by, ("reconstruction",)),
        ("--sparsity-by", policy.sparsity_by, ("sparsegpt", "wanda")),
    ):
        if value in by and not calibrated:
            raise OptionError(
                f"{option} {value}",
                "goes by calibration samples, and there are none",
                remedy="Give --calibration, or choose magnitude",
            )


def _shrunk(loaded: Loaded, model: ir.Model) -> tuple[str, ...]:
    """How much smaller products became."""
    costs = [[cost_of_nodes(each.graph, macs=macs) for each in (loaded.model, model)] for macs in (True, False)]
    if all(before == after for before, after in costs):
        return ()
    (macs, left), (weights, stay) = costs
    return (
        f"pruned: {_count(left)} of {_count(macs)} MACs are left ({_share(left, macs)}), "
        f"{_count(stay)} of {_count(weights)} weights ({_share(stay, weights)})",
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.0f}%"


def _count(number: int) -> str:
    """Three digits, as people say them."""
    unit, name = next((each for each in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if number >= each[0]), (1.0, ""))
    return f"{number / unit:.3g} {name}".strip()
