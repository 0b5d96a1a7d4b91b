"""One pass over the samples: batches to workers, what they show to the totals, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

from ...passes.observe.instrument import Probe, Totals, fold, merge_totals
from ...runtimes.base import Session
from ..progress import Advance
from ..samples import batches, replay, stack
from ..samples.base import Sample, Samples
from .layout import Layout
from .together import Together

__all__ = ["Glance", "run_over"]

# Told after every batch: the samples of it, and the totals of all up to it.
Done: TypeAlias = Callable[[Sequence[Sample], Totals], None]
# Told of every batch that is passed over.
Passed: TypeAlias = Callable[[Sequence[Sample]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Glance:
    """What most batches show: all batches but every `every`-th are observed with these probes only.

    Attributes:
        session: A graph that has these probes.
        probes: Some of all.
        every: From the first batch on.
    """

    session: Session
    probes: Sequence[Probe]
    every: int


def run_over(
    session: Session,
    probes: Sequence[Probe],
    samples: Samples,
    layout: Layout,
    *,
    advance: Advance,
    totals: Totals,
    glance: Glance | None = None,
    skip: int = 0,
    passed: Passed | None = None,
    done: Done | None = None,
) -> Totals:
    """Fold every sample into the totals.

    Args:
        session: The instrumented graph.
        probes: What is read from its outputs.
        samples: Read once, a batch for each worker in memory.
        layout: Batches, workers.
        advance: Told how many samples are done.
        totals: What the first `skip` samples showed; used up.
        glance: How most batches are observed; None observes all of them in full.
        skip: Samples passed over: a whole number of batches.
        passed: Told of them.
        done: Told after every batch, in the order of the samples.

    Returns:
        The totals over all samples. They are merged in the order of the samples, so that sums do not depend on
        which worker was faster.
    """
    size = 1 if samples.state.carried else layout.batch
    together = Together(session=session, probes=probes)

    def observed(batch: list[Sample], here: Session, by: Sequence[Probe]) -> Totals:
        seen: Totals = {}
        if not by:
            return seen
        if together.same(batch):
            fold(seen, by, here.run(stack(batch)))
            return seen
        for sample in batch:
            for _, outputs in replay(here.run, sample, here.inputs, samples.state):
                fold(seen, by, outputs)
        return seen

    under_way: deque[tuple[list[Sample], Sequence[Probe], Future[Totals]]] = deque()

    def finish_one() -> None:
        batch, by, future = under_way.popleft()
        merge_totals(totals, by, future.result())
        if done is not None:
            done(batch, totals)
        advance(len(batch))

    with ThreadPoolExecutor(layout.workers) as pool:
        try:
            number = 0
            for index, batch in enumerate(batches(samples, size)):
                together.decide(batch)
                number += len(batch)
                if number <= skip:
                    if passed is not None:
                        passed(batch)
                    advance(len(batch))
                    continue
                full = glance is None or index % glance.every == 0
                here, by = (session, probes) if full or glance is None else (glance.session, glance.probes)
                under_way.append((batch, by, pool.submit(observed, batch, here, by)))
                if len(under_way) > layout.workers:
                    finish_one()
            while under_way:
                finish_one()
        finally:
            for *_, future in under_way:
                future.cancel()
    return totals
