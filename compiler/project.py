"""`edgec.toml`: what a project always wants, read strictly.

::

    [model]
    path = "model.onnx"
    license = "Apache-2.0"  # else what its metadata or its model card state
    name = "faces"          # else the file's, or its folder's where that is called model.onnx
    adapters = { law = "peft/law" }   # PEFT folders beside it; adapter_map, merge_adapter as the options
    # of PyTorch: path = "package.module:build", weights = "weights.pth", dynamic = { image = "batch,3,height,width" }

    [model.inputs.image]    # preprocessing inside the model (compiler/baking/words.py): it takes bytes
    dtype = "uint8"
    layout = "nhwc"
    mean = [0.485, 0.456, 0.406]
    std = [0.229, 0.224, 0.225]

    [model.outputs.logits]  # postprocessing inside the model
    softmax = true
    topk = 5

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
    scheme = "a8w8"         # and every other option of quantization; search, context, ort, diagnose, probe, recipe

    [targets.raspberry-pi-5]      # what `edgec build` compiles; options of [compile] for this one
    scheme = "a8w4"
    ort = true

    [targets.watch]               # a name of your own, with `target`
    target = "android-cpu"

    [targets.watch.contract]      # over [contract]
    size_ratio = "0.2x"

    [search]                      # what `edgec search` compares, under [contract]
    by = ["accuracy", "latency", "size"]

    [search.models]               # in the stead of [model] path
    half = "half.onnx"
    full = "full.onnx"

    [search.recipes.int8]         # options over [compile]
    scheme = "a8w8"

Paths are relative to the file. Flags and keywords go over what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import ContractError
from ..targets.strict import read_toml, unknown_key
from .contract import Contract
from .projecting.choices import CompileOptions, DataChoice, MetricChoice, ModelChoice, SearchChoice, TargetChoice
from .projecting.tables import TABLES
from .samples import ImagePreprocess, State

__all__ = ["CompileOptions", "DataChoice", "MetricChoice", "ModelChoice", "Project", "SearchChoice", "TargetChoice"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """What `edgec.toml` says.

    Attributes:
        file: Where it stands; None for an empty project.
        model: The model; None where a command names it.
        inputs: How image files become an input, by input name.
        state: Outputs fed back as inputs.
        metric: The task metric.
        contract: The limits.
        calibration, evaluation: Samples.
        compile: Options of a compile.
        targets: What a build compiles for, by name.
        search: What a search compares.
    """

    file: Path | None = None
    model: ModelChoice | None = None
    inputs: Mapping[str, ImagePreprocess] = field(default_factory=dict)
    state: State = field(default_factory=State)
    metric: MetricChoice | None = None
    contract: Contract = field(default_factory=Contract)
    calibration: DataChoice | None = None
    evaluation: DataChoice | None = None
    compile: CompileOptions = field(default_factory=CompileOptions)
    targets: Mapping[str, TargetChoice] = field(default_factory=dict)
    search: SearchChoice = field(default_factory=SearchChoice)

    @classmethod
    def load(cls, file: str | Path) -> Project:
        """Read a project file.

        Raises:
            ContractError: It is missing, not TOML, or a key or value is wrong; the message names the key.
        """
        path = Path(file).absolute()
        if not path.exists():
            raise ContractError(
                str(path), "does not exist", remedy="Check the path, or begin a project: edgec init MODEL"
            )
        if path.suffix == ".onnx":
            raise ContractError(
                str(path), "is a model, not a project file", remedy=f"Begin a project: edgec init {file}"
            )
        tables = read_toml(path, error=ContractError)
        where = path.name
        for name, value in tables.items():
            if name not in TABLES:
                raise unknown_key(where, "", name, TABLES, error=ContractError)
            if not isinstance(value, Mapping):
                raise ContractError(f"{where}: {name}", "is not a table", remedy=f"Write it under [{name}]")
        values: dict[str, Any] = {name: TABLES[name](table, where) for name, table in tables.items()}
        for role in ("model", "calibration", "evaluation"):
            if role in values:
                values[role] = replace(values[role], path=_beside(path, values[role].path))
        if "model" in values:
            values["model"] = _with_adapters_beside(path, values["model"])
        if "compile" in values:
            values["compile"] = _with_paths_beside(path, values["compile"])
        values["targets"] = {
            name: replace(each, options=_with_paths_beside(path, each.options))
            for name, each in values.get("targets", {}).items()
        }
        if "search" in values:
            values["search"] = _with_candidates_beside(path, values["search"])
        return cls(file=path, **values)

    def for_target(self, name: str | None) -> Project:
        """The project as one of its targets sees it; itself for a name it has no table of."""
        if name is None or name not in self.targets:
            return self
        chosen = self.targets[name]
        return replace(
            self, compile=self.compile.merged(chosen.options), contract=self.contract.merged(chosen.contract)
        )


def _with_paths_beside(file: Path, options: CompileOptions) -> CompileOptions:
    """The options, the paths of a recipe and of a target's TOML absolute."""
    if options.recipe is not None:
        options = replace(options, recipe=_beside(file, options.recipe))
    if options.target is None or not options.target.endswith(".toml"):
        return options
    return replace(options, target=_beside(file, options.target))


def _with_candidates_beside(file: Path, chosen: SearchChoice) -> SearchChoice:
    """What is compared, its paths absolute."""
    models = {name: _beside(file, path) for name, path in chosen.models.items()}
    recipes = {name: _with_paths_beside(file, options) for name, options in chosen.recipes.items()}
    return replace(chosen, models=models, recipes=recipes)


def _with_adapters_beside(file: Path, model: ModelChoice) -> ModelChoice:
    """The model, the paths of its adapters and of its weights absolute."""
    adapters = {name: _beside(file, folder) for name, folder in model.adapters.items()}
    merged = None if model.merge_adapter is None else _beside(file, model.merge_adapter)
    weights = None if model.weights is None else _beside(file, model.weights)
    return replace(model, adapters=adapters, merge_adapter=merged, weights=weights)


def _beside(file: Path, name: str) -> str:
    """A path of the project, absolute; `module:function` stays as it is unless a file of that name exists."""
    path = file.parent / name
    if not path.exists() and ":" in name and not Path(name).is_absolute():
        return name
    return str(path)
