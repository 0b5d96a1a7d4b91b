"""Run the instrumented graph over the calibration samples: one pass, one batch for each worker in memory.

Samples are independent, so cores work on different ones, each with a single-threaded run of the same session:
splitting one small inference over cores costs more than it saves. Memory is that of the batches under way
and the accumulators, whatever the number of samples; under a limit the graph is observed in slices. What took long
is kept, so that an interrupted compile goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from ..passes.observe.statistics import Need, Observation, set_observation
from .observing.cache import ObservationCache
from .observing.layout import Layout, lay_out, usable_cores
from .observing.part import counted_every, observe_part
from .observing.slices import slices
from .planning.memory import give_back
from .progress import Progress
from .samples.base import Samples

__all__ = ["Layout", "lay_out", "observe", "usable_cores"]


def observe(
    model: ir.Model,
    needs: Sequence[Need],
    samples: Samples,
    *,
    threads: int,
    progress: Progress,
    max_memory: int | None = None,
    cache: ObservationCache | None = None,
) -> dict[Need, Observation]:
    """Measure what is needed over all samples and set it on the model's values.

    Args:
        model: The model; only the `meta` of its values changes.
        needs: What to measure.
        samples: The calibration samples.
        threads: Cores to use; 0 is all of them.
        progress: Told of every batch.
        max_memory: Bytes this process may hold; None does not limit it.
        cache: Where observations that took long are kept; None keeps none.

    Returns:
        The observations, in the order of the needs.

    Raises:
        OptionError: `max_memory` does not hold one statistic of one batch.
    """
    sliced = slices(model, tuple(dict.fromkeys(needs)), lay_out(model, needs, threads), max_memory)
    found: dict[Need, Observation] = {}
    every = counted_every(needs, samples)
    with progress.stage("observe", len(samples) * len(sliced.parts)) as advance:
        for number, part in enumerate(sliced.parts):
            found |= observe_part(
                model,
                part,
                [need for earlier in sliced.parts[:number] for need in earlier],
                samples,
                sliced.layout,
                advance=advance,
                every=every,
                sparing=max_memory is not None,
                cache=cache,
            )
    give_back()
    values = {value.name: value for value in model.graph.inputs}
    values |= {value.name: value for node in model.graph for value in node.outputs}
    for need, observed in found.items():
        set_observation(values[need.value], need.statistic, observed)
    return {need: found[need] for need in needs}
