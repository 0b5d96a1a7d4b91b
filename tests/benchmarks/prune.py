"""What pruning costs and buys: channels left out before int8, and zeros that stay through GPTQ.

    python tests/benchmarks/prune.py                         # exit 1 when a line is red
    python tests/benchmarks/prune.py --models kws_dscnn --evaluation 200

Channels: one model in int8, whole and with shares of its MACs left out, not trained again. All forms see the same
calibration and evaluation samples, and are timed in turns in one process, one thread. Each has to be a smaller file and
faster than the whole one in int8. Zeros: 2 of every 4 weights are made 0 by SparseGPT, then rounded by GPTQ: a
convolutional net to int8, the sentence encoder to 4 bits in blocks of 128; every zero has to be 0 in the bundle.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from line import Line, status
from models import ENCODER, MODELS, ZooModel
from table import lines_table, markdown
from visits import latency
from zeros import products, still_zero

CHANNELS = ("vww_mobilenet96", "resnet56_cifar10")
BUDGETS = ("20%", "30%", "50%")
ZEROS: dict[str, dict[str, Any]] = {
    "resnet56_cifar10": {"scheme": "a8w8", "rounding": "gptq"},
    ENCODER: {"scheme": "w4", "rounding": "gptq", "block_size": 128},
}
WHOLE = "int8"
SETTLE = 0.002


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """One form of a model.

    Attributes:
        path: Its file.
        metric: Of the task, larger is better.
        note: What the compile said of pruning.
    """

    path: Path
    metric: float
    note: str = ""

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def zipped(self) -> int:
        """Bytes of the file, compressed as a zip does."""
        return len(zlib.compress(self.path.read_bytes(), 6))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    options = _parse(arguments)
    rows: list[list[str]] = []
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in (each for each in CHANNELS if each in options.models):
            found, taken = channels(MODELS[name], options, Path(scratch) / name)
            rows += [_row(name, form, each, found, taken) for form, each in found.items()]
            lines += list(judge(name, found, taken))
        for name in (each for each in ZEROS if each in options.models):
            if MODELS[name].absent:
                lines.append(Line(model=name, name="2:4", status="unknown", text=MODELS[name].absent))
                continue
            found, line = zeros(MODELS[name], options, Path(scratch) / f"{name}-zeros")
            rows += [_row(name, form, each, found, {}) for form, each in found.items()]
            lines.append(line)
    head = ["model", "form", "metric", "file kB", "zipped kB", "ms", "x int8", "left"]
    sys.stdout.write(f"{markdown(head, rows)}\n\n{lines_table(lines)}\n")
    red = [f"{line.model} {line.name}" for line in lines if line.status == "red"]
    sys.stdout.write(f"\n{len(red)} red: {', '.join(red)}\n" if red else f"\n{len(lines)} lines, none red\n")
    return 1 if red else 0


def channels(
    model: ZooModel, options: argparse.Namespace, folder: Path
) -> tuple[dict[str, Form], dict[str, np.ndarray]]:
    """Float, int8, and int8 with shares of the channels left out; seconds of a run of each, in turns."""
    import onnxruntime as ort

    asked: dict[str, dict[str, Any]] = {WHOLE: {}} | {each: {"prune_channels": each} for each in BUDGETS}
    found = {"float": Form(path=model.path, metric=score(model, model.path, options.evaluation))}
    for form, chosen in asked.items():
        found[form] = compiled(model, {"scheme": "a8w8", **chosen}, options, folder / form.strip("%"))
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = 1
    place = ["CPUExecutionProvider"]
    sessions = {form: ort.InferenceSession(str(each.path), settings, providers=place) for form, each in found.items()}
    feed = dict(next(iter(model.task.evaluation(1))).steps[0])
    return found, latency(sessions, feed, options.rounds, settle=SETTLE)


def zeros(model: ZooModel, options: argparse.Namespace, folder: Path) -> tuple[dict[str, Form], Line]:
    """The model dense and 2:4 by a method; whether every zero is 0 in the bundle."""
    chosen = ZEROS[model.name]
    pruned = compiled(model, {"scheme": "float", "sparsity": "2:4"}, options, folder / "float")
    found = {
        "float": Form(path=model.path, metric=score(model, model.path, options.evaluation)),
        "2:4 float": pruned,
        " ".join(map(str, chosen.values())): compiled(model, chosen, options, folder / "dense"),
        f"2:4 {chosen['scheme']}": compiled(model, {**chosen, "sparsity": "2:4"}, options, folder / "sparse"),
    }
    counts = still_zero(found[f"2:4 {chosen['scheme']}"].path, products(pruned.path))
    zero, kept = (sum(each) for each in zip(*counts, strict=True))
    text = f"{kept} of {zero} zeros are 0 in the bundle, {chosen['rounding']}"
    return found, Line(model=model.name, name="2:4", status=status(0 < zero == kept), text=text)


def compiled(model: ZooModel, chosen: Mapping[str, Any], options: argparse.Namespace, folder: Path) -> Form:
    """Compile one form and score it."""
    import edgec

    if sys.stderr.isatty():
        sys.stderr.write(f"{model.name} {dict(chosen)} ...\n")
    bundle = edgec.compile(
        str(model.path),
        target="host",
        calibration=[dict(steps[0]) for steps in model.task.calibration(options.samples)],
        output=folder,
        prove=False,
        search=False,  # every form keeps the same nodes in integers
        **chosen,
    )
    said = [note for note in bundle.manifest["notes"] if note.startswith("pruned: ")]
    note = "; ".join(each.removeprefix("pruned: ") for each in said)
    return Form(path=bundle.model, metric=score(model, bundle.model, options.evaluation), note=note)


def score(model: ZooModel, path: Path, evaluation: int) -> float:
    """The metric of a model file over the first evaluation samples."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    records = []
    for example in model.task.evaluation(evaluation):
        run = dict(zip(names, session.run(None, dict(example.steps[0])), strict=True))
        records.append(model.task.metric.record(run, example.label))
    return float(model.task.metric.aggregate(np.array(records)))


def judge(model: str, found: Mapping[str, Form], taken: Mapping[str, np.ndarray]) -> Iterator[Line]:
    """Every line of one model: a smaller file, and less time in the same run."""
    whole = found[WHOLE]
    for form in (each for each in BUDGETS if each in found):
        size = found[form].size / whole.size
        ratio, least = _ratios(taken, form)
        settled = "green" if max(ratio, least) < 1 else "red" if min(ratio, least) >= 1 else "amber"
        yield Line(model=model, name=f"{form} smaller", status=status(size < 1), text=f"{size:.2f} of int8's file")
        text = f"{ratio:.2f} of int8's time (median), {least:.2f} (minimum)"
        yield Line(model=model, name=f"{form} faster", status=settled, text=text)


def _ratios(taken: Mapping[str, np.ndarray], form: str) -> tuple[float, float]:
    return float(np.median(taken[form] / taken[WHOLE])), float(taken[form].min() / taken[WHOLE].min())


def _row(model: str, form: str, each: Form, found: Mapping[str, Form], taken: Mapping[str, np.ndarray]) -> list[str]:
    del found
    time = [f"{1e3 * taken[form].min():.3f}", f"{_ratios(taken, form)[0]:.2f}"] if form in taken else ["", ""]
    return [model, form, f"{each.metric:.4f}", f"{each.size / 1e3:.0f}", f"{each.zipped / 1e3:.0f}", *time, each.note]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = sorted({*CHANNELS, *ZEROS})
    parser.add_argument("--models", nargs="+", choices=every, default=every)
    parser.add_argument("--samples", type=int, default=100, help="calibration samples")
    parser.add_argument("--evaluation", type=int, default=1000, help="evaluation samples")
    parser.add_argument("--rounds", type=int, default=40, help="visits of every form")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
