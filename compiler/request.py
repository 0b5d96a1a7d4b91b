"""What the user asked for: one frozen value, the same for the library, the command line and the manifest."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

import onnx
import onnx_ir as ir

from ..errors import OptionError
from ..targets.policy import Policy
from ..targets.spec import TargetSpec
from .baking.spec import BakedInput, BakedOutput
from .baking.words import read_input, read_output
from .contract import Contract
from .metrics import Metric, metric_named
from .pipeline import PassObserver
from .progress import Progress, Quiet
from .samples.base import DataSource, State
from .samples.images import ImagePreprocess
from .sizes import size_of
from .sources.torch.model import TorchModel, torch_model

__all__ = ["CompileRequest", "DataSource", "ModelSource"]

ModelSource: TypeAlias = str | Path | ir.Model | onnx.ModelProto | TorchModel


@dataclass(frozen=True, kw_only=True, slots=True)
class CompileRequest:
    """Everything a compile depends on, apart from versions.

    Attributes:
        model: A path, an `onnx_ir.Model` (never changed) or a `ModelProto`; of PyTorch `package.module:build`, a
            `.pt2` file, a `torch.nn.Module`, a pair of one and example inputs, or an exported program.
        weights: A state dict to put into what `package.module:build` made.
        dynamic: Names of free dimensions, and numbers of fixed ones, by input of a PyTorch module.
        torch: `model` where PyTorch defines it; made from the fields above.
        target: A target's name, a path to its TOML, or the value itself.
        calibration: Samples to observe; None chooses a scheme that needs none, and says so.
        evaluation: Samples to prove with; None holds out a part of the calibration samples.
        contract: The limits.
        output: Folder to write the bundle to; None writes to a temporary folder that lives as long as the process.
        shapes: Fixed shapes by input name; dynamic dimensions not named stay dynamic.
        samples: Use this many calibration samples, drawn with `seed`; None uses all.
        evaluation_samples: The same of evaluation samples.
        state: Outputs fed back as inputs.
        preprocess: How image files become an input, by input name.
        inputs: Preprocessing baked into the model, by input name.
        outputs: Postprocessing baked into it, by output name.
        adapters: PEFT folders to ship as adapters beside the model, by the name each is switched on by.
        adapter_map: Module of an adapter → node of the model, where names do not tell; `*` stands for the same text.
        merge_adapter: A PEFT folder to merge into the weights before anything is done.
        metric: Task metric over the evaluation labels.
        policy: Scheme and methods; a library user writes its fields beside these.
        recipe: A `recipe.lock` to replay.
        search: False ships what the policy says, however far from float that is.
        context: Have the target's backend compile the model too, into a context binary beside it.
        ort: Write the model in ORT format too, for minimal builds of ONNX Runtime.
        license: The model's licence, an SPDX identifier or a name; "" takes what its files state.
        diagnose: Examine a bundle that breaks a limit on accuracy: the cause, and repairs, measured.
        probe: False does not try what ran off the provider wanted in other forms, to find out why.
        prove: False packs without running the evaluation samples.
        elsewhere: As `prove` takes it: the target's own kernels are asked for by who judges the device's receipt.
        trial: As `prove` takes it: one of several that are compared.
        report: Write `proof/report.html` when it is proved.
        overwrite: Replace an existing output.
        threads: Intra-op threads of the compiler's own sessions; 0 is the runtime's choice.
        max_memory: Bytes the compiler may hold while it observes and searches; None does not limit it. What is
            observed stays the same; a search that does not fit is left out, and a note says so.
        cache: False neither reads nor keeps observations.
        cache_dir: Where observations that took long are kept; None is this system's place for caches.
        proving: What is held while the bundle is proved.
        progress: Who watches.
        observers: Who watches the passes, beside the signature guard.
    """

    model: ModelSource
    weights: Path | None = None
    dynamic: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)
    torch: TorchModel | None = field(default=None, repr=False)
    target: str | Path | TargetSpec = "host"
    calibration: DataSource | None = None
    evaluation: DataSource | None = None
    contract: Contract = field(default_factory=Contract)
    output: Path | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    samples: int | None = None
    evaluation_samples: int | None = None
    seed: int = 0
    state: State = field(default_factory=State)
    preprocess: Mapping[str, ImagePreprocess] = field(default_factory=dict)
    inputs: Mapping[str, BakedInput] = field(default_factory=dict)
    outputs: Mapping[str, BakedOutput] = field(default_factory=dict)
    adapters: Mapping[str, Path] = field(default_factory=dict)
    adapter_map: Mapping[str, str] = field(default_factory=dict)
    merge_adapter: Path | None = None
    metric: Metric | None = None
    policy: Policy = field(default_factory=Policy)
    recipe: Path | None = None
    search: bool = True
    context: bool = False
    ort: bool = False
    license: str = ""
    diagnose: bool = True
    probe: bool = True
    prove: bool = True
    elsewhere: bool = False
    trial: bool = False
    report: bool = True
    overwrite: bool = False
    threads: int = 0
    max_memory: int | None = None
    cache: bool = True
    cache_dir: Path | None = None
    proving: Callable[[], AbstractContextManager[Any]] = nullcontext
    progress: Progress = field(default_factory=Quiet)
    observers: tuple[PassObserver, ...] = ()

    def __post_init__(self) -> None:
        for where, count in (("--samples", self.samples), ("evaluation_samples", self.evaluation_samples)):
            if count is not None and count < 1:
                raise OptionError(where, f"{count} is not a positive number", remedy="Give at least 1")
        if self.max_memory is not None and self.max_memory < 1:
            raise OptionError("--max-memory", f"{self.max_memory} is not a size", remedy="Give bytes, say 2 * 10**9")
        if self.torch is None or self.torch.given is not self.model:
            samples = self.evaluation if self.calibration is None else self.calibration
            found = torch_model(self.model, weights=self.weights, dynamic=self.dynamic, samples=samples)
            object.__setattr__(self, "torch", found)

    @property
    def source(self) -> ModelSource:
        """What is loaded: the model, or its export, which is made once."""
        return self.model if self.torch is None else self.torch

    @classmethod
    def of(cls, model: ModelSource, options: Mapping[str, Any]) -> CompileRequest:
        """A request from what a library user writes, short forms resolved.

        Raises:
            OptionError: An option is unknown; names the nearest one.
            ContractError: A limit or a metric cannot be read.
        """
        bends = [each.name for each in fields(Policy)]
        known = [each.name for each in fields(cls)] + bends
        for name in options:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                raise OptionError(
                    f"option {name!r}",
                    "is unknown" + (f", did you mean {near[0]!r}?" if near else ""),
                    remedy=f"Options are {', '.join(known[1:])}",
                )
        given = dict(options)
        if isinstance(contract := given.get("contract"), Mapping):
            given["contract"] = Contract.from_table(contract, where="contract")
        if isinstance(metric := given.get("metric"), str):
            given["metric"] = metric_named(metric)
        if isinstance(state := given.get("state"), Mapping):
            given["state"] = State(carried=state)
        for role, read in (("inputs", read_input), ("outputs", read_output)):
            if isinstance(baked := given.get(role), Mapping):
                given[role] = {
                    name: read(f"{name}:{each}")[1] if isinstance(each, str) else each for name, each in baked.items()
                }
        for name in ("output", "weights", "merge_adapter", "cache_dir", "recipe"):
            if isinstance(path := given.get(name), str):
                given[name] = Path(path)
        if isinstance(dynamic := given.get("dynamic"), Mapping):
            given["dynamic"] = {name: tuple(dims) for name, dims in dynamic.items()}
        if isinstance(adapters := given.get("adapters"), Mapping):
            given["adapters"] = {name: Path(folder) for name, folder in adapters.items()}
        if isinstance(size := given.get("max_memory"), str):
            given["max_memory"] = size_of(size, where="max_memory")
        # None is how a caller passes on an option of its own that was not set.
        given = {name: value for name, value in given.items() if value is not None}
        bent = {name: given.pop(name) for name in bends if name in given}
        if bent:
            given["policy"] = replace(given.get("policy", Policy()), **bent)
        return cls(model=model, **given)

    def payload_options(self) -> dict[str, Any]:
        """Options the payload depends on, as the manifest records them."""
        policy = asdict(self.policy)
        return {
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "samples": self.samples,
            "seed": self.seed,
            **{name: list(value) if isinstance(value, tuple) else value for name, value in policy.items()},
            "recipe": self.recipe is not None,
        }
