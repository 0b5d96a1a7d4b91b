"""Run recipes in memory: the driver's `run_passes` with a measure of a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgec.compiler.observers import SignatureGuard, VerifyEach
from edgec.compiler.pipeline import Measure, run_passes
from edgec.passes.observe.instrument import Totals, fold, instrument, read_probes
from edgec.passes.observe.statistics import Need, Observation, set_observation
from edgec.targets import find_target
from edgec.targets.pipeline import Policy, recipe_for
from edgec.targets.pruning import pruning

from .numerics import run

__all__ = ["compiled", "measure_on", "observe", "recipe"]

TARGET = "x86-64-vnni"

Feeds = Mapping[str, np.ndarray]


def recipe(scheme: str, *, target: str = TARGET, **policy: object) -> tuple:
    """The passes of a target's recipe, behind those that leave out what the policy asks for."""
    facts, asked = find_target(target), Policy(scheme=scheme, **policy)
    return (*pruning(asked, calibrated=True), *recipe_for(facts, asked).passes)


def compiled(model: ir.Model, scheme: str, samples: Sequence[Feeds], **policy: object) -> ir.Model:
    """A clone of the model after the whole recipe, every pass guarded and checked."""
    clone = model.clone()
    run_passes(clone, recipe(scheme, **policy), measure=measure_on(samples), observers=(SignatureGuard(), VerifyEach()))
    return clone


def measure_on(samples: Sequence[Feeds]) -> Measure:
    """A measure that runs the instrumented model on each of the samples."""

    def measure(model: ir.Model, needs: Sequence[Need]) -> None:
        found = observe(model, needs, samples)
        values = {value.name: value for value in model.graph.inputs}
        values |= {value.name: value for node in model.graph for value in node.outputs}
        for need, observed in found.items():
            set_observation(values[need.value], need.statistic, observed)

    return measure


def observe(
    model: ir.Model, needs: Sequence[Need], samples: Sequence[Feeds], *, optimize: bool = True
) -> dict[Need, Observation]:
    """Observations over the samples."""
    clone = model.clone()
    probes = instrument(clone, needs)
    read = {value.name for value in clone.graph.inputs}
    totals: Totals = {}
    for feeds in samples:
        outputs = run(clone, {name: array for name, array in feeds.items() if name in read}, optimize=optimize)
        fold(totals, probes, outputs)
    return read_probes(probes, totals)
