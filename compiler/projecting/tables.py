"""Each table of a project file, read strictly: an unknown key is an error that names the nearest one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ContractError, OptionError
from ...targets.policy import Policy
from ...targets.strict import from_table, unknown_key
from ..baking.words import read_inputs, read_outputs
from ..contract import Contract
from ..samples import ImagePreprocess, State
from .choices import CompileOptions, DataChoice, MetricChoice, ModelChoice, SearchChoice, TargetChoice

__all__ = ["TABLES", "recipe_options"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Carried:
    """One value of `[state]` in its long form."""

    output: str
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if any(dim < 0 for dim in self.shape or ()):
            raise ValueError(f"shape: {list(self.shape or ())} has a negative dimension")


def _model(table: Mapping[str, Any], where: str) -> ModelChoice:
    """`[model]`, with `[model.inputs.NAME]` and `[model.outputs.NAME]`."""
    readers: dict[str, Any] = {"inputs": read_inputs, "outputs": read_outputs}
    baked = {}
    for key in readers.keys() & table.keys():
        if not isinstance(table[key], Mapping):
            remedy = f"Write it under [model.{key}.NAME]"
            raise ContractError(f"{where}: model.{key}", "is not a table", remedy=remedy)
        baked[key] = readers[key](table[key], where, f"model.{key}", ContractError)
    own = {key: value for key, value in table.items() if key not in readers}
    return replace(from_table(ModelChoice, own, where=where, path="model", error=ContractError), **baked)


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


def _compile(table: Mapping[str, Any], where: str, path: str = "compile") -> CompileOptions:
    own = tuple(each.name for each in fields(CompileOptions) if each.name != "policy")
    bends = [each.name for each in fields(Policy)]
    for name in table:
        if name not in own and name not in bends:
            raise unknown_key(where, path, name, (*own, *bends), error=ContractError)
    said = {name: value for name, value in table.items() if name in bends}
    try:
        policy = from_table(Policy, said, where=where, path=path, error=ContractError)
    except OptionError as error:
        key = error.where.lstrip("-").replace("-", "_")
        said_at = f"{where}: {path}.{key}" if path else f"{where}: {key}"
        raise ContractError(said_at, error.problem, remedy=error.remedy) from error
    chosen: CompileOptions = from_table(
        CompileOptions,
        {name: value for name, value in table.items() if name in own},
        where=where,
        path=path,
        error=ContractError,
    )
    return replace(chosen, policy={name: getattr(policy, name) for name in said})


def _targets(table: Mapping[str, Any], where: str) -> dict[str, TargetChoice]:
    found = {}
    for name, value in table.items():
        if not isinstance(value, Mapping):
            raise ContractError(f"{where}: targets.{name}", "is not a table", remedy=f"Write it under [targets.{name}]")
        if Path(name).name != name:
            raise ContractError(
                f"{where}: targets.{name}",
                "is no name of a folder",
                remedy="Name the table otherwise, and the device with target",
            )
        limits = value.get("contract", {})
        if not isinstance(limits, Mapping):
            raise ContractError(
                f"{where}: targets.{name}.contract",
                "is not a table",
                remedy=f"Write it under [targets.{name}.contract]",
            )
        own = {key: each for key, each in value.items() if key != "contract"}
        options = _compile(own, where, f"targets.{name}")
        found[name] = TargetChoice(
            options=options if options.target else replace(options, target=name),
            contract=Contract.from_table(limits, where=f"{where}: targets.{name}.contract"),
        )
    return found


def _search(table: Mapping[str, Any], where: str) -> SearchChoice:
    """`[search]`, with `[search.models]` and `[search.recipes.NAME]`."""
    recipes = table.get("recipes", {})
    for key, value in (("recipes", recipes), *((f"recipes.{name}", each) for name, each in _items(recipes))):
        if not isinstance(value, Mapping):
            remedy = "Write it under [search.recipes.NAME]"
            raise ContractError(f"{where}: search.{key}", "is not a table", remedy=remedy)
    own = {key: value for key, value in table.items() if key != "recipes"}
    chosen: SearchChoice = from_table(SearchChoice, own, where=where, path="search", error=ContractError)
    read = {name: recipe_options(each, where, f"search.recipes.{name}") for name, each in recipes.items()}
    return replace(chosen, recipes=read)


def _items(table: Any) -> list[tuple[str, Any]]:
    return list(table.items()) if isinstance(table, Mapping) else []


def recipe_options(table: Mapping[str, Any], where: str, path: str) -> CompileOptions:
    """Options of a compile that make one recipe of a search.

    Raises:
        ContractError: A key is unknown, is wrong, or names a target: what is compared is compared on one device.
    """
    if "target" in table:
        raise ContractError(
            f"{where}: {path}.target" if path else f"{where}: target",
            "is not of a recipe: what is compared is compared on one device",
            remedy="Name the device with --target, or in [compile]",
        )
    return _compile(table, where, path)


def _strictly(cls: type[Any], name: str) -> Callable[[Mapping[str, Any], str], Any]:
    def read(table: Mapping[str, Any], where: str) -> Any:
        return from_table(cls, table, where=where, path=name, error=ContractError)

    return read


TABLES: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = {
    "model": _model,
    "inputs": _inputs,
    "state": _state,
    "metric": _strictly(MetricChoice, "metric"),
    "contract": _contract,
    "calibration": _strictly(DataChoice, "calibration"),
    "evaluation": _strictly(DataChoice, "evaluation"),
    "compile": _compile,
    "targets": _targets,
    "search": _search,
}
