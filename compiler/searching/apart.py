"""Judge on calibration samples that are not observed: ranges fit the samples they were taken of, better than any other.

espnetv2_05_voc, two nodes in float, nats by way on its own samples, on samples held out, on the evaluation samples:
`percentile` 0.0049, 0.0038, 0.0087; `auto` 0.0060, 0.0030, 0.0063. Where ways are compared, only the second tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...passes.recipe import Recipe
from ...runtimes.base import Runtime
from ..pipeline import Measure
from ..samples import split
from ..samples.base import Samples
from .bench import open_bench
from .candidates import Candidates
from .trials import Trials

__all__ = ["judged_apart"]

_HELD_OUT = 0.5
# With fewer samples neither part would say much: all are observed, and all judge.
_FEWEST = 16
# A few images carry most of the divergence: more of them than where only a fault is looked for.
_JUDGES = 24


def judged_apart(
    trials: Trials,
    recipe: Recipe,
    *,
    runtime: Runtime,
    calibration: Samples,
    measuring: Callable[[Samples], Measure],
    threads: int,
    seed: int,
) -> Trials:
    """Trials like these, whose candidates observe one part of the samples and are judged on the other.

    Args:
        trials: Trials whose candidates observe all samples.
        recipe: What to start from.
        runtime: Where float and candidates run.
        calibration: The samples.
        measuring: What observes samples.
        threads: Cores to use; 0 is all of them.
        seed: Seeds the split.

    Returns:
        Trials with a bench of their own, which the caller closes.
    """
    candidates, judges = trials.shop.candidates, calibration
    source = candidates.source
    if len(calibration) >= _FEWEST:
        observed, judges = split(calibration, held_out=_HELD_OUT, seed=seed)
        candidates = Candidates(source=source, measure=measuring(observed))
    bench = open_bench(runtime, source, judges, threads=threads, fewest=_JUDGES)
    apart = Trials(shop=replace(trials.shop, candidates=candidates), bench=bench, decide=trials.decide)
    apart.start_from(trials.base, candidates.build(recipe).model)
    return apart
