"""What tables of a project file say, as values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..baking.spec import BakedInput, BakedOutput
from ..contract import Contract
from ..metrics import Metric, metric_named
from ..sources.torch.words import dims_of

__all__ = ["SWITCHES", "CompileOptions", "DataChoice", "MetricChoice", "ModelChoice", "SearchChoice", "TargetChoice"]

# Fields of `CompileOptions` that are on or off, each an option of a compile of that name.
SWITCHES = ("search", "context", "ort", "diagnose", "probe")


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
    recipe: str | None = None
    search: bool | None = None
    context: bool | None = None
    ort: bool | None = None
    diagnose: bool | None = None
    probe: bool | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)

    @property
    def switches(self) -> dict[str, bool]:
        """What is on or off, of what was said: options of a compile by their names."""
        said = {name: getattr(self, name) for name in SWITCHES}
        return {name: value for name, value in said.items() if value is not None}

    def merged(self, over: CompileOptions) -> CompileOptions:
        """Options in which those that `over` says replace these; shapes and the policy's fields one by one."""
        one = {
            name: getattr(self if getattr(over, name) is None else over, name)
            for name in ("target", "seed", "recipe", *SWITCHES)
        }
        shapes, policy = {**self.shapes, **over.shapes}, {**self.policy, **over.policy}
        return CompileOptions(shapes=shapes, policy=policy, **one)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelChoice:
    """`[model]`: the model, what its bundles are called, its licence, what is baked into its ends, its adapters.

    Of PyTorch: a state dict, and what is said of the dimensions of its inputs (`batch,3,height,width`).
    """

    path: str
    name: str | None = None
    license: str | None = None
    weights: str | None = None
    dynamic: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, BakedInput] = field(default_factory=dict)
    outputs: Mapping[str, BakedOutput] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    adapter_map: Mapping[str, str] = field(default_factory=dict)
    merge_adapter: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None and (not self.name or Path(self.name).name != self.name):
            raise ValueError(f"name: {self.name!r} is no name of a folder")
        for name, dims in self.dynamic.items():
            try:
                dims_of(dims)
            except ValueError as error:
                raise ValueError(f"dynamic.{name}: {error}") from error

    @property
    def free_dims(self) -> dict[str, tuple[str | int, ...]]:
        """`dynamic` as values."""
        return {name: dims_of(dims) for name, dims in self.dynamic.items()}

    @property
    def title(self) -> str:
        """Its name, else the file's; `model.onnx` says nothing, so its folder's; that of a module in Python."""
        place, colon, _ = self.path.rpartition(":")
        if colon and not Path(self.path).exists() and not Path(self.path).is_absolute():
            return self.name or (Path(place).stem if place.endswith(".py") else place.rpartition(".")[2])
        file = Path(os.path.normpath(Path(self.path).absolute()))  # `../model.onnx` lies in a folder of a name, too
        return self.name or (file.parent.name if file.stem == "model" else "") or file.stem


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetChoice:
    """`[targets.NAME]`: what is said for one target over `[compile]` and `[contract]`."""

    options: CompileOptions
    contract: Contract


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchChoice:
    """`[search]`: what `edgec search` compares.

    Attributes:
        by: What is compared, the most important first; () leaves it to the search.
        models: Candidates by name; none compares the recipes on the project's own model.
        recipes: Options of a compile by name, over `[compile]`.
    """

    by: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    recipes: Mapping[str, CompileOptions] = field(default_factory=dict)
