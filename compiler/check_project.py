"""The gate of a build: prove the bundles that are there, change nothing, say which clause is not met."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ..bundle import Bundle
from ..errors import BundleError, EdgecError
from .building.baseline import Baseline
from .building.job import Job, in_one_folder, jobs_of, request_of_job
from .building.outcome import Outcome
from .building.same_project import check_same_project, data_behind
from .compile import load_for
from .loading.source import is_onnx
from .older import target_of
from .progress import Progress
from .prove import prove
from .proving.float_model import FloatModel
from .receipts.judge import with_receipts
from .receipts.receipt import Receipt
from .receipts.trust import check_subject
from .request import CompileRequest
from .samples.base import DataSource

__all__ = ["check_projects"]

Done: TypeAlias = Callable[[Outcome], None]


def check_projects(
    files: Sequence[str | Path],
    output: str | Path,
    *,
    only: Sequence[str] = (),
    alone: Path | None = None,
    baseline: Baseline | None = None,
    on: str | None = None,
    receipts: Sequence[Receipt] = (),
    progress: Progress | None = None,
    done: Done | None = None,
) -> list[Outcome]:
    """Prove every bundle of a build against its project's contract, one after the other.

    Args:
        files: Project files.
        output: The folder that `build_projects` wrote.
        only: Names of targets; all of them where there is none.
        alone: The folder of the bundle itself, where there is one only.
        baseline: Earlier verdicts: what is worse than tolerated there counts as broken, too.
        on: The place to prove on; None takes the best that is at hand for each target.
        receipts: What devices answered, trusted: each is of one of these bundles.
        progress: Who watches.
        done: Told of every bundle as it is done.

    Returns:
        One outcome a bundle. A bundle that is missing, altered, or of another model or project is one with an error.

    Raises:
        InputError: A project file is wrong; `alone` is given, and there are several bundles.
        ReceiptError: A receipt is of none of these bundles.
    """
    outcomes = []
    jobs = in_one_folder(jobs_of([Path(file) for file in files], Path(output), only), alone)
    answers = _by_job(jobs, receipts)
    for job in jobs:
        outcome = _check(job, baseline, answers.get(job.name, []), {"on": on, "progress": progress})
        outcomes.append(outcome)
        if done is not None:
            done(outcome)
    return outcomes


def _by_job(jobs: Sequence[Job], receipts: Sequence[Receipt]) -> dict[str, list[Receipt]]:
    """The receipts of each bundle, by its job's name.

    Raises:
        ReceiptError: One is of none of them.
    """
    if not receipts:
        return {}
    bundles = {job.name: Bundle.open(job.output) for job in jobs if job.output.exists()}
    found: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        found.setdefault(check_subject(receipt, bundles), []).append(receipt)
    return found


def _check(job: Job, baseline: Baseline | None, receipts: Sequence[Receipt], options: dict[str, Any]) -> Outcome:
    started = time.perf_counter()
    try:
        request = request_of_job(job)
        if not job.output.exists():
            raise BundleError(
                str(job.output), "was not built", remedy="Build it: edgec build, with the same -o if there is one"
            )
        bundle = Bundle.open(job.output)
        check_same_project(bundle, request, job)
        evaluation, notes = _evaluation(bundle, request)
        verdict = prove(
            bundle,
            evaluation=evaluation,
            contract=request.contract,
            metric=request.metric,
            float_model=_float_model(request),
            samples=request.evaluation_samples,
            seed=request.seed,
            state=request.state if request.state.carried else None,
            preprocess=request.preprocess,
            notes=notes,
            write=False,
            elsewhere=bool(receipts),
            **options,
        )
    except EdgecError as error:
        return Outcome.failed(job, error, time.perf_counter() - started)
    verdict = with_receipts(verdict, request.contract, bundle, receipts)
    if baseline is not None:
        verdict = baseline.compared(job.name, verdict)
    return Outcome(
        job=job,
        bundle=bundle.path,
        verdict=verdict.to_json(),
        exit_code=verdict.exit_code,
        seconds=time.perf_counter() - started,
    )


def _float_model(request: CompileRequest) -> FloatModel:
    """What a bundle is compared with: the file where it is ONNX, else the model that is built from it."""
    assert isinstance(request.model, str | Path)
    if is_onnx(request.model):
        return str(request.model)
    return load_for(request, target_of(request), request.shapes).before


def _evaluation(bundle: Bundle, request: CompileRequest) -> tuple[DataSource | None, tuple[str, ...]]:
    """What proves, and what the verdict must say of it; of a project without samples for it, what the build held out.

    Raises:
        BundleError: The build observed other samples: it may have seen what would be held out now.
    """
    if request.evaluation is not None or request.calibration is None:
        return request.evaluation, ()
    data = data_behind(bundle, request)
    observed = bundle.manifest["samples"].get("calibration") or {}
    if data.calibration is None or data.calibration.digest() != observed.get("digest"):
        raise BundleError(
            str(bundle.path),
            f"was compiled on other samples than {request.calibration} as they are now",
            affects="What is held out of them to prove with may have been observed",
            remedy="Build it again: edgec build",
        )
    return data.evaluation, data.notes
