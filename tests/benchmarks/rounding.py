"""What better rounding and bias correction buy, on models that need them.

    python tests/benchmarks/rounding.py                          # exit 1 when a line is red
    python tests/benchmarks/rounding.py --models kws_dscnn --evaluation 100

`a8w4`: 4-bit weights of convolutional nets, each rounded to the nearest, by GPTQ, by AdaRound, and by GPTQ with biases
corrected. `a8w8 per tensor`: one scale per weight on nets with depthwise convolutions, plain, with biases corrected
(fast and sequential), equalized, and both. All forms of a model see the same calibration and evaluation samples.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from line import Line, status
from models import MODELS, ZooModel
from paired import Interval, paired_difference
from table import lines_table, markdown

FEW_BITS: dict[str, dict[str, Any]] = {
    "nearest": {},
    "gptq": {"rounding": "gptq"},
    "adaround": {"rounding": "adaround"},
    "gptq, fast": {"rounding": "gptq", "bias_correction": "fast"},
}
ONE_SCALE: dict[str, dict[str, Any]] = {
    "plain": {},
    "fast": {"bias_correction": "fast"},
    "sequential": {"bias_correction": "sequential"},
    "equalized": {"equalize": True},
    "equalized, fast": {"equalize": True, "bias_correction": "fast"},
}
TABLES: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]], tuple[str, ...]]] = {
    "a8w4": ({"scheme": "a8w4"}, FEW_BITS, ("resnet56_cifar10", "squeezenet11", "mobilenetv2_100", "kws_dscnn")),
    "a8w8 per tensor": ({"scheme": "a8w8", "per_channel": False}, ONE_SCALE, ("mobilenetv1_050", "mobilenetv2_100")),
}
# Each has to be better than what it is set against: its outputs nearer to float, its metric not worse.
BETTER = {
    "gptq": "nearest",
    "adaround": "nearest",
    "gptq, fast": "nearest",
    "fast": "plain",
    "sequential": "plain",
    "equalized, fast": "plain",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What one form answered.

    Attributes:
        scores: The metric's record of each sample, shape (n,).
        outputs: All outputs, one after the other.
        seconds: What the compile took.
    """

    scores: np.ndarray
    outputs: np.ndarray
    seconds: float = 0.0

    def sqnr(self, exact: Answers) -> float:
        """Signal to quantization noise over all samples at once, in dB."""
        noise = float(np.square(exact.outputs - self.outputs).sum())
        return float(10 * np.log10(np.square(exact.outputs).sum() / noise))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    options = _parse(arguments)
    rows, lines = [], []
    for table, (common, forms, names) in TABLES.items():
        for name in (each for each in names if each in options.models):
            model = MODELS[name]
            exact = answers(model, model.path, options.evaluation)
            found = {
                form: compiled(model, common | chosen, options.samples, options.evaluation)
                for form, chosen in forms.items()
            }
            rows += [[table, name, "float", f"{exact.scores.mean():.4f}", "", ""]]
            rows += [
                [table, name, form, f"{each.scores.mean():.4f}", f"{each.sqnr(exact):.2f}", f"{each.seconds:.1f}"]
                for form, each in found.items()
            ]
            lines += list(judge(f"{name} {table}", exact, found))
    head = ["table", "model", "form", "top1", "SQNR dB", "compile s"]
    sys.stdout.write(f"{markdown(head, rows)}\n\n{lines_table(lines)}\n")
    red = [f"{line.model} {line.name}" for line in lines if line.status == "red"]
    sys.stdout.write(f"\n{len(red)} red: {', '.join(red)}\n" if red else f"\n{len(lines)} lines, none red\n")
    return 1 if red else 0


def compiled(model: ZooModel, options: Mapping[str, Any], samples: int, evaluation: int) -> Answers:
    """Compile one form and run it."""
    import edgec

    if sys.stderr.isatty():
        sys.stderr.write(f"{model.name} {dict(options)} ...\n")
    feeds = [dict(steps[0]) for steps in model.task.calibration(samples)]
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        bundle = edgec.compile(
            str(model.path),
            target="x86-64-vnni",
            calibration=feeds,
            output=Path(scratch) / "bundle",
            prove=False,
            search=False,  # every form keeps the same nodes in integers
            **options,
        )
        seconds = time.perf_counter() - started
        return answers(model, bundle.model, evaluation, seconds)


def answers(model: ZooModel, path: Path, evaluation: int, seconds: float = 0.0) -> Answers:
    """Run a model file over the first evaluation samples."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    scores, outputs = [], []
    for example in model.task.evaluation(evaluation):
        run = dict(zip(names, session.run(None, dict(example.steps[0])), strict=True))
        scores.append(float(model.task.metric.record(run, example.label)[0]))
        outputs.append(np.concatenate([each.reshape(-1) for each in run.values()]).astype(np.float64))
    return Answers(scores=np.array(scores), outputs=np.concatenate(outputs), seconds=seconds)


def judge(model: str, exact: Answers, found: Mapping[str, Answers]) -> Iterator[Line]:
    """Every line of one model."""
    for form, other in BETTER.items():
        if form not in found:
            continue
        gain = found[form].sqnr(exact) - found[other].sqnr(exact)
        change = paired_difference(found[form].scores, found[other].scores)
        text = f"top1 {_points(change)} and {gain:+.2f} dB against {other}"
        yield Line(model=model, name=form, status=status(gain > 0 and change.high >= 0), text=text)


def _points(change: Interval) -> str:
    return f"{100 * change.estimate:+.2f} pt [{100 * change.low:+.2f}, {100 * change.high:+.2f}]"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = list(dict.fromkeys(name for _, _, models in TABLES.values() for name in models))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=names, default=names, metavar="MODEL")
    parser.add_argument("--samples", type=int, default=100, help="calibration samples (default 100)")
    parser.add_argument("--evaluation", type=int, default=500, help="evaluation samples (default 500)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
