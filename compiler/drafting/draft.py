"""The text of a project file: what is known of a model stands in force, what is guessed in comments that say so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...targets.spec import TargetSpec
from ..clauses import CLAUSE_KINDS
from ..inspect import Inspection, Tensor
from ..projecting.choices import ModelChoice
from ..report.shapes import shape_text
from ..report.units import count, size
from .guesses import Image, classes_of, free_dimensions, image_of, is_batch, start_of, state_of, suggested_shape
from .lines import comment, entry, table
from .wishes import Wishes

__all__ = ["Draft", "draft"]

CALIBRATION, EVALUATION = "calibration.npz", "evaluation.npz"
_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
# From here on the weights are most of a file, and what comes with integers is little beside them.
_HEAVY, _LARGE = 0.8, 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A project file that was not written yet.

    Attributes:
        text: All of it.
        guesses: What of it is guessed, one line each.
        missing: Files it names that somebody has to bring.
    """

    text: str
    guesses: tuple[str, ...]
    missing: tuple[str, ...]


def draft(model: Inspection, path: str, wishes: Wishes, targets: Sequence[TargetSpec]) -> Draft:
    """A project file for a model.

    Args:
        model: What it is.
        path: As `[model]` is to name it.
        wishes: What was said beside it; a guess that it needs is in force.
        targets: Those that a build may be for: comments, where they are not wished for.
    """
    writer = _Writer(model=model, wishes=wishes, state=state_of(model.inputs, model.outputs))
    sections = [
        writer.model_section(path),
        writer.input_section(),
        writer.state_section(),
        writer.data_section(),
        writer.metric_section(),
        writer.contract_section(),
        writer.compile_section(),
        writer.target_section(targets),
    ]
    text = "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"
    missing = (CALIBRATION, EVALUATION) if wishes.samples is None else ()
    return Draft(text=text, guesses=tuple(writer.guesses), missing=missing)


@dataclass(kw_only=True, slots=True)
class _Writer:
    """Writes one section after the other, and keeps what it guessed."""

    model: Inspection
    wishes: Wishes
    state: dict[str, str]
    guesses: list[str] = field(default_factory=list)

    def guess(self, text: str) -> str:
        self.guesses.append(text)
        return f"Guess: {text}."

    @property
    def fed(self) -> list[Tensor]:
        """Inputs that samples feed: all but state."""
        return [tensor for tensor in self.model.inputs if tensor.name not in self.state]

    def model_section(self, path: str) -> list[str]:
        model = self.model
        macs = "" if model.unsized else f"{count(sum(model.macs.values()))} MACs, "
        facts = f"{count(model.parameters)} parameters, {macs}{size(model.file_bytes)}"
        head = comment(
            "What `edgec build` compiles, for which devices, and what every bundle has to keep. Keys that are "
            "commented out are not in force. Flags of `edgec compile` and `edgec prove` go over what stands here."
        )
        return [
            *head, "", table("model"), entry("path", path), *comment(f"{facts}."),
            *comment(of=[f"input   {_shown(tensor)}" for tensor in model.inputs]),
            *comment(of=[f"output  {_shown(tensor)}" for tensor in model.outputs]),
            *comment(of=[
                entry("name", ModelChoice(path=model.origin).title, "what its bundles are called"),
                entry("license", "Apache-2.0", "for the bill of materials; else what its metadata state"),
            ]),
        ]  # fmt: skip

    def input_section(self) -> list[str]:
        found = [(tensor, image) for tensor in self.fed if (image := image_of(tensor)) is not None]
        return [line for tensor, image in found for line in self._image(tensor, image)]

    def _image(self, tensor: Tensor, image: Image) -> Iterator[str]:
        gray, integers = image.channels == 1, tensor.dtype == "uint8"
        free = image.height is None and image.width is None
        sides = "any size" if free else f"{image.height or 'any'} x {image.width or 'any'}"
        what = f"{tensor.name} is {'a gray' if gray else 'an RGB'} image of {sides}, {image.layout.upper()}"
        yield from comment(
            self.guess(what)
            + (" Say" if self.wishes.images else " Where the samples are a folder of image files, say")
            + " how a file becomes the input, with the values that the model was trained with. mean and std are in "
            "units of pixel * scale; those here are the commonest."
        )
        lines = [table("inputs", tensor.name)]
        if image.height is not None and image.width is not None:
            lines.append(entry("resize", [image.height, image.width], "exact; one number: the shorter side, and crop"))
        lines += [
            entry("layout", image.layout),
            entry("channels", "gray" if gray else "rgb", "" if gray else "or bgr: what OpenCV reads"),
        ]
        if integers:
            lines += [entry("scale", 1), entry("dtype", "uint8")]
        else:
            mean, std = ([0.5], [0.5]) if gray else (_MEAN, _STD)
            lines += [entry("scale", "1/255"), entry("mean", mean), entry("std", std)]
        yield from lines if self.wishes.images else comment(of=lines)

    def state_section(self) -> list[str]:
        if not self.state:
            return []
        outputs = {tensor.name: tensor for tensor in self.model.outputs}
        lines = []
        for tensor in self.model.inputs:
            if tensor.name not in self.state:
                continue
            output = self.state[tensor.name]
            start = start_of(tensor, outputs[output])
            lines.append(entry(tensor.name, output if start is None else {"output": output, "shape": start}))
        pairs = ", ".join(f"{output} is fed back as {name}" for name, output in self.state.items())
        said = self.guess(f"{pairs}, from step to step")
        return comment(
            f"{said} It starts with zeros, and every sample is then a sequence of steps: a second axis of the other "
            "inputs' arrays.",
            of=[table("state"), *lines],
        )

    def data_section(self) -> list[str]:
        arrays = [f"  {_shown(tensor)}" for tensor in self.fed]
        if self.wishes.samples is not None:
            return [
                table("calibration"), entry("path", self.wishes.samples, "one half gives ranges, the other proves"),
                *comment(of=[entry("samples", 200, "use so many of them; else all")]),
                "",
                *comment("Samples of their own to prove with: then all of those above give ranges.",
                         of=[table("evaluation"), entry("path", EVALUATION)]),
            ]  # fmt: skip
        return [
            *comment(
                "Samples: an .npz with an array for each input, the first axis the sample; or a folder of .npy, .npz "
                "or image files, a .parquet, module:function. 100 to 500 of what the device will see.",
                of=arrays,
            ),
            table("calibration"), entry("path", CALIBRATION, "to bring: what ranges are taken from"),
            *comment(of=[entry("samples", 200, "use so many of them; else all")]),
            "",
            *comment("Others than those, with labels where there are any: an array `label` in the .npz, labels.csv."),
            table("evaluation"), entry("path", EVALUATION, "to bring: what proves the bundle"),
        ]  # fmt: skip

    def metric_section(self) -> list[str]:
        classes = classes_of(self.model.outputs)
        names = "top1, top5, f1, spearman, mse, psnr, auc, perplexity, miou, map, map50, si-snr, ctc, module:function"
        said = "" if classes is None else self.guess(f"{self.model.outputs[0].name} scores {classes} classes") + " "
        metric = "top1" if classes is not None else "module:function"
        lines = [table("metric"), entry("name", metric, "" if classes is not None else "of the labels and the outputs")]
        if self.model.outputs:
            lines.append(entry("output", self.model.outputs[0].name))
        return comment(f"{said}The task metric over the labels: {names}.", of=lines)

    def contract_section(self) -> list[str]:
        limits = {"latency_ratio": "1.1x"}  # weights alone are as fast as float, which no sample of times is sure of
        if self.model.quantized:  # its size and its noise are what they are
            limits = {}
        elif classes_of(self.model.outputs) is not None and self.wishes.labelled:
            limits = {"accuracy_drop": "1pt", **limits}
        else:
            limits = {"sqnr": "15dB", **limits}
        weights = 4 * self.model.parameters
        if limits and weights > max(_HEAVY * self.model.file_bytes, _LARGE):
            limits["size_ratio"] = "0.6x" if self.wishes.halves else "0.5x"
        lines = comment(
            "What a bundle must keep, on the place that proves it. A limit carries its unit; each has an exit code of "
            "its own (`edgec --help`). What cannot be measured is never taken for met: exit code 5."
        )
        lines.append(table("contract"))
        notes = {"accuracy_drop": "loss of the metric against float: points; needs labels"}
        lines += [entry(name, limit, notes.get(name) or _short(name)) for name, limit in limits.items()]
        others = [kind for kind in CLAUSE_KINDS.values() if kind.flag and kind.id not in limits]
        lines += comment(of=[entry(kind.key, kind.example, _short(kind.id)) for kind in others])
        return lines + comment(of=[entry("proof", "executed", "exit 3 where the target cannot be executed")])

    def compile_section(self) -> list[str]:
        lines = [table("compile")]
        said: list[str] = []
        if self.model.quantized:
            said.append(f"The model is quantized already ({', '.join(self.model.quantized)}): it is packed as it is.")
            lines.append(entry("scheme", "float"))
            return [*comment(*said), *lines]
        open_ = [tensor for tensor in self.fed if free_dimensions(tensor) and tensor.shape is not None]
        batches = [tensor.name for tensor in open_ if is_batch(tensor) and free_dimensions(tensor) == (0,)]
        if open_:
            what = "the free first axis is the batch" if len(batches) == len(open_) else "one sample of a common size"
            names = ", ".join(tensor.name for tensor in open_)
            said.append(f"{self.guess(f'{names}: {what}')} A phone's accelerator needs every size fixed.")
        shapes = {tensor.name: suggested_shape(tensor) for tensor in open_}
        scheme = entry("scheme", "auto", "a8w8, a8w4, a16w8, a16w4, d8w8, w8, w4, fp16, bf16, float")
        prose = (*said, "Options of every target; `edgec compile --help` says what they do.")
        if shapes and self.wishes.fixed:
            return [*comment(*prose), *lines, *comment(of=[scheme]), entry("shapes", shapes)]
        return comment(*prose, of=[*lines, scheme, *([entry("shapes", shapes)] if shapes else [])])

    def target_section(self, targets: Sequence[TargetSpec]) -> list[str]:
        lines = comment(
            "A bundle is made for each; options and [targets.NAME.contract] of its own go over those above."
        )
        for name, spec in self.wishes.targets.items():
            lines += [table("targets", name), *comment(spec.description)]
            if name in self.wishes.paths:
                lines.append(entry("target", self.wishes.paths[name]))
        for each in targets:
            if each.name not in self.wishes.targets:
                lines += comment(of=[f"{table('targets', each.name):<28}  # {each.description}"])
        return lines


def _shown(tensor: Tensor) -> str:
    shape = "of an unknown shape" if tensor.shape is None else shape_text(tensor.shape)
    return f"{tensor.name}: {tensor.dtype} {shape}"


def _short(clause: str) -> str:
    """The help of a clause up to its first stop."""
    return CLAUSE_KINDS[clause].help.partition(";")[0].partition(":")[0]
