"""What data-free distillation brings back of what rounding to the nearest lost: stories260k at 4 bits, blocks of 128.

    python tests/benchmarks/distill.py                  # exit 1 when a line is red
    python tests/benchmarks/distill.py --steps 200 --texts 128 --length 64

The student learns on texts that the float model wrote itself; the stories of the evaluation are never seen. Perplexity
is of the bundles in ONNX Runtime, matrices multiplied as they are stored. Acceptance: at least half of the perplexity
that the nearest lost comes back, within 30 minutes on two cores; and the bundle's codes are those that were trained.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from line import Line, status
from models import MODELS
from table import lines_table, markdown

import edgec
from edgec.runtimes.ort import OrtCpu

NAME = "stories260k"
FORM: dict[str, Any] = {"scheme": "w4", "block_size": 128}
HALF, MINUTES = 0.5, 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    options = _parse(arguments)
    model = MODELS[NAME]
    rows = [(each.steps[0], each.label) for each in model.task.evaluation(options.evaluation)]
    started = time.perf_counter()
    taught = edgec.distill(
        str(model.path),
        steps=options.steps,
        texts=options.texts,
        length=options.length,
        batch=options.batch,
        checkpoint=options.checkpoint,
        seed=options.seed,
        **FORM,
    )
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as scratch:
        exact = _perplexity(model.path, rows)
        nearest = _perplexity(_compiled(str(model.path), Path(scratch) / "nearest"), rows)
        distilled = _perplexity(_compiled(taught, Path(scratch) / "distilled"), rows)
    share = (nearest - distilled) / (nearest - exact)
    table = markdown(
        ["", "perplexity", "brought back"],
        [
            ["float", f"{exact:.4f}", ""],
            ["nearest, 4 bits, blocks of 128", f"{nearest:.4f}", ""],
            ["distilled, the same form", f"{distilled:.4f}", f"{100 * share:.0f} %"],
        ],
    )
    lines = [
        Line(model=NAME, name="brought back", status=status(share >= HALF), text=f"{100 * share:.0f} % ≥ 50 %"),
        Line(model=NAME, name="time", status=status(seconds <= 60 * MINUTES), text=f"{seconds / 60:.1f} min ≤ 30 min"),
    ]
    sys.stdout.write(f"{table}\n\n{lines_table(lines)}\n")
    return int(any(line.status == "red" for line in lines))


def _compiled(model: Any, folder: Path) -> Path:
    bundle = edgec.compile(
        model, target="x86-64-vnni", prove=False, search=False, weight_form="packed", output=folder, **FORM
    )
    return bundle.model


def _perplexity(file: Path, rows: Sequence[tuple[Any, Any]]) -> float:
    """exp of the mean surprise of the tokens that came next."""
    session = OrtCpu().open(file)
    surprise = []
    for feeds, label in rows:
        logits = session.run(feeds)["logits"][0].astype(np.float64)
        logits -= logits.max(axis=-1, keepdims=True)
        chosen = np.take_along_axis(logits, np.asarray(label)[:, None], axis=-1)[:, 0]
        surprise.append(np.log(np.exp(logits).sum(axis=-1)) - chosen)
    return float(np.exp(np.concatenate(surprise).mean()))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--evaluation", type=int, help="rows of the evaluation (default: all 123)")
    parser.add_argument("--checkpoint", type=Path, help="keeps what was learned, and goes on from it")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
