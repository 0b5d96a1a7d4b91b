"""Score candidates on a few calibration samples against float's answers, which are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from ...runtimes.base import Feeds, Runtime, Session, SessionSettings
from ..materialize import in_memory
from ..observe import usable_cores
from ..planning.macs import macs_by_op
from ..samples import replay
from ..samples.base import Sample, Samples
from ..samples.sequence import start_state
from .outputs import Fidelity, Form, fidelity, form_of

__all__ = ["Bench", "open_bench"]

# Choices must not depend on how fast a machine is: the number of samples follows from the model's MACs.
_MACS = 1e9
_FEWEST, _MOST = 8, 64
_ROUGHLY = 8
# Steps are as good as samples, but errors that state carries on show only late: few sequences, nearly whole.
_STEPS = 256
_BYTES = 128 << 20

Answers = Sequence[Mapping[str, np.ndarray]]


@dataclass(kw_only=True, slots=True, eq=False)
class Bench:
    """Samples with what float answers to them, float itself, and the candidate looked at last.

    Attributes:
        runtime: Where candidates run.
        reference: float, open.
        samples: The samples, cut to a few steps each.
        source: Where they come from.
        references: float's answers to each step of each sample, carried outputs left out.
        forms: What each judged output is.
        workers: Samples run at once, each with one thread: sums do not depend on the number of cores.
        feeds: All that one run takes, carried inputs included.
    """

    runtime: Runtime
    reference: Session
    samples: tuple[Sample, ...]
    source: Samples
    references: tuple[Answers, ...]
    forms: Mapping[str, Form]
    workers: int
    feeds: Feeds
    _last: tuple[ir.Model, Session] | None = field(default=None, init=False)

    @property
    def thins(self) -> bool:
        """Whether a rough score is taken on fewer samples than a full one; else they are the same."""
        return self._stride > 1

    @property
    def _stride(self) -> int:
        return max(1, len(self.samples) // _ROUGHLY)

    def open(self, model: ir.Model) -> Session:
        """A candidate's session of one thread; it lives until another is opened.

        Args:
            model: The candidate; it is not changed.

        Raises:
            ModelError: The runtime refuses it.
        """
        if self._last is None or self._last[0] is not model:
            self.forget()
            self._last = model, self.runtime.open(in_memory(model), SessionSettings(threads=1))
        return self._last[1]

    def reopen(self, model: ir.Model) -> Session:
        """The same, in a session that was not used before; arguments as those of `open`."""
        self.forget()
        return self.open(model)

    def close(self) -> None:
        """Free both sessions and what float answered; nothing is asked any more."""
        self.forget()
        self.reference.close()
        self.samples = self.references = ()

    def forget(self) -> None:
        """Free the candidate's session, where another candidate is to be built and observed."""
        if self._last is not None:
            self._last[1].close()
            self._last = None

    def score(self, model: ir.Model, *, roughly: bool = False) -> dict[str, Fidelity]:
        """How far a candidate's outputs are from float's, by output.

        Args:
            model: The candidate; it is not changed.
            roughly: On a few of the samples, which is enough to find the place of a fault.

        Raises:
            ModelError: The runtime refuses it.
        """
        stride = self._stride if roughly else 1
        answers = _answers(self.open(model), self.samples[::stride], self.source, self.workers)
        return self._compared(self.references[::stride], answers)

    def score_each(self, model: ir.Model) -> list[dict[str, Fidelity]]:
        """The same for each sample by itself.

        Args:
            model: The candidate; it is not changed.

        Raises:
            ModelError: The runtime refuses it.
        """
        answers = _answers(self.open(model), self.samples, self.source, self.workers)
        return [self._compared([x], [y]) for x, y in zip(self.references, answers, strict=True)]

    def _compared(self, references: Sequence[Answers], answers: Sequence[Answers]) -> dict[str, Fidelity]:
        """By output, over all steps of these samples."""
        return {
            name: fidelity(
                form,
                [step[name] for steps in references for step in steps],
                [step[name] for steps in answers for step in steps],
            )
            for name, form in self.forms.items()
        }


def open_bench(
    runtime: Runtime,
    model: ir.Model,
    samples: Samples,
    *,
    threads: int,
    limit: int | None = None,
    fewest: int = _FEWEST,
) -> Bench:
    """A bench of the first samples, as many as the model's size allows.

    Args:
        runtime: Where float and candidates run.
        model: The float model; it is not changed.
        samples: The calibration samples.
        threads: Cores to use; 0 is all of them.
        limit: Most samples; None follows from the model's MACs.
        fewest: No fewer, where there are as many, however many MACs the model has.
    """
    if limit is None and samples.state.carried:
        limit = _FEWEST
    if limit is None:
        macs = max(1, sum(macs_by_op(model).values()))
        limit = int(np.clip(_MACS / macs, fewest, _MOST))
    workers = threads or usable_cores()
    chosen = tuple(Sample(id=each.id, steps=each.steps[:_STEPS], label=each.label) for each in _spread(samples, limit))
    session = runtime.open(in_memory(model.clone()), SessionSettings(threads=1))
    carried = set(samples.state.carried.values())
    feeds = {**chosen[0].feeds, **start_state(session.inputs, samples.state)}
    judged = [info.name for info in session.outputs if info.name not in carried]
    kept = _references(session, chosen, samples, workers, judged)
    shapes = [tuple(array.shape) for array in chosen[0].feeds.values()]
    several = any(len(each.steps) > 1 for each in chosen)
    forms = {name: form_of([step[name] for steps in kept for step in steps], shapes, steps=several) for name in judged}
    return Bench(
        runtime=runtime,
        reference=session,
        samples=chosen[: len(kept)],
        source=samples,
        references=tuple(kept),
        forms=forms,
        workers=workers,
        feeds=feeds,
    )


def _spread(samples: Samples, limit: int) -> list[Sample]:
    """At most `limit` samples, evenly spread over all of them."""
    count = len(samples)
    wanted = {round(k * count / limit) for k in range(limit)} if count > limit else set(range(count))
    return [sample for k, sample in enumerate(samples) if k in wanted]


def _answers(session: Session, samples: Sequence[Sample], source: Samples, workers: int) -> list[Answers]:
    def answer(sample: Sample) -> Answers:
        return [outputs for _, outputs in replay(session.run, sample, session.inputs, source.state)]

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(answer, samples))


def _references(
    session: Session, samples: Sequence[Sample], source: Samples, workers: int, judged: Sequence[str]
) -> list[Answers]:
    """Float's answers to the first samples, as many as fit into `_BYTES`, one at least; no more are ever held."""
    kept: list[Answers] = []
    total = 0
    for first in range(0, len(samples), workers):
        for steps in _answers(session, samples[first : first + workers], source, workers):
            answers = [{name: step[name] for name in judged} for step in steps]
            total += sum(array.nbytes for step in answers for array in step.values())
            if kept and total > _BYTES:
                return kept
            kept.append(answers)
    return kept
