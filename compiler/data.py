"""The samples of one compile: calibration, evaluation, golden; split when only one set is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx_ir as ir

from ..runtimes.base import TensorInfo
from .baking.bake import Baking
from .baking.samples import open_baked
from .clauses import BUDGETS
from .request import CompileRequest
from .samples import overlap, split
from .samples.base import Sample, Samples
from .samples.decoders import Afresh, decoder_state, golden_steps, is_decoder, is_listener
from .signature import inputs_of, outputs_of

__all__ = ["CompileData", "open_data", "with_cache"]

HELD_OUT = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class CompileData:
    """What is observed, what proves, and what was decided about them.

    Attributes:
        calibration: Observed; None when there is none.
        evaluation: Proves; None when there is none.
        seed: Seeds the draw and the split.
        notes: What the user should know.
    """

    calibration: Samples | None
    evaluation: Samples | None
    seed: int
    notes: tuple[str, ...] = ()

    def golden(self, inputs: Sequence[TensorInfo]) -> Sample:
        """The first calibration sample, else the first evaluation sample, else seeded noise."""
        found = next((samples for samples in (self.calibration, self.evaluation) if samples is not None), None)
        sample = _noise(inputs, self.seed) if found is None else next(iter(found))
        return golden_steps(sample, inputs) if is_decoder(inputs) or is_listener(inputs) else sample

    @property
    def golden_origin(self) -> str:
        """Where the golden feeds come from."""
        if self.calibration is not None:
            return "calibration"
        return "evaluation" if self.evaluation is not None else "generated"

    def overlap_notes(self) -> tuple[str, ...]:
        """What the verdict must say when samples that were observed also prove."""
        if self.calibration is None or self.evaluation is None:
            return ()
        shared = overlap(self.calibration, self.evaluation)
        if not shared:
            return ()
        return (f"{shared} of {len(self.evaluation)} evaluation samples were also observed: the verdict is flattered",)

    def calibration_facts(self) -> dict[str, Any] | None:
        """What the manifest records; reads what was not read yet."""
        if self.calibration is None:
            return None
        return {
            # The name alone: the payload must not depend on where the data lie.
            "origin": Path(self.calibration.origin).name,
            "digest": self.calibration.digest(),
            "count": len(self.calibration),
            "seed": self.seed,
        }


def with_cache(request: CompileRequest, model: ir.Model) -> CompileRequest:
    """The request, with the cache as state where the model is a decoder and no state was given."""
    if request.state.carried:
        return request
    return replace(request, state=decoder_state(inputs_of(model), outputs_of(model)))


def open_data(
    request: CompileRequest,
    inputs: Sequence[TensorInfo],
    baking: Baking = Baking(),
    companions: Mapping[str, bytes] = MappingProxyType({}),
) -> CompileData:
    """Open what the request names.

    A proof without evaluation samples holds out half of the calibration samples: selection and verdict
    never see the same ones. The cache of a decoder starts empty in every sample that is observed.

    Args:
        request: What the user asked for.
        inputs: Every input of the model.
        baking: What is baked into it.
        companions: What ships with it: the tokenizer of a decoder.
    """
    common: dict[str, Any] = {"preprocess": request.preprocess, "state": request.state, "seed": request.seed}
    common["companions"] = companions
    calibration = evaluation = None
    notes: tuple[str, ...] = ()
    if request.calibration is not None:
        calibration = open_baked(
            request.calibration, inputs, baking, role="calibration", limit=request.samples, **common
        )
    # A limit on accuracy is searched for, whether or not the result is proved.
    wanted = request.prove or (request.search and any(request.contract.clause(each) for each in BUDGETS))
    if request.evaluation is not None and wanted:
        limit = request.evaluation_samples
        evaluation = open_baked(request.evaluation, inputs, baking, role="evaluation", limit=limit, **common)
    if calibration is not None and evaluation is None and request.prove and len(calibration) > 1:
        calibration, evaluation = split(calibration, held_out=HELD_OUT, seed=request.seed)
        notes = (
            f"no evaluation samples: {len(evaluation)} of the calibration samples were held out to prove with, "
            f"{len(calibration)} were observed (seed {request.seed})",
        )
    if calibration is not None and calibration.state.carried and (is_decoder(inputs) or is_listener(inputs)):
        calibration = Afresh(calibration, inputs)
    return CompileData(calibration=calibration, evaluation=evaluation, seed=request.seed, notes=notes)


def _noise(inputs: Sequence[TensorInfo], seed: int) -> Sample:
    """Feeds for a golden replay when there are no samples at all; nothing is decided by them."""
    generator = np.random.default_rng(seed)
    feeds = {}
    for info in inputs:
        shape = tuple(dim if isinstance(dim, int) else 1 for dim in info.shape)
        if info.dtype.kind == "f" or info.dtype.name == "bfloat16":
            feeds[info.name] = generator.standard_normal(shape).astype(info.dtype)
        elif info.dtype == np.uint8 and len(shape) == 4:  # an image; of other integers nobody knows what they may be
            feeds[info.name] = generator.integers(0, 256, shape, np.uint8)
        else:
            feeds[info.name] = np.zeros(shape, info.dtype)
    return Sample(id="generated", steps=(feeds,))
