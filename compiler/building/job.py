"""One bundle of a build: a project file, one of its targets, and where the bundle goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import ContractError, OptionError, SamplesError
from ...targets.policy import Policy
from ..project import Project
from ..proving.judge import check_units
from ..request import CompileRequest
from ..samples.check import nearest

__all__ = ["Job", "in_one_folder", "jobs_of", "request_of_job", "request_of_project", "request_to_build"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What a worker needs to know, wherever it runs.

    Attributes:
        project: The project file, absolute.
        target: The name of one of its `[targets]`.
        output: The folder of the bundle.
        name: How messages call it: `faces/raspberry-pi-5`.
    """

    project: Path
    target: str
    output: Path
    name: str


def jobs_of(files: Sequence[Path], output: Path, only: Sequence[str] = ()) -> list[Job]:
    """The bundles of some projects, in the order of the files: `output/MODEL/TARGET` each.

    Args:
        files: Project files.
        output: The folder of the build.
        only: Names of targets; all of them where there is none.

    Raises:
        ContractError: A project is wrong, names no model or no target, or two go by one name.
        OptionError: No project has a target that `only` names.
    """
    jobs: list[Job] = []
    by_title: dict[str, Path] = {}
    for file in files:
        project = Project.load(file)
        where = str(file)
        if project.model is None:
            raise ContractError(where, "names no model", remedy='Write [model] with path = "model.onnx"')
        title = project.model.title
        if title in by_title:
            raise ContractError(
                where, f"calls its bundles {title!r}, as {by_title[title]} does", remedy="Give [model] another name"
            )
        by_title[title] = file
        targets = project.targets or ([project.compile.target] if project.compile.target else [])
        if not targets:
            raise ContractError(where, "names no target", remedy="Write [targets.host], or another of `edgec targets`")
        for target in targets:
            jobs.append(
                Job(project=file.absolute(), target=target, output=output / title / target, name=f"{title}/{target}")
            )
    known = list(dict.fromkeys(job.target for job in jobs))
    for name in only:
        if name not in known:
            raise OptionError(
                f"--target {name}",
                f"is no target of the project{nearest(name, known)}",
                remedy=f"Its targets are {', '.join(known)}",
            )
    return [job for job in jobs if not only or job.target in only]


def in_one_folder(jobs: Sequence[Job], folder: Path | None) -> list[Job]:
    """The one bundle of a build in a folder that was named for it; None leaves every bundle where it is.

    Raises:
        OptionError: There are several.
    """
    if folder is None:
        return list(jobs)
    if len(jobs) > 1:
        raise OptionError(
            "--bundle",
            f"names one folder, and there are {len(jobs)} bundles: {', '.join(job.name for job in jobs)}",
            remedy="Choose one with --target, or give -o for all of them",
        )
    return [replace(job, output=folder) for job in jobs]


def request_to_build(job: Job) -> CompileRequest:
    """`request_of_job`, once all the samples that it names are there.

    Raises:
        ContractError: The project is wrong.
        SamplesError: Samples are missing; names all that are.
    """
    request = request_of_job(job)
    given = {"calibration.path": request.calibration, "evaluation.path": request.evaluation}
    # A path is absolute here, `module:function` is not.
    missing = {
        key: data
        for key, data in given.items()
        if isinstance(data, str) and Path(data).is_absolute() and not Path(data).exists()
    }
    if missing:
        raise SamplesError(
            f"{job.project.name}: {', '.join(missing)}",
            f"{' and '.join(map(str, missing.values()))} {'does' if len(missing) == 1 else 'do'} not exist",
            remedy="Bring these samples, or name others: an .npz, a folder of .npy, .npz or image files, a .parquet, "
            "or `module:function`",
        )
    return request


def request_of_job(job: Job) -> CompileRequest:
    """What the project says of this target, as a compile takes it.

    Raises:
        ContractError: The project is wrong.
    """
    request = request_of_project(Project.load(job.project).for_target(job.target), job.target)
    return replace(request, output=job.output, overwrite=True)


def request_of_project(project: Project, target: str) -> CompileRequest:
    """What a project that names a model says, as a compile takes it.

    Args:
        project: The project, as one of its targets sees it.
        target: What is compiled for where its options name no other.

    Raises:
        ContractError: The metric does not fit the limits.
    """
    assert project.model is not None
    options, data = project.compile, project.calibration
    metric = None if project.metric is None else project.metric.metric()
    if metric is not None:
        check_units(project.contract, metric)
    switches: dict[str, Any] = dict(options.switches)
    return CompileRequest(
        model=project.model.path,
        weights=None if project.model.weights is None else Path(project.model.weights),
        dynamic=project.model.free_dims,
        target=options.target or target,
        calibration=None if data is None else data.path,
        evaluation=None if project.evaluation is None else project.evaluation.path,
        contract=project.contract,
        metric=metric,
        preprocess=dict(project.inputs),
        license=project.model.license or "",
        inputs=dict(project.model.inputs),
        outputs=dict(project.model.outputs),
        adapters={name: Path(folder) for name, folder in project.model.adapters.items()},
        adapter_map=dict(project.model.adapter_map),
        merge_adapter=None if project.model.merge_adapter is None else Path(project.model.merge_adapter),
        shapes=dict(options.shapes),
        state=project.state,
        samples=None if data is None else data.samples,
        evaluation_samples=None if project.evaluation is None else project.evaluation.samples,
        seed=options.seed or 0,
        policy=Policy(**options.policy),
        recipe=None if options.recipe is None else Path(options.recipe),
        **switches,
    )
