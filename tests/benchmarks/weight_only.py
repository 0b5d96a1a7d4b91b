"""What methods for weights in few bits keep of language models and of a sentence encoder, and what their files weigh.

    python tests/benchmarks/weight_only.py                                   # exit 1 when a line is red
    python tests/benchmarks/weight_only.py --models layer --bits 2 3 4
    python tests/benchmarks/weight_only.py --models sentence_encoder --bits 4 --blocks 128 --evaluation 100

Every form is compiled and its bundle run in ONNX Runtime, matrices multiplied as they are stored: perplexity, Spearman,
and the noise of all outputs against float. `layer` is a product of 512 x 512 whose inputs are correlated, with channels
that stand out, seeded: its metric is the relative error of its outputs on inputs that no method saw.

The order the papers report is a line of acceptance on the layer and the encoder: at 4 and 3 bits GPTQ and AWQ are
better than the nearest, and at 2 bits a codebook behind an incoherent change is better than any scale per block.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from feeds import run_joined
from line import Line, status
from models import ENCODER, MODELS, ZooModel
from outlier_layer import LAYER, OutlierLayer
from table import lines_table, markdown

if TYPE_CHECKING:
    from edgec.compiler.metrics import Metric

NAMES = (LAYER, "stories260k", "stories260k_kv", "textgenrnn", ENCODER)
# Where the order of the papers is asked for.
ORDERED = (LAYER, ENCODER)
SCALAR: dict[str, dict[str, Any]] = {
    "nearest": {},
    "HQQ": {"rounding": "hqq"},
    "AWQ": {"awq": True},
    "GPTQ": {"rounding": "gptq"},
    "GPTQ in turn": {"rounding": "gptq", "in_turn": True},
    "AWQ, GPTQ": {"awq": True, "rounding": "gptq"},
    "rotation, GPTQ": {"rotate": True, "rounding": "gptq"},
}
# By bits and name: forms that have no scalar block of `--blocks`.
CODEBOOKS: dict[int, dict[str, dict[str, Any]]] = {
    4: {"NF4": {"scheme": "nf4"}, "FP4": {"scheme": "fp4"}},
    2: {"incoherent, 4 levels": {"scheme": "w2h"}, "codebook (E8)": {"scheme": "w2e8"}},
}
BETTER = (("GPTQ", "nearest"), ("AWQ", "nearest"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """One row: how weights are stored, and by which method."""

    bits: int
    block: int | None
    method: str
    options: dict[str, Any] = field(compare=False)

    @property
    def name(self) -> str:
        return f"{self.method}, {self.bits} bits" + ("" if self.block is None else f", blocks of {self.block}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What one form answered, and what it took.

    Attributes:
        value: The metric.
        noise_db: Noise of the outputs against float, in dB; None for float itself.
        size: Bytes of the model.
        seconds: What the compile took.
    """

    value: float
    outputs: np.ndarray
    noise_db: float | None
    size: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    options = _parse(arguments)
    rows, lines = [], []
    for name in options.models:
        model = OutlierLayer() if name == LAYER else MODELS[name]
        metric = metric_of(model)
        exact = answers(model, metric, model.path, options.evaluation)
        rows.append([name, metric.name, "", "", "float", f"{exact.value:.4f}", "", f"{exact.size / 2**20:.2f}", ""])
        found = {}
        for form in forms(options):
            made = compiled(model, metric, form, options.samples, options.evaluation, exact)
            found[form] = made
            rows.append(_row(name, metric, form, made))
            if sys.stderr.isatty():
                sys.stderr.write(f"{' '.join(rows[-1])}\n")
        if name in ORDERED:
            lines += list(judge(name, metric, found))
    head = ["model", "metric", "bits", "block", "method", "value", "noise dB", "MiB", "compile s"]
    sys.stdout.write(f"{markdown(head, rows)}\n\n{lines_table(lines)}\n")
    red = [f"{line.model} {line.name}" for line in lines if line.status == "red"]
    sys.stdout.write(f"\n{len(red)} red: {', '.join(red)}\n" if red else f"\n{len(lines)} lines, none red\n")
    return 1 if red else 0


def forms(options: argparse.Namespace) -> Iterator[Form]:
    """Every row asked for that this edgec has the options of."""
    from edgec.targets.policy import SCHEMES, Policy

    known = {each.name for each in fields(Policy)}
    for bits in options.bits:
        for block in options.blocks:
            for method, chosen in SCALAR.items():
                if set(chosen) <= known and (not options.methods or method in options.methods):
                    scheme = {"scheme": f"w{bits}", "block_size": block}
                    yield Form(bits=bits, block=block, method=method, options=scheme | chosen)
        for method, chosen in CODEBOOKS.get(bits, {}).items():
            if chosen["scheme"] in SCHEMES and (not options.methods or method in options.methods):
                yield Form(bits=bits, block=None, method=method, options=chosen)


def metric_of(model: ZooModel | OutlierLayer) -> Metric:
    """Perplexity for what predicts the next character too."""
    from edgec.compiler.metrics import metric_named

    return metric_named("perplexity") if model.name == "textgenrnn" else model.task.metric


def compiled(
    model: ZooModel | OutlierLayer, metric: Metric, form: Form, samples: int, evaluation: int, exact: Answers
) -> Answers:
    """Compile one form and run its bundle."""
    import edgec
    from edgec.compiler.samples.base import State

    task = model.task
    feeds = [[dict(step) for step in steps] for steps in task.calibration(samples)]
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        bundle = edgec.compile(
            str(model.path),
            target="x86-64-vnni",
            calibration=feeds if task.carried else [steps[0] for steps in feeds],
            state=State(carried=task.carried, start=task.start),
            output=Path(scratch) / "bundle",
            prove=False,
            search=False,
            weight_form="packed",
            **form.options,
        )
        return answers(model, metric, bundle.model, evaluation, exact, time.perf_counter() - started)


def answers(
    model: ZooModel | OutlierLayer,
    metric: Metric,
    path: Path,
    evaluation: int,
    exact: Answers | None = None,
    seconds: float = 0.0,
) -> Answers:
    """Run a model file over the first evaluation samples."""
    import onnxruntime

    from edgec.compiler.metrics.metric import stack

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    records, outputs = [], []
    for example in model.task.evaluation(evaluation):
        found = run_joined(session, example.steps, model.task)
        records.append(np.asarray(metric.record(found, np.atleast_1d(example.label)), np.float64))
        outputs.append(np.concatenate([each.reshape(-1) for each in found.values()]).astype(np.float32))
    joined = np.concatenate(outputs)
    noise = None
    if exact is not None:
        power = float(np.square(exact.outputs, dtype=np.float64).sum())
        noise = float(10 * np.log10(np.square(joined - exact.outputs, dtype=np.float64).sum() / power))
    data = path.with_name(f"{path.name}.data")
    size = path.stat().st_size + (data.stat().st_size if data.is_file() else 0)
    return Answers(
        value=metric.aggregate(stack(records)), outputs=joined, noise_db=noise, size=size, seconds=seconds
    )  # fmt: skip


def judge(model: str, metric: Metric, found: dict[Form, Answers]) -> Iterator[Line]:
    """The order of the papers, at the widths of their tables, by the noise of the outputs."""
    by_name = {(form.bits, form.block, form.method): each for form, each in found.items()}
    for (bits, block, method), each in by_name.items():
        for better, worse in BETTER:
            other = by_name.get((bits, block, worse))
            if method == better and other is not None and bits in (3, 4):
                yield _line(model, metric, f"{better}, {bits} bits, blocks of {block}", each, worse, other)
    scalar = [(each, key) for key, each in by_name.items() if key[0] == 2 and key[1] is not None]
    codebook = by_name.get((2, None, "codebook (E8)"))
    if scalar and codebook is not None:
        best, (_, block, method) = min(scalar, key=lambda each: _noise(each[0]))
        yield _line(model, metric, "codebook, 2 bits", codebook, f"{method}, blocks of {block}", best)


def _line(model: str, metric: Metric, name: str, each: Answers, worse: str, other: Answers) -> Line:
    text = (
        f"{_noise(each) - _noise(other):+.2f} dB of noise, {metric.name} {each.value:.4f} against {other.value:.4f} "
        f"of {worse}"
    )
    return Line(model=model, name=name, status=status(_noise(each) < _noise(other)), text=text)


def _noise(each: Answers) -> float:
    assert each.noise_db is not None
    return each.noise_db


def _row(name: str, metric: Metric, form: Form, made: Answers) -> list[str]:
    figures = [f"{made.value:.4f}", f"{_noise(made):.2f}", f"{made.size / 2**20:.2f}", f"{made.seconds:.1f}"]
    return [name, metric.name, str(form.bits), str(form.block or ""), form.method, *figures]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    every = [*SCALAR, *(name for each in CODEBOOKS.values() for name in each)]
    parser.add_argument("--models", nargs="+", choices=NAMES, default=NAMES, metavar="MODEL")
    parser.add_argument("--methods", nargs="+", choices=every, metavar="METHOD", help="some rows alone")
    parser.add_argument("--bits", nargs="+", type=int, choices=(8, 4, 3, 2), default=(8, 4, 3, 2))
    parser.add_argument("--blocks", nargs="+", type=int, default=(32, 128))
    parser.add_argument("--samples", type=int, default=64, help="calibration samples (default 64)")
    parser.add_argument("--evaluation", type=int, default=200, help="evaluation samples (default 200)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
