"""What a search compares: each model under each recipe, and the compile that makes a point of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from ...errors import ContractError, OptionError
from ..building.job import request_of_project
from ..metrics import Metric, metric_named
from ..project import Project
from ..projecting.choices import CompileOptions, MetricChoice, ModelChoice
from ..projecting.tables import recipe_options
from ..proving.judge import check_units
from ..request import CompileRequest

__all__ = ["Candidate", "Models", "Recipes", "candidates_of", "candidates_of_project", "named_models", "read_recipe"]

Models: TypeAlias = Mapping[str, str | Path] | Sequence[str | Path]
Recipes: TypeAlias = Mapping[str, Mapping[str, Any]] | Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One model under one recipe.

    Attributes:
        model, recipe: What both are called.
        request: The compile, its model a path; it has no metric, which may not travel.
        metric: The task metric; None takes top1 where labels are class indices.
    """

    model: str
    recipe: str
    request: CompileRequest
    metric: MetricChoice | Metric | None = None

    @property
    def name(self) -> str:
        """How messages call it: `half/int8`."""
        return f"{self.model}/{self.recipe}"

    def whole(self) -> CompileRequest:
        """The compile with its metric.

        Raises:
            ContractError: There is no such metric.
        """
        metric = self.metric.metric() if isinstance(self.metric, MetricChoice) else self.metric
        return replace(self.request, metric=metric)


def candidates_of(models: Models, recipes: Recipes, options: Mapping[str, Any]) -> list[Candidate]:
    """Each model under each recipe, in their order, as a library user writes them.

    Args:
        models: Paths by name, or paths.
        recipes: Options of `edgec.compile` by name, over `options`; or words like `a8w8,rounding=gptq`.
        options: Options that all of them share.

    Raises:
        InputError: A name is there twice, an option is unknown, a limit does not fit the metric.
    """
    for name in ("output", "overwrite", "trial", "prove"):
        if name in options:
            raise OptionError(f"option {name!r}", "is not of a search", remedy="Leave it out")
    common = dict(options)
    metric = common.pop("metric", None)
    if isinstance(metric, str):
        metric_named(metric)  # now, not in a worker
        metric = MetricChoice(name=metric)
    found = []
    for model, path in named_models(models).items():
        for recipe, said in _named_recipes(recipes).items():
            request = CompileRequest.of(path, {**common, **said})
            candidate = Candidate(model=model, recipe=recipe, request=_local(request), metric=metric)
            if (named := candidate.whole()).metric is not None:
                check_units(request.contract, named.metric)
            found.append(candidate)
    return found


def candidates_of_project(project: Project, target: str | None = None) -> list[Candidate]:
    """Each model of `[search]` under each of its recipes; the project's own model, its own options where it has none.

    Args:
        project: The project, flags over it.
        target: The device, or one of the project's targets; None takes that of `[compile]`, else host.

    Raises:
        ContractError: There is no model, or a limit does not fit the metric.
    """
    project = project.for_target(target)
    said, own = project.search, project.model
    models = said.models or ({} if own is None else {own.title: own.path})
    if not models:
        raise ContractError(
            "MODEL", "is missing", remedy="Name the models to compare, or write them under [search.models]"
        )
    recipes = said.recipes or {str(project.compile.policy.get("scheme", "auto")): CompileOptions()}
    found = []
    for model, path in models.items():
        chosen = replace(own or ModelChoice(path=path), path=path)
        if own is not None and path != own.path:  # weights and dimensions are those of the project's own
            chosen = replace(chosen, weights=None, dynamic={})
        for recipe, options in recipes.items():
            one = replace(project, model=chosen, compile=project.compile.merged(options))
            request = replace(request_of_project(one, target or "host"), metric=None)
            found.append(Candidate(model=model, recipe=recipe, request=_local(request), metric=project.metric))
    return found


def named_models(models: Models) -> dict[str, str]:
    """Paths by name: as they are named, else as bundles of them would be.

    Raises:
        OptionError: Two go by one name, or there is none.
    """
    if isinstance(models, Mapping):
        named = [(name, str(path)) for name, path in models.items()]
    else:
        named = [(ModelChoice(path=str(path)).title, str(path)) for path in models]
    return _once(named, "MODEL", "Name them apart under [search.models]")


def _named_recipes(recipes: Recipes) -> dict[str, dict[str, Any]]:
    """Options by name."""
    if isinstance(recipes, Mapping):
        return _once(((name, dict(said)) for name, said in recipes.items()), "recipes", "Give one, say {'a8w8': ...}")
    return _once(((words, _keywords(read_recipe(words))) for words in recipes), "recipes", "Leave one of them out")


def read_recipe(words: str, *, where: str = "recipe") -> CompileOptions:
    """A recipe in words: a scheme or a `recipe.lock` first, then options of `[compile]`: `a8w8,rounding=gptq`.

    Raises:
        ContractError: An option is unknown or wrong.
    """
    first, *said = words.split(",")
    table: dict[str, Any] = {}
    if "=" in first:
        said = [first, *said]
    elif first.endswith(".lock"):
        table["recipe"] = str(Path(first).absolute())
    else:
        table["scheme"] = first
    for each in said:
        name, equals, value = each.partition("=")
        if not equals:
            raise ContractError(
                f"{where} {words}", f"{each!r} is no option", remedy="Write it like a8w8,rounding=gptq,search=false"
            )
        table[name.strip().replace("-", "_")] = _value(value.strip())
    return recipe_options(table, f"{where} {words}", "")


def _value(text: str) -> Any:
    """A word as TOML reads it; text without quotes where it reads none."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _keywords(options: CompileOptions) -> dict[str, Any]:
    """Options of a table as `edgec.compile` takes them."""
    said: dict[str, Any] = {**options.policy, **options.switches}
    if options.shapes:
        said["shapes"] = dict(options.shapes)
    if options.seed is not None:
        said["seed"] = options.seed
    if options.recipe is not None:
        said["recipe"] = Path(options.recipe)
    return said


def _once(named: Iterable[tuple[str, Any]], where: str, remedy: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in named:
        if name in found:
            raise OptionError(f"{where} {name}", "is there twice", remedy=remedy)
        found[name] = value
    if not found:
        raise OptionError(where, "there is none", remedy="Give one at least")
    return found


def _local(request: CompileRequest) -> CompileRequest:
    """The request wherever it runs: what it names by a path is absolute."""
    found = {name: _absolute(getattr(request, name)) for name in ("model", "calibration", "evaluation", "recipe")}
    return replace(request, **found)


def _absolute(source: Any) -> Any:
    if not isinstance(source, str | Path) or not Path(source).exists():
        return source
    return type(source)(Path(source).absolute())
