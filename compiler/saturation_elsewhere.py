"""Which layers a place without VNNI saturates in, and what 7-bit weights there buy, measured on that place."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import onnx_ir as ir

from ..bundle import Bundle
from ..runtimes import runtime
from ..runtimes.base import SessionSettings
from .diagnosing.repairs import reducing
from .diagnosing.saturated import Saturated, predict
from .diagnosing.seven_bits import seven_bits
from .materialize import materialize
from .metrics import Metric
from .progress import Quiet
from .proving.evaluate import evaluate
from .proving.float_model import float_file
from .proving.measure import state_of
from .proving.places import IN_PROCESS, Place
from .proving.proof import EvaluationProof, Proof
from .samples import open_samples
from .samples.base import Samples, State
from .signature import inputs_of

__all__ = ["SaturationElsewhere", "saturation_elsewhere"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SaturationElsewhere:
    """What saturates on a place.

    Attributes:
        layers: The layers that lose more than their own rounding does, the worst first; predicted by arithmetic.
        repair: Lines for `edgec.toml` that give them 7-bit weights.
        sqnr_db: Of the worst output against float on that place, as the bundle is; None without a float model.
        repaired_sqnr_db: The same with 7-bit weights in those layers.
    """

    layers: tuple[Saturated, ...]
    repair: tuple[str, ...]
    sqnr_db: float | None
    repaired_sqnr_db: float | None

    def to_json(self) -> dict[str, object]:
        """The findings as JSON values."""
        layers = [{**asdict(each), "loss_db": round(each.loss_db, 1)} for each in self.layers]
        return {**asdict(self), "layers": layers, "repair": list(self.repair)}


def saturation_elsewhere(
    bundle: Bundle, place: Place, proof: Proof, options: Mapping[str, Any]
) -> SaturationElsewhere | None:
    """Name the layers, mend them in a copy, and run the copy on the place.

    Args:
        bundle: What was proved.
        place: Where.
        proof: What was measured there.
        options: What `measure` was given: evaluation, float_model, samples, seed, state, preprocess.

    Returns:
        None where the place answers as this process does, has other kernels, or nothing saturates.
    """
    apart = proof.apart is not None and any(not each.comparison.exact for each in proof.apart.values())
    if not apart or options.get("evaluation") is None:
        return None
    model = ir.load(bundle.model)
    state = options.get("state") or state_of(bundle)
    samples = open_samples(
        options["evaluation"],
        inputs_of(model),
        role="evaluation",
        preprocess=options.get("preprocess") or {},
        state=state,
        limit=options.get("samples"),
        seed=options.get("seed", 0),
    )
    layers = tuple(each for each in predict(model, samples, isa=proof.isa) if each.loud)
    if not layers:
        return None
    names = [each.node for each in layers]
    before = after = None
    if options.get("float_model") is not None and proof.evaluation is not None:
        before = _worst(proof.evaluation)
        after = _worst(_repaired(seven_bits(model, names), place, samples, state, options))
    return SaturationElsewhere(
        layers=layers, repair=tuple(reducing(names).lines), sqnr_db=before, repaired_sqnr_db=after
    )


def _repaired(
    model: ir.Model, place: Place, samples: Samples, state: State, options: Mapping[str, Any]
) -> EvaluationProof:
    """What evaluation samples show of a mended model on a place, against float in this process."""
    one = SessionSettings(threads=1)
    metric: Metric | None = options.get("metric")
    here = runtime(IN_PROCESS)
    with float_file(options["float_model"]) as (reference, _), materialize(model) as opened, place.open() as there:
        assert reference is not None
        with closing(there.open(opened, one)) as mended, closing(here.open(reference, one)) as theirs:
            return evaluate(samples, mended, theirs, state=state, metric=metric, seed=0, progress=Quiet())[0]


def _worst(found: EvaluationProof) -> float | None:
    """SQNR of the worst output that is not state, in dB."""
    compared = [each.against_float for each in found.outputs if not each.carried and each.against_float is not None]
    return min((each.sqnr_db for each in compared if each.sqnr_db is not None), default=None)
