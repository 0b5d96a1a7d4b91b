"""From options and `edgec.toml` to what the compiler takes: flags go over the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypedDict

from ...errors import OptionError, OutputError
from ...targets.policy import Policy
from ..baking.words import baked_inputs, baked_outputs
from ..contract import Contract
from ..metrics import Metric, metric_named
from ..observers import DumpAfterChange, VerifyEach
from ..pipeline import PassObserver
from ..project import Project
from ..projecting.choices import SWITCHES, CompileOptions, ModelChoice
from ..proving.judge import check_units
from ..report.census import Census
from ..request import CompileRequest
from ..samples import ImagePreprocess, State
from ..sizes import size_of
from .options import (
    CalibrationOptions,
    ContractOptions,
    EvaluationOptions,
    ModelOptions,
    OutputOptions,
    PassOptions,
    TargetOptions,
)
from .quantize_options import QuantizeOptions
from .talk import Talk
from .unmatched import Unmatched
from .values import dynamic, op_types, pairs, regexes, scheme, shapes, state

__all__ = [
    "ProofSettings",
    "nonce_of",
    "not_negative",
    "positive",
    "project_file",
    "project_of",
    "proof_settings",
    "request_of",
    "thread_counts",
]

PROJECT_FILE = "edgec.toml"


class ProofSettings(TypedDict):
    """What a proof takes from flags and project alike."""

    evaluation: str | None
    contract: Contract
    metric: Metric | None
    samples: int | None
    seed: int
    state: State | None
    preprocess: dict[str, ImagePreprocess]


def request_of(
    model: ModelOptions,
    target: TargetOptions,
    calibration: CalibrationOptions,
    evaluation: EvaluationOptions,
    quantize: QuantizeOptions,
    contract: ContractOptions,
    passes: PassOptions,
    talk: Talk,
    *,
    output: OutputOptions = OutputOptions(),
    census: Census | None = None,
) -> CompileRequest:
    """The request of a compile.

    Raises:
        InputError: An option or `edgec.toml` is wrong.
    """
    project = project_of(evaluation.config, talk).for_target(target.target)
    chosen, data = project.compile, project.calibration
    proof = _proof_of(project, evaluation, contract)
    common: dict[str, Any] = {
        "model": model.source,
        "target": target.target if target.target not in (None, *project.targets) else chosen.target or "host",
        "calibration": calibration.calibration or (data.path if data else None),
        "evaluation": proof["evaluation"],
        "contract": proof["contract"],
        "metric": proof["metric"],
        "preprocess": proof["preprocess"],
        "inputs": {**(project.model.inputs if project.model else {}), **baked_inputs(model.bake_input or ())},
        "outputs": {**(project.model.outputs if project.model else {}), **baked_outputs(model.bake_output or ())},
        "shapes": {**chosen.shapes, **shapes(model.shape or ())},
        **_torch(project, model),
        **_adapters(project, model),
        "state": _state(project, model),
        "samples": positive("--samples", _first(evaluation.samples, data.samples if data else None, None)),
        "seed": _first(evaluation.seed, chosen.seed, 0),
        "policy": _policy(chosen.policy, quantize),
        "evaluation_samples": project.evaluation.samples if project.evaluation and not evaluation.evaluation else None,
        "recipe": quantize.recipe or (None if chosen.recipe is None else Path(chosen.recipe)),
        **_switches(chosen, quantize, output),
        "threads": not_negative("--threads", passes.threads),
        "max_memory": None if passes.max_memory is None else size_of(passes.max_memory, where="--max-memory"),
        "cache": passes.cache,
        "cache_dir": passes.cache_dir,
        "license": output.license or (project.model.license if project.model else None) or "",
        "output": output.output,
        "overwrite": output.overwrite,
        "prove": output.prove,
        "report": output.report,
        "progress": talk.progress,
    }
    watchers = [Unmatched(request=CompileRequest(**common)), *_observers(passes), *([census] if census else [])]
    return CompileRequest(**common, observers=tuple(watchers))


def proof_settings(evaluation: EvaluationOptions, contract: ContractOptions, talk: Talk) -> ProofSettings:
    """What `prove` takes.

    Raises:
        InputError: An option or `edgec.toml` is wrong.
    """
    return _proof_of(project_of(evaluation.config, talk), evaluation, contract)


def positive(option: str, number: int | None) -> int | None:
    """The number, when it is above 0 or not given."""
    if number is not None and number < 1:
        raise OptionError(option, f"{number} is not a positive number", remedy="Give at least 1")
    return number


def nonce_of(text: str | None) -> str:
    """The word that makes an answer one to this very question; "" where none is asked for.

    Raises:
        OptionError: It is empty, as an unset variable of a job is: any answer of the last days would do.
    """
    if text is not None and not text.strip():
        raise OptionError("--nonce", "is empty", remedy="Give a word that nobody could know, or leave it out")
    return text or ""


def not_negative(option: str, number: int) -> int:
    """The number, when it is 0 or above."""
    if number < 0:
        raise OptionError(option, f"{number} is negative", remedy="Give 0 or more")
    return number


def thread_counts(text: str) -> tuple[int, ...]:
    """`1,2` as numbers above 0."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise OptionError(f"--threads {text}", "is not a list of numbers above 0", remedy="Write it like --threads 1,2")
    return tuple(dict.fromkeys(int(word) for word in words))


def project_of(config: Path | None, talk: Talk) -> Project:
    """The project file named, else the one in this folder, else an empty one."""
    file = project_file(config)
    if file is None:
        return Project()
    if config is None:
        talk.say(f"using ./{PROJECT_FILE}")
    return Project.load(file)


def project_file(config: Path | None) -> Path | None:
    """The project file named, else the one in this folder, else None."""
    if config is not None:
        return config
    here = Path(PROJECT_FILE)
    return here if here.is_file() else None


def _proof_of(project: Project, evaluation: EvaluationOptions, contract: ContractOptions) -> ProofSettings:
    limits = project.contract.merged(Contract.from_flags(**contract.flags))
    metric = _metric(project, evaluation)
    if metric is not None:
        check_units(limits, metric)
    data = project.evaluation
    return {
        "evaluation": evaluation.evaluation or (data.path if data else None),
        "contract": limits,
        "metric": metric,
        "samples": positive("--samples", _first(evaluation.samples, data.samples if data else None, None)),
        "seed": _first(evaluation.seed, project.compile.seed, 0),
        "state": project.state if project.state.carried else None,
        "preprocess": dict(project.inputs),
    }


def _metric(project: Project, evaluation: EvaluationOptions) -> Metric | None:
    said = project.metric
    name = evaluation.metric or (said.name if said else None)
    output = evaluation.metric_output or (said.output if said else None)
    if name is None:
        if output is not None:
            raise OptionError("--metric-output", "is given without a metric", remedy="Name one with --metric")
        return None
    return metric_named(name, output)


def _switches(chosen: CompileOptions, quantize: QuantizeOptions, output: OutputOptions) -> dict[str, bool]:
    """What is on or off by a flag, else by the project; what neither says is left to the request."""
    flags = {name: getattr(quantize if name == "search" else output, name) for name in SWITCHES}
    return {**chosen.switches, **{name: value for name, value in flags.items() if value is not None}}


def _adapters(project: Project, model: ModelOptions) -> dict[str, Any]:
    """Adapters of flags beside those of the project; a flag goes over the project's of that name."""
    said = project.model or ModelChoice(path="")
    adapters = {**said.adapters, **pairs("--adapter", model.adapter or ())}
    merged = model.merge_adapter or said.merge_adapter
    return {
        "adapters": {name: Path(folder) for name, folder in adapters.items()},
        "adapter_map": {**said.adapter_map, **pairs("--adapter-map", model.adapter_map or ())},
        "merge_adapter": None if merged is None else Path(merged),
    }


def _torch(project: Project, model: ModelOptions) -> dict[str, Any]:
    """What is said of a PyTorch model; a flag goes over the project's of that input."""
    said = project.model or ModelChoice(path="")
    if said.path not in (model.source, str(Path(model.source).absolute())):
        said = ModelChoice(path="")  # it is of another model
    weights = model.weights or said.weights
    return {
        "weights": None if weights is None else Path(weights),
        "dynamic": {**said.free_dims, **dynamic(model.dynamic or ())},
    }


def _state(project: Project, model: ModelOptions) -> State:
    carried = {**project.state.carried, **state(model.state or ())}
    return State(carried=carried, start=project.state.start)


def _policy(said: Mapping[str, Any], quantize: QuantizeOptions) -> Policy:
    """What flags bend over what the project bends; lists are joined."""
    flags = {
        name: value
        for name in (each.name for each in fields(Policy))
        if (value := getattr(quantize, name, None)) is not None
    }
    bent = {**said, **flags}
    for name in ("ranges", "split_concats"):
        bent[name] = tuple(dict.fromkeys((*said.get(name, ()), *(getattr(quantize, name) or ()))))
    bent["scheme"] = scheme(bent.get("scheme", "auto"))
    for name, option, read, more in (
        ("exclude_nodes", "--exclude-nodes", regexes, quantize.exclude_nodes),
        ("reduce_range_nodes", "--reduce-range-node", regexes, quantize.reduce_range_nodes),
        ("prune_exclude", "--prune-exclude", regexes, quantize.prune_exclude),
        ("exclude_ops", "--op-types-to-exclude", op_types, quantize.op_types_to_exclude),
        ("only_ops", "--op-types-to-quantize", op_types, quantize.op_types_to_quantize),
    ):
        bent[name] = read(option, (*said.get(name, ()), *(more or ())))
    kept = (*said.get("keep", ()), *(quantize.keep or ()))
    bent["keep"] = tuple(dict.fromkeys(each.strip() for text in kept for each in text.split(",")))
    return Policy(**bent)


def _observers(passes: PassOptions) -> list[PassObserver]:
    found: list[PassObserver] = []
    if passes.verify_each:
        found.append(VerifyEach())
    if passes.dump_passes is not None:
        try:
            passes.dump_passes.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                str(passes.dump_passes), f"cannot be made: {error.strerror}", remedy="Name another folder"
            ) from error
        found.append(DumpAfterChange(folder=passes.dump_passes))
    return found


def _first(*values: Any) -> Any:
    """The first that was given; the last is the default."""
    return next((value for value in values[:-1] if value is not None), values[-1])
