"""Prove a bundle: measure it where it will live, judge it by the contract, write both beside the payload."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..bundle import Bundle
from ..errors import ExecutionRequiredError, OutputError
from .contract import Contract, Verdict
from .metrics import Metric, metric_named
from .progress import Progress
from .proving.float_model import FloatModel
from .proving.judge import check_units, judge
from .proving.measure import measure
from .proving.places import place_on
from .proving.proof import Proof
from .samples import DataSource, ImagePreprocess
from .samples.base import State
from .write_whole import write_whole

__all__ = ["SCORES", "measure", "prove", "write_proof", "write_records", "write_scores"]

SCORES = "scores.npz"


def prove(
    bundle: Bundle | str | Path,
    *,
    evaluation: DataSource | None = None,
    contract: Contract | None = None,
    metric: Metric | str | None = None,
    float_model: FloatModel | None = None,
    samples: int | None = None,
    seed: int = 0,
    state: State | None = None,
    preprocess: Mapping[str, ImagePreprocess] | None = None,
    latency_runs: int = 100,
    threads: Sequence[int] = (1, 2),
    progress: Progress | None = None,
    notes: Sequence[str] = (),
    on: str | None = None,
    probe: bool = True,
    write: bool = True,
    report: bool = True,
    elsewhere: bool = False,
    trial: bool = False,
) -> Verdict:
    """Prove a bundle against a contract.

    Args:
        bundle: The bundle, or its folder.
        evaluation: Samples to compare with float on, and to score by their labels.
        contract: The limits; None asks only what is always asked (finite outputs, golden replay, placement).
        metric: Task metric or its name; None takes top1 where labels are class indices.
        float_model: What the bundle was compiled from; without it clauses against float are `unknown`.
        samples: Use this many evaluation samples, drawn with `seed`.
        seed: Seeds the draw and the bootstrap.
        state: Outputs fed back as inputs; None takes the manifest's.
        preprocess: How image files become an input, by input name.
        latency_runs: Timed runs of each session, fewer when two seconds have passed, at least ten.
        threads: Thread counts to time; latency clauses look at one thread.
        progress: Who watches.
        notes: What the reader of the verdict must know beside what is measured.
        on: The place: a runtime, or a target whose runtimes can prove it; None takes the best that is at hand.
        probe: Try what ran off the provider wanted in other forms, to find out why; up to half a minute and more.
        write: Write `proof/proof.json` and `proof/verdict.json` into the bundle.
        report: Write `proof/report.html` with them, the same for people.
        elsewhere: A device executes it, and gives a receipt of that: a contract that asks for execution does not ask
            for the target's own kernels here.
        trial: One of several that are compared: latency is left to who times all of them in one place, and what the
            metric records of every sample is kept beside the proof, so that differences are known in pairs.

    Returns:
        The verdict.

    Raises:
        BundleError: The bundle is incomplete or altered.
        SamplesError: The samples do not fit the model.
        ContractError: A limit does not fit the metric.
        ModelError: A model cannot be opened or run.
        TargetError: There is no such place.
        ExecutionRequiredError: The contract asks for execution, and the target's kernels are not here; as HostError,
            the place is not installed or fails.
        OutputError: The proof cannot be written.
    """
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    contract = contract or Contract()
    metric = metric_named(metric) if isinstance(metric, str) else metric
    if metric is not None:
        check_units(contract, metric)
    proof = measure(
        bundle,
        evaluation=evaluation,
        metric=metric,
        float_model=float_model,
        samples=samples,
        seed=seed,
        state=state,
        preprocess=preprocess,
        latency_runs=latency_runs,
        threads=() if trial else threads,
        progress=progress,
        notes=notes,
        place=None if on is None else place_on(on, bundle),
        probe=probe,
        memory=contract.clause("peak_memory") is not None,
        oldest=contract.oldest_onnxruntime,
    )
    if proof.unexecuted and contract.proof == "executed" and not elsewhere:
        raise ExecutionRequiredError(
            str(bundle.path),
            f"the contract asks for proof by execution, which is not possible here: {proof.unexecuted}",
            remedy='Prove it on the target, check a receipt of it, or accept proof = "checked"',
        )
    if proof.older is not None and proof.older.missing and contract.proof == "executed":
        raise ExecutionRequiredError(
            str(bundle.path),
            "the contract asks for proof by execution, and ONNX Runtime "
            f"{proof.older.asked} cannot be executed here: {proof.older.missing}",
            remedy='Install it, or accept proof = "checked"',
        )
    verdict = judge(contract, proof)
    if write:
        write_proof(bundle, contract, proof, verdict)
        if trial:
            write_scores(bundle, proof)
        if report:
            from .report.page.write import write_page

            write_page(bundle)
    return verdict


def write_proof(bundle: Bundle, contract: Contract, proof: Proof, verdict: Verdict) -> None:
    """Write both files whole or not at all; the verdict last, since it rests on the proof.

    Raises:
        OutputError: They cannot be written.
    """
    bound = {"schema_version": "1", "bundle": proof.bundle, "date": proof.date}
    write_records(
        bundle,
        {
            "proof": proof.to_json(),
            "verdict": {**bound, **verdict.to_json(), "contract": contract.to_json()},
        },
    )


def write_scores(bundle: Bundle, proof: Proof) -> None:
    """Write what the metric recorded of every sample, shape (n, k), to `proof/scores.npz`; nothing without a metric.

    Raises:
        OutputError: It cannot be written.
    """
    if proof.evaluation is None or proof.evaluation.records is None:
        return
    with _written_to(bundle):
        np.savez(bundle.proof / SCORES, records=proof.evaluation.records)


def write_records(bundle: Bundle, records: Mapping[str, Mapping[str, object]]) -> None:
    """Write `proof/NAME.json` of a bundle, each whole or not at all, in order.

    Raises:
        OutputError: They cannot be written.
    """
    with _written_to(bundle):
        bundle.proof.mkdir(exist_ok=True)
        for name, values in records.items():
            text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            write_whole(bundle.proof / f"{name}.json", text)


@contextmanager
def _written_to(bundle: Bundle) -> Iterator[None]:
    """Say of a proof that cannot be written what that means."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            str(bundle.proof),
            f"cannot be written: {error.strerror}",
            affects="The verdict stands, its record does not",
            remedy="Make the bundle's folder writable",
        ) from error
