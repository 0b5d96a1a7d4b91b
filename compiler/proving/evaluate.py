"""Run evaluation samples through float and bundle, one sample in memory, and compare what they answer.

Each model carries its own state from step to step, as it will on the device. Samples run one at a time
with the batch they come with: that is how the bundle will be used, and what its golden outputs are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ...errors import ModelError
from ...runtimes.base import Session, TensorInfo
from ...runtimes.compare import Comparer
from ..metrics import Metric
from ..progress import Progress
from ..samples import replay
from ..samples.base import Sample, Samples, State
from .proof import EvaluationProof, OutputProof
from .scoring import Task

__all__ = ["Scores", "evaluate"]

Scores: TypeAlias = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def evaluate(
    samples: Samples,
    bundle: Session,
    float_model: Session | None,
    *,
    state: State,
    metric: Metric | None,
    seed: int,
    progress: Progress,
    scores: Scores = dict,
) -> tuple[EvaluationProof, tuple[str, ...]]:
    """Compare bundle and float on every sample.

    Args:
        samples: Evaluation samples.
        bundle: An open session.
        float_model: Another; without one only the bundle's own answers are looked at.
        state: Outputs fed back as inputs.
        metric: Task metric; None takes top1 where labels are class indices.
        seed: Seeds the bootstrap.
        progress: Who watches.
        scores: Answers as a metric reads them.

    Returns:
        What they showed, and notes for the reader of the verdict.

    Raises:
        SamplesError: A sample or label does not fit.
        ModelError: Bundle and float do not have the same outputs.
    """
    task = Task(metric)
    outputs = _Outputs(bundle, float_model, state)
    count = steps = 0
    with progress.stage("prove", len(samples)) as advance:
        for sample in samples:
            mine, theirs, taken = _answers(sample, bundle, float_model, state, outputs)
            task.add(sample, scores(mine), None if theirs is None else scores(theirs))
            count, steps = count + 1, steps + taken
            advance(1)
    found, reason, notes = task.result(seed)
    return (
        EvaluationProof(
            origin=Path(samples.origin).name,  # a proof travels: it names files, not this machine's folders
            digest=samples.digest(),
            samples=count,
            steps=steps,
            outputs=outputs.results(),
            metric=found,
            metric_reason=reason,
            records=task.records,
        ),
        notes,
    )


def _answers(
    sample: Sample, bundle: Session, float_model: Session | None, state: State, outputs: _Outputs
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray] | None, int]:
    """Outputs of one sample of bundle and float, steps joined along axis 0; compared on the way."""
    ours: list[dict[str, np.ndarray]] = []
    floats: list[dict[str, np.ndarray]] = []
    runs = replay(bundle.run, sample, bundle.inputs, state)
    others = repeat(None) if float_model is None else replay(float_model.run, sample, float_model.inputs, state)
    for (_, answer), other in zip(runs, others, strict=False):  # not strict: `repeat` has no end
        outputs.add(sample.id, answer, None if other is None else other[1])
        ours.append({name: answer[name] for name in outputs.judged})
        if other is not None:
            floats.append({name: other[1][name] for name in outputs.judged})
    return _joined(ours), _joined(floats) if float_model is not None else None, len(ours)


def _joined(steps: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Outputs of all steps along axis 0; one whose shape changes otherwise is left out."""
    if len(steps) == 1:
        return steps[0]
    joined = {}
    for name in steps[0]:
        arrays = [np.atleast_1d(step[name]) for step in steps]
        if len({array.shape[1:] for array in arrays}) == 1:
            joined[name] = np.concatenate(arrays)
    return joined


def _same_names(what: str, theirs: Sequence[TensorInfo], ours: Sequence[TensorInfo]) -> None:
    if {info.name for info in theirs} != {info.name for info in ours}:
        raise ModelError(
            "float model",
            f"has {what} {', '.join(info.name for info in theirs)}; the bundle has {', '.join(i.name for i in ours)}",
            remedy="Give the model that this bundle was compiled from",
        )


class _Outputs:
    """Comparers of every output."""

    def __init__(self, bundle: Session, float_model: Session | None, state: State) -> None:
        names = [info.name for info in bundle.outputs]
        self._carried = set(state.carried.values())
        self.judged = [name for name in names if name not in self._carried] or names
        self._nonfinite = dict.fromkeys(names, 0)
        self._comparers: dict[str, Comparer] = {}
        if float_model is not None:
            # A cache in int8 is not compared with float's: what it stands for is inside the model.
            theirs = {info.name: info.dtype for info in float_model.outputs}
            alike = {info.name for info in bundle.outputs if theirs.get(info.name, info.dtype) == info.dtype}
            self._comparers = {name: Comparer() for name in names if name in alike or name not in self._carried}
            _same_names("inputs", float_model.inputs, bundle.inputs)
            _same_names("outputs", float_model.outputs, bundle.outputs)

    def add(self, sample_id: str, answer: dict[str, np.ndarray], other: dict[str, np.ndarray] | None) -> None:
        for name in self._nonfinite:
            if other is None or name not in self._comparers:
                self._nonfinite[name] += nonfinite(answer[name])
                continue
            try:
                self._comparers[name].add(other[name], answer[name])
            except ValueError as error:
                raise ModelError(
                    f"output {name!r} of {sample_id}",
                    f"differs between bundle and float: {error}",
                    remedy="Give the model that this bundle was compiled from",
                ) from error

    def results(self) -> tuple[OutputProof, ...]:
        found = []
        for name, alone in self._nonfinite.items():
            comparison = self._comparers[name].result() if name in self._comparers else None
            found.append(
                OutputProof(
                    name=name,
                    carried=name not in self.judged,
                    against_float=comparison,
                    nonfinite=alone if comparison is None else comparison.nonfinite,
                )
            )
        return tuple(found)


def nonfinite(array: np.ndarray) -> int:
    """Elements that are NaN or infinite; 0 for integers, booleans and strings."""
    if array.dtype.kind in "iubOSU":
        return 0
    return int(np.count_nonzero(~np.isfinite(array.astype(np.float32))))
