"""`edgec distill`: a model in few bits taught to answer as it does in float."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import DATA, MODEL, OUTPUT, TalkOptions, TargetOptions

__all__ = ["EXAMPLES", "distill"]

EXAMPLES = """
edgec distill model.onnx --scheme w4 --block-size 128 -o taught.onnx
edgec compile taught.onnx --scheme w4 --block-size 128 -o out/
edgec distill model.onnx --scheme w4 --calibration calib.npz --feature /layer2/Relu_output_0 -o taught.onnx
"""
_LESSON = "Lesson"


@dataclass(frozen=True, kw_only=True, slots=True)
class DistillOptions:
    """Which model, in what form, taught how."""

    model: Annotated[str, Argument(metavar="MODEL", help="What `edgec compile` takes.", show_default=False)]
    output: Annotated[
        Path,
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The float ONNX file to write; compile it alike.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ]
    overwrite: Annotated[bool, Option("--overwrite", help="Replace a file that is there.", rich_help_panel=OUTPUT)] = (
        False
    )
    scheme: Annotated[
        str,
        Option("--scheme", metavar="NAME", help="w8, w4, w3, w2; or integers: a8w8, a4w4, ...", rich_help_panel=MODEL),
    ] = "w4"
    block_size: Annotated[
        int | None,
        Option("--block-size", metavar="N", help="Elements that share a scale; else 128.", rich_help_panel=MODEL),
    ] = None
    zero_points: Annotated[
        bool | None,
        Option(
            "--zero-points/--no-zero-points",
            help="Every block has a zero point.",
            show_default=False,
            rich_help_panel=MODEL,
        ),
    ] = None
    calibration: Annotated[
        str | None,
        Option(
            "--calibration",
            metavar="DATA",
            help="Samples to learn on; else a language model writes its own texts.",
            rich_help_panel=DATA,
        ),
    ] = None
    texts: Annotated[
        int | None, Option("--texts", metavar="N", help="Texts it writes; else 512.", rich_help_panel=DATA)
    ] = None
    length: Annotated[
        int | None, Option("--length", metavar="N", help="Tokens of a text; else 128.", rich_help_panel=DATA)
    ] = None
    seed: Annotated[
        int | None, Option("--seed", metavar="N", help="Seeds every draw; else 0.", rich_help_panel=DATA)
    ] = None
    feature: Annotated[
        list[str] | None,
        Option(
            "--feature", metavar="NAME", help="A value inside to match, too; once per value.", rich_help_panel=_LESSON
        ),
    ] = None
    block: Annotated[
        list[str] | None,
        Option(
            "--block",
            metavar="NAME",
            help="A value that a part ends in: part after part learns, of few samples. Once per part.",
            rich_help_panel=_LESSON,
        ),
    ] = None
    logits: Annotated[
        list[str] | None,
        Option(
            "--logits",
            metavar="NAME",
            help="An output to compare as a distribution; others by their square error. Once per output.",
            rich_help_panel=_LESSON,
        ),
    ] = None
    steps: Annotated[
        int | None, Option("--steps", metavar="N", help="Steps of the optimizer; else 1000.", rich_help_panel=_LESSON)
    ] = None
    batch: Annotated[
        int | None, Option("--batch", metavar="N", help="Texts of a step; else 16.", rich_help_panel=_LESSON)
    ] = None
    rate: Annotated[
        float | None, Option("--rate", metavar="RATE", help="Learning rate; else 3e-4.", rich_help_panel=_LESSON)
    ] = None
    activations: Annotated[
        int | None,
        Option("--activations", metavar="BITS", help="Round what products read, by token.", rich_help_panel=_LESSON),
    ] = None
    cache: Annotated[
        int | None,
        Option("--cache-bits", metavar="BITS", help="Round keys and values, by token.", rich_help_panel=_LESSON),
    ] = None
    checkpoint: Annotated[
        Path | None,
        Option(
            "--checkpoint",
            metavar="FILE",
            help="Keeps what was learned; a lesson that was cut off goes on from it.",
            rich_help_panel=_LESSON,
        ),
    ] = None


@takes_groups
def distill(options: DistillOptions, target: TargetOptions, talk: TalkOptions) -> int:
    """Teach a model in few bits to answer as it does in float; write it as a float model on the grid of its blocks.

    A compile under the same scheme and options of blocks keeps what was learned, bit for bit; of integers, it takes
    them from the file. Needs edgec[torch].
    """
    from ..distill import check_file, taught, write_model
    from .console import print_json, print_text
    from .talk import talking

    with talking(talk) as talker:
        given = {
            name: getattr(options, name)
            for name in ("scheme", "block_size", "zero_points", "texts", "length", "seed", "logits", "steps", "batch")
        }
        more = {name: getattr(options, name) for name in ("rate", "activations", "cache", "checkpoint")}
        check_file(options.output, overwrite=options.overwrite)
        done = taught(
            options.model,
            target=target.target or "host",
            samples=options.calibration,
            features=options.feature or (),
            blocks=options.block or (),
            progress=talker.progress,
            **given,
            **more,
        )
        write_model(done.model, options.output)
    first, last = done.losses[0], done.losses[-1]
    if talk.json:
        print_json({"file": str(options.output), "texts": done.texts, "losses": list(done.losses)})
        return 0
    on = f"{done.texts} texts of its own" if done.texts else "samples"
    print_text(f"wrote {options.output}: {len(done.losses)} steps on {on}, loss {first:.3g} -> {last:.3g}")
    return 0
