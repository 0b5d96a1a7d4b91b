"""`edgec.toml`: what a project always wants, read strictly.

::

    [inputs.image]          # how image files become this input (compiler/samples/images.py)
    resize = 256
    crop = 224

    [state]                 # outputs fed back as inputs, from step to step
    h_in = "h_out"
    cache_in = { output = "cache_out", shape = [1, 4, 0, 64] }   # zeros of another shape to start from

    [metric]
    name = "top1"           # or "module:function"
    output = "logits"

    [contract]              # compiler/clauses.py
    accuracy_drop = "1pt"

    [calibration]
    path = "calib.npz"
    samples = 200

    [evaluation]
    path = "eval.npz"

    [compile]
    target = "host"
    scheme = "a8w8"

Paths are relative to the file. Flags and keywords go over what stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ContractError, OptionError
from ..targets.policy import Policy
from ..targets.strict import from_table, read_toml, unknown_key
from .contract import Contract
from .metrics import Metric, metric_named
from .samples import ImagePreprocess, State

__all__ = ["CompileOptions", "DataChoice", "MetricChoice", "Project"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricChoice:
    """`[metric]`: the task metric's name and the output it looks at."""

    name: str
    output: str | None = None

    def metric(self) -> Metric:
        """The metric itself.

        Raises:
            ContractError: There is no such metric.
        """
        return metric_named(self.name, self.output)


@dataclass(frozen=True, kw_only=True, slots=True)
class DataChoice:
    """`[calibration]` or `[evaluation]`: where the samples are, and how many to use."""

    path: str
    samples: int | None = None

    def __post_init__(self) -> None:
        if self.samples is not None and self.samples < 1:
            raise ValueError(f"samples: {self.samples} is not a positive number")


@dataclass(frozen=True, kw_only=True, slots=True)
class CompileOptions:
    """`[compile]`: options of `edgec compile` by their names; None means not said.

    `policy` holds the fields of `Policy` that were said; in the file they stand beside the others.
    """

    target: str | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    seed: int | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Carried:
    """One value of `[state]` in its long form."""

    output: str
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if any(dim < 0 for dim in self.shape or ()):
            raise ValueError(f"shape: {list(self.shape or ())} has a negative dimension")


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """What `edgec.toml` says.

    Attributes:
        file: Where it stands; None for an empty project.
        inputs: How image files become an input, by input name.
        state: Outputs fed back as inputs.
        metric: The task metric.
        contract: The limits.
        calibration, evaluation: Samples.
        compile: Options of a compile.
    """

    file: Path | None = None
    inputs: Mapping[str, ImagePreprocess] = field(default_factory=dict)
    state: State = field(default_factory=State)
    metric: MetricChoice | None = None
    contract: Contract = field(default_factory=Contract)
    calibration: DataChoice | None = None
    evaluation: DataChoice | None = None
    compile: CompileOptions = field(default_factory=CompileOptions)

    @classmethod
    def load(cls, file: str | Path) -> Project:
        """Read a project file.

        Raises:
            ContractError: It is missing, not TOML, or a key or value is wrong; the message names the key.
        """
        path = Path(file).absolute()
        tables = read_toml(path, error=ContractError)
        where = path.name
        for name, value in tables.items():
            if name not in _TABLES:
                raise unknown_key(where, "", name, _TABLES, error=ContractError)
            if not isinstance(value, Mapping):
                raise ContractError(f"{where}: {name}", "is not a table", remedy=f"Write it under [{name}]")
        values: dict[str, Any] = {name: _TABLES[name](table, where) for name, table in tables.items()}
        for role in ("calibration", "evaluation"):
            if role in values:
                values[role] = replace(values[role], path=_beside(path, values[role].path))
        options: CompileOptions | None = values.get("compile")
        if options is not None and options.target is not None and options.target.endswith(".toml"):
            values["compile"] = replace(options, target=_beside(path, options.target))
        return cls(file=path, **values)


def _inputs(table: Mapping[str, Any], where: str) -> dict[str, ImagePreprocess]:
    found = {}
    for name, value in table.items():
        if not isinstance(value, Mapping):
            raise ContractError(f"{where}: inputs.{name}", "is not a table", remedy=f"Write it under [inputs.{name}]")
        found[name] = ImagePreprocess.from_table(value, f"{where}: inputs.{name}")
    return found


def _state(table: Mapping[str, Any], where: str) -> State:
    carried, start = {}, {}
    for name, value in table.items():
        if isinstance(value, str):
            carried[name] = value
            continue
        if not isinstance(value, Mapping):
            raise ContractError(
                f"{where}: state.{name}",
                f"{value!r} is not the name of an output",
                remedy='Write it like h_in = "h_out", or { output = "h_out", shape = [1, 64] }',
            )
        long = from_table(_Carried, value, where=where, path=f"state.{name}", error=ContractError)
        carried[name] = long.output
        if long.shape is not None:
            start[name] = np.zeros(long.shape, dtype=np.float32)
    return State(carried=carried, start=start)


def _contract(table: Mapping[str, Any], where: str) -> Contract:
    return Contract.from_table(table, where=f"{where}: contract")


def _compile(table: Mapping[str, Any], where: str) -> CompileOptions:
    own = ("target", "shapes", "seed")
    bends = [each.name for each in fields(Policy)]
    for name in table:
        if name not in own and name not in bends:
            raise unknown_key(where, "compile", name, (*own, *bends), error=ContractError)
    said = {name: value for name, value in table.items() if name in bends}
    try:
        policy = from_table(Policy, said, where=where, path="compile", error=ContractError)
    except OptionError as error:
        key = error.where.lstrip("-").replace("-", "_")
        raise ContractError(f"{where}: compile.{key}", error.problem, remedy=error.remedy) from error
    chosen: CompileOptions = from_table(
        CompileOptions,
        {name: value for name, value in table.items() if name in own},
        where=where,
        path="compile",
        error=ContractError,
    )
    return replace(chosen, policy={name: getattr(policy, name) for name in said})


def _strictly(cls: type[Any], name: str) -> Callable[[Mapping[str, Any], str], Any]:
    def read(table: Mapping[str, Any], where: str) -> Any:
        return from_table(cls, table, where=where, path=name, error=ContractError)

    return read


_TABLES: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = {
    "inputs": _inputs,
    "state": _state,
    "metric": _strictly(MetricChoice, "metric"),
    "contract": _contract,
    "calibration": _strictly(DataChoice, "calibration"),
    "evaluation": _strictly(DataChoice, "evaluation"),
    "compile": _compile,
}


def _beside(file: Path, name: str) -> str:
    """A path of the project, absolute; `module:function` stays as it is unless a file of that name exists."""
    path = file.parent / name
    if not path.exists() and ":" in name and not Path(name).is_absolute():
        return name
    return str(path)
