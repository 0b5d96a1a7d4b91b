"""Experiments on one compile: the same recipe again with one thing changed, and what its outputs lose.

What the recipe does before it decides is done once; what was observed is kept as long as nothing changes the values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

from ...passes.base import Pass
from ...passes.observe.statistics import Need, Observation, set_observation
from ...passes.quantize.compute_params import ComputeParams
from ...passes.quantize.decide import DecideQuantization
from ...passes.quantize.decision import decision_of
from ...passes.quantize.insert_qdq import InsertQdq
from ...passes.quantize.set_ranges import SetRanges
from ...passes.weight_only.compact_weights import CompactWeights
from ..observe import observe
from ..pipeline import PassReport, run_passes
from ..planning.macs import macs_of
from ..progress import Progress, Quiet
from ..samples import Samples
from ..searching.bench import Bench

__all__ = ["Change", "Laboratory", "integer_share", "noise_of"]

Change = Callable[[ir.Model], None]

_SHARE = "edgec.integer_share"
# Passes that decide and compute: they leave every value as it is.
_LOOKERS = (DecideQuantization, ComputeParams, SetRanges)


@dataclass(kw_only=True, slots=True)
class _Staleness:
    """Observer: whether a pass changed values, so that what was observed before is of another model."""

    stale: bool = False

    def before(self, each: Pass, model: ir.Model) -> None:
        del each, model

    def after(self, each: Pass, model: ir.Model, report: PassReport) -> None:
        del model
        self.stale |= report.modified and each.invalidates


@dataclass(kw_only=True, slots=True)
class Laboratory:
    """Compiles variants of one float model.

    Attributes:
        model: The float model as it was loaded; never changed.
        calibration: What is observed unless said otherwise.
        threads: Cores to observe with; 0 is all.
        progress: Who watches.
    """

    model: ir.Model
    calibration: Samples
    threads: int = 0
    progress: Progress = field(default_factory=Quiet)
    _prepared: dict[tuple[str, int], ir.Model] = field(default_factory=dict)
    _observed: dict[tuple[str, int, Need], Observation] = field(default_factory=dict)

    def variant(
        self, passes: Sequence[Pass], *, change: Change | None = None, calibration: Samples | None = None
    ) -> ir.Model:
        """The model after a recipe.

        Args:
            passes: The recipe.
            change: Applied between computing params and inserting Q/DQ.
            calibration: Observed instead of the laboratory's own samples.
        """
        before, after = _divided(passes)
        if change is not None:
            # What an experiment leaves float would else be stored in 8 bits.
            after = tuple(each for each in after if not isinstance(each, CompactWeights))
        return self._run(self._prepare(before, calibration).clone(), after, repr(before), calibration, change)

    def decided(self, passes: Sequence[Pass]) -> ir.Model:
        """The float model with decisions and params on it: what a recipe knows before it inserts anything."""
        before, after = _divided(passes)
        place = next(k for k, each in enumerate(after) if isinstance(each, InsertQdq))
        return self._run(self._prepare(before, None).clone(), after[:place], repr(before), None)

    def observations(
        self, passes: Sequence[Pass], needs: Sequence[Need], calibration: Samples | None = None
    ) -> dict[Need, Observation]:
        """Statistics of the prepared float model."""
        before, _ = _divided(passes)
        clone = self._prepare(before, calibration).clone()
        self._measure(clone, needs, repr(before), calibration)
        samples = self.calibration if calibration is None else calibration
        return {need: self._observed[repr(before), id(samples), need] for need in needs}

    def _prepare(self, before: tuple[Pass, ...], calibration: Samples | None) -> ir.Model:
        key = repr(before), id(self.calibration if calibration is None else calibration)
        if key not in self._prepared:
            self._prepared[key] = self._run(self.model.clone(), before, "", calibration)
        return self._prepared[key]

    def _run(
        self,
        model: ir.Model,
        passes: Sequence[Pass],
        key: str,
        calibration: Samples | None,
        change: Change | None = None,
    ) -> ir.Model:
        """Run passes; observations are shared with other runs that come the same way to the same values."""
        samples = self.calibration if calibration is None else calibration
        watch = _Staleness()
        done: list[str] = []

        def measure(model: ir.Model, needs: Sequence[Need]) -> None:
            if watch.stale:
                observe(model, needs, samples, threads=self.threads, progress=self.progress)
            else:
                self._measure(model, needs, key + "".join(done), calibration)

        for each in passes:
            if isinstance(each, InsertQdq):
                model.meta[_SHARE] = _integer_share(model)
                if change is not None:
                    change(model)
            run_passes(model, (each,), measure=measure, observers=(watch,))
            if not isinstance(each, _LOOKERS):
                done.append(repr(each))
        return model

    def _measure(self, model: ir.Model, needs: Sequence[Need], key: str, calibration: Samples | None) -> None:
        samples = self.calibration if calibration is None else calibration
        missing = [need for need in needs if (key, id(samples), need) not in self._observed]
        if missing:
            found = observe(model, missing, samples, threads=self.threads, progress=self.progress)
            self._observed.update({(key, id(samples), need): observed for need, observed in found.items()})
        values = {value.name: value for value in model.graph.inputs}
        values |= {value.name: value for node in model.graph for value in node.outputs}
        for need in needs:
            set_observation(values[need.value], need.statistic, self._observed[key, id(samples), need])


def noise_of(bench: Bench, model: ir.Model) -> float:
    """Noise over signal of a candidate's outputs, each output weighing the same."""
    scores = bench.score(model)
    return sum(found.noise for found in scores.values()) / len(scores)


def integer_share(variant: ir.Model) -> float:
    """Share of a variant's MACs that were decided to run in integers."""
    return float(variant.meta.get(_SHARE, 0.0))


def _integer_share(model: ir.Model) -> float:
    macs = {node: macs_of(node) or 0 for node in model.graph}
    total = sum(macs.values())
    return sum(count for node, count in macs.items() if decision_of(node) is not None) / total if total else 0.0


def _divided(passes: Sequence[Pass]) -> tuple[tuple[Pass, ...], tuple[Pass, ...]]:
    """What comes before the decision, and the rest."""
    place = next(k for k, each in enumerate(passes) if isinstance(each, DecideQuantization))
    return tuple(passes[:place]), tuple(passes[place:])
