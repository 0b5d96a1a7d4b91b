"""Choose the layers with 7-bit weights: those whose sums of two products leave 16 bits on the target's kernels.

All layers in 8 bits are compiled once and looked at on calibration samples (`diagnosing/saturated.py`); what is chosen
stands in the recipe and in the manifest's options by name, so that neither a lock nor a second compile looks again.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import OptionError
from ..targets.pipeline import recipe_for
from ..targets.policy import STATIC_SCHEMES
from ..targets.spec import TargetSpec
from .build import measuring
from .clock import Clock
from .data import CompileData
from .diagnosing.repairs import reducing
from .diagnosing.saturated import predict, saturates
from .load import Loaded
from .request import CompileRequest
from .searching.candidates import Candidates

__all__ = ["reduce_saturating"]


def reduce_saturating(
    request: CompileRequest, loaded: Loaded, data: CompileData, target: TargetSpec, scheme: str, clock: Clock
) -> tuple[CompileRequest, tuple[str, ...]]:
    """The request with the layers named where it leaves the choice open, and a note of what was chosen.

    Args:
        request: All the user asked for.
        loaded: The model.
        data: The samples.
        target: What is compiled for.
        scheme: The scheme chosen.
        clock: Told of the stage `saturation`.

    Raises:
        OptionError: The choice is left open, and the scheme has no calibration samples to go by.
    """
    policy = request.policy
    if not policy.reduce_range_auto or request.recipe is not None:
        return request, ()
    if not saturates(target.isa):
        return replace(request, policy=replace(policy, reduce_range_auto=False)), ()
    if scheme not in STATIC_SCHEMES or data.calibration is None:
        raise OptionError(
            "--reduce-range-auto",
            f"goes by calibration samples, and scheme {scheme} measures nothing",
            remedy="Leave it out, or choose a8w8 with --calibration",
        )
    full = replace(policy, scheme=scheme, reduce_range=False, reduce_range_auto=False)
    candidates = Candidates(source=loaded.model, measure=measuring(data, request, clock))
    with clock.stage("saturation"), request.progress.stage("saturation"):
        model = candidates.build(recipe_for(target, full)).model
        found = predict(model, data.calibration, isa=target.isa, threads=request.threads)
    names = [each.node for each in found if each.loud]
    if names:
        patterns = reducing(names, full.reduce_range_nodes).settings["reduce_range_nodes"]
        full = replace(full, reduce_range_nodes=patterns)
    note = f"7-bit weights in {len(names)} layers whose sums saturate on {target.isa} on calibration samples"
    return replace(request, policy=replace(full, scheme=policy.scheme)), (note,)
