"""The groups of options that commands share. Names are those this ecosystem types; `_` may stand for `-`."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from ...errors import OptionError
from ..clauses import CLAUSE_KINDS

__all__ = [
    "CalibrationOptions",
    "ContractOptions",
    "EvaluationOptions",
    "FormatName",
    "ModelOptions",
    "OutputOptions",
    "PassOptions",
    "TalkOptions",
    "TargetOptions",
    "one_of",
]

MODEL, DATA, CONTRACT, OUTPUT, PASSES, TALK = (
    "Model", "Samples", "Contract (limits carry their unit)", "Output", "Passes", "Talk",
)  # fmt: skip


_MODEL = "ONNX file; of a decoder, the folder of its checkpoint (Hugging Face), or a GGUF file."


class FormatName(StrEnum):
    """How results are printed."""

    text = "text"
    json = "json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelOptions:
    """Which model, and what is to be known about its inputs."""

    model: Annotated[str | None, Argument(metavar="MODEL", help=_MODEL, show_default=False)] = None
    model_option: Annotated[
        str | None, Option("-m", "--model", metavar="MODEL", help="The same as an option.", rich_help_panel=MODEL)
    ] = None
    shape: Annotated[
        list[str] | None,
        Option(
            "--shape",
            metavar="NAME=D,D,...",
            help="Fix the shape of an input, say input=1,3,224,224; once per input.",
            rich_help_panel=MODEL,
        ),
    ] = None
    weights: Annotated[
        Path | None,
        Option(
            "--weights",
            metavar="FILE",
            help="State dict (.safetensors, .pt, .pth) for the module that package.module:build makes.",
            rich_help_panel=MODEL,
        ),
    ] = None
    dynamic: Annotated[
        list[str] | None,
        Option(
            "--dynamic",
            metavar="NAME=D,D,...",
            help="Free dimensions of a PyTorch module's input by name, fixed ones by number, say "
            "image=batch,3,height,width; else the first is free; once per input.",
            rich_help_panel=MODEL,
        ),
    ] = None
    state: Annotated[
        list[str] | None,
        Option(
            "--state",
            metavar="INPUT=OUTPUT",
            help="Feed an output back as an input from step to step; once per pair.",
            rich_help_panel=MODEL,
        ),
    ] = None
    bake_input: Annotated[
        list[str] | None,
        Option(
            "--input",
            metavar="NAME:WORD,...",
            help="Preprocessing inside the model, say image:uint8,nhwc,mean=0.5,std=0.5 (bgr, frame=480x640): it "
            "takes bytes; once per input.",
            rich_help_panel=MODEL,
        ),
    ] = None
    bake_output: Annotated[
        list[str] | None,
        Option(
            "--postprocess",
            metavar="NAME:WORD,...",
            help="Postprocessing inside the model: logits:softmax, logits:argmax, logits:topk=5, embedding:int8, "
            "embedding:binary, embedding:product=4; once per output.",
            rich_help_panel=MODEL,
        ),
    ] = None

    adapter: Annotated[
        list[str] | None,
        Option(
            "--adapter",
            metavar="NAME=FOLDER",
            help="PEFT (LoRA) folder to ship beside the model, switched on by NAME; once per adapter.",
            rich_help_panel=MODEL,
        ),
    ] = None
    adapter_map: Annotated[
        list[str] | None,
        Option(
            "--adapter-map",
            metavar="MODULE=NODE",
            help="Which node a module of an adapter is, where names do not tell; * stands for the same text in both.",
            rich_help_panel=MODEL,
        ),
    ] = None
    merge_adapter: Annotated[
        Path | None,
        Option(
            "--merge-adapter",
            metavar="FOLDER",
            help="Merge a PEFT (LoRA) folder into the weights before they are quantized.",
            rich_help_panel=MODEL,
        ),
    ] = None

    @property
    def source(self) -> str:
        """The model, however it was given.

        Raises:
            OptionError: It was given twice or not at all.
        """
        return one_of("MODEL", self.model, "-m/--model", self.model_option)


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetOptions:
    """The device."""

    target: Annotated[
        str | None,
        Option(
            "-t", "--target",
            metavar="NAME|TOML",
            help="Device; `edgec targets` lists them. Else host, this machine.",
            rich_help_panel=MODEL,
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationOptions:
    """Samples to observe."""

    calibration: Annotated[
        str | None,
        Option(
            "--calibration", "--calibration-data", "--calibration-data-path",
            metavar="DATA",
            help="Samples to observe: .npz, a folder of arrays or images, .parquet, module:function; for a decoder "
            "rows of tokens (.npy), or text.",
            rich_help_panel=DATA,
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationOptions:
    """Samples to prove with, and how all samples are read."""

    evaluation: Annotated[
        str | None,
        Option(
            "--evaluation", "--evaluation-data",
            metavar="DATA",
            help="Samples to prove with, labels included; when compiling, else half of those to observe.",
            rich_help_panel=DATA,
        ),
    ] = None  # fmt: skip
    samples: Annotated[
        int | None,
        Option(
            "--samples",
            metavar="N",
            help="Use N of the samples to observe (`prove`: to prove with), drawn with --seed; else all.",
            rich_help_panel=DATA,
        ),
    ] = None
    seed: Annotated[
        int | None, Option("--seed", metavar="N", help="Seeds every draw; else 0.", rich_help_panel=DATA)
    ] = None
    metric: Annotated[
        str | None,
        Option(
            "--metric",
            metavar="NAME",
            help="Task metric over the labels: top1, top5, f1, spearman, mse, psnr, auc, perplexity, miou, map, map50, "
            "si-snr, ctc (options after commas: ctc,blank=0,axis=1), module:function.",
            rich_help_panel=DATA,
        ),
    ] = None
    metric_output: Annotated[
        str | None,
        Option(
            "--metric-output",
            metavar="NAME",
            help="The output the metric looks at; else the first.",
            rich_help_panel=DATA,
        ),
    ] = None
    config: Annotated[
        Path | None,
        Option(
            "--config",
            metavar="FILE",
            help="Project file: contract, metric, preprocessing, options; else ./edgec.toml where there is one.",
            rich_help_panel=DATA,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputOptions:
    """Where the bundle goes."""

    output: Annotated[
        Path | None,
        Option("-o", "--output", "--output-path", metavar="FOLDER", help="The bundle.", rich_help_panel=OUTPUT),
    ] = None
    overwrite: Annotated[
        bool, Option("--overwrite", help="Replace the bundle that is there.", rich_help_panel=OUTPUT)
    ] = False
    prove: Annotated[
        bool, Option("--prove/--no-prove", help="Prove the bundle and print the verdict.", rich_help_panel=OUTPUT)
    ] = True
    report: Annotated[
        bool,
        Option("--report/--no-report", help="Write proof/report.html, the proof for people.", rich_help_panel=OUTPUT),
    ] = True
    probe: Annotated[
        bool | None,
        Option(
            "--probe/--no-probe",
            help="Try what ran off the provider wanted in other forms, to find out why; else it is tried.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None
    diagnose: Annotated[
        bool | None,
        Option(
            "--diagnose/--no-diagnose",
            help="Say what causes a broken limit on accuracy, and which repair meets it; else it is said.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None
    context: Annotated[
        bool | None,
        Option(
            "--context/--no-context",
            help="Have the target's backend compile the model too, offline: model_ctx.onnx and its binary (QNN).",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None
    ort: Annotated[
        bool | None,
        Option(
            "--ort/--no-ort",
            help="Write model.ort too, for apps with a minimal build of ONNX Runtime; full packages read model.onnx.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None
    depfile: Annotated[
        Path | None,
        Option(
            "--depfile",
            metavar="FILE",
            help="Write what the bundle was made from, as Make and Ninja read it.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    license: Annotated[
        str | None,
        Option(
            "--license",
            metavar="SPDX",
            help="The model's licence, for the bill of materials; else what its metadata or model card state.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    dry_run: Annotated[
        bool, Option("--dry-run", help="Print the plan and stop (`edgec plan`).", rich_help_panel=OUTPUT)
    ] = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PassOptions:
    """How passes run, and who watches them."""

    threads: Annotated[
        int,
        Option("--threads", metavar="N", help="Threads of the compiler; 0: all cores.", rich_help_panel=PASSES),
    ] = 0
    max_memory: Annotated[
        str | None,
        Option(
            "--max-memory",
            metavar="SIZE",
            help="Hold no more while observing, say 2G: fewer workers, then several passes. Changes no result.",
            rich_help_panel=PASSES,
        ),
    ] = None
    cache: Annotated[
        bool,
        Option("--cache/--no-cache", help="Keep observations that took long; go on from them.", rich_help_panel=PASSES),
    ] = True
    cache_dir: Annotated[
        Path | None,
        Option("--cache-dir", metavar="FOLDER", help="Keep them here.", rich_help_panel=PASSES),
    ] = None
    dump_passes: Annotated[
        Path | None,
        Option(
            "--dump-passes",
            metavar="FOLDER",
            help="Write the model after every pass that changed it.",
            rich_help_panel=PASSES,
        ),
    ] = None
    verify_each: Annotated[
        bool, Option("--verify-each", help="Check the model after every pass that changed it.", rich_help_panel=PASSES)
    ] = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TalkOptions:
    """How much is said, and in which form."""

    format: Annotated[
        FormatName,
        Option("--format", help="json: one JSON object on stdout, nothing else.", rich_help_panel=TALK),
    ] = FormatName.text
    verbose: Annotated[
        int, Option("-v", "--verbose", count=True, help="Say more; -vv most.", show_default=False, rich_help_panel=TALK)
    ] = 0
    quiet: Annotated[bool, Option("-q", "--quiet", help="Results and errors only.", rich_help_panel=TALK)] = False
    log_level: Annotated[
        str | None,
        Option("--log-level", metavar="NAME", help="debug, info, warning or error.", rich_help_panel=TALK),
    ] = None

    @property
    def json(self) -> bool:
        """Whether results are JSON."""
        return self.format is FormatName.json


def _contract_fields() -> list[tuple[str, Any, Any]]:
    """One option per clause that takes a limit, from the clause table, and `--proof`."""
    fields: list[tuple[str, Any, Any]] = []
    for kind in CLAUSE_KINDS.values():
        if kind.flag:
            option = Option(
                kind.flag,
                metavar=kind.example,
                help=f"{kind.help} [{', '.join(kind.units)}].",
                rich_help_panel=CONTRACT,
            )
            fields.append((kind.option, Annotated[str | None, option], field(default=None)))
    proof = Option(
        "--proof",
        metavar="checked|executed",
        help="executed: exit 3 where the target cannot be executed.",
        rich_help_panel=CONTRACT,
    )
    return [*fields, ("proof", Annotated[str | None, proof], field(default=None))]


_ContractFields: Any = make_dataclass("_ContractFields", _contract_fields(), frozen=True, kw_only=True)


@dataclass(frozen=True, kw_only=True)
class ContractOptions(_ContractFields):  # type: ignore[misc]  # its fields are made from the clause table
    """The limits, one option per clause."""

    @property
    def flags(self) -> dict[str, str | None]:
        """Keyword by keyword what `Contract.from_flags` takes."""
        return dict(vars(self))


def one_of(name: str, value: str | None, other_name: str, other: str | None) -> str:
    """The one of two spellings that was given.

    Raises:
        OptionError: Both were given, or neither.
    """
    if value is not None and other is not None:
        raise OptionError(name, f"is given twice: {value!r} and {other_name} {other!r}", remedy="Give it once")
    found = value if value is not None else other
    if found is None:
        raise OptionError(name, "is missing", remedy=f"Give it as the first word, or with {other_name}")
    return found
