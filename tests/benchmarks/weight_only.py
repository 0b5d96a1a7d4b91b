"""What methods for weights in few bits keep of language models and of a sentence encoder, and what their files weigh.

    python tests/benchmarks/weight_only.py                                   # exit 1 when a line is red
    python tests/benchmarks/weight_only.py --models layer --bits 2 3 4
    python tests/benchmarks/weight_only.py --models sentence_encoder --bits 4 --blocks 128 --evaluation 100

Every form is compiled and its bundle run in ONNX Runtime, matrices multiplied as they are stored: perplexity, Spearman,
and the noise of all outputs against float. `layer` is a product of 512 x 512 whose inputs are correlated, with channels
that stand out, seeded: its metric is the relative error of its outputs on inputs that no method saw.

The whole table takes two cores some 40 minutes (`--jobs 2`, one thread each). Cells are kept in
`bench-out/weight_only/` as they are made, so that a run that was cut off goes on where it was; `--fresh` forgets them,
and should after a change of what they measure. The tables are written to `bench-out/weight_only.md` and `.json`, too.

The order the papers report is a line of acceptance on the layer and the encoder: at 4 and 3 bits GPTQ and AWQ are
better than the nearest, and at 2 bits a codebook behind an incoherent change is better than any scale per block.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path

from line import Line
from models import ENCODER
from outlier_layer import LAYER
from table import lines_table
from weight_only_cell import COUNTS, NAMES, Cell, Counts, cell, float_cell, metric_of, model_named
from weight_only_forms import EVERY, TABLE, Form, forms
from weight_only_table import judge, model_table

# Where the order of the papers is asked for.
ORDERED = (LAYER, ENCODER)
OUT = Path(__file__).resolve().parents[2] / "bench-out" / "weight_only"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    options = _parse(arguments)
    if options.fresh:
        shutil.rmtree(OUT, ignore_errors=True)
    asked = list(forms(options.bits, options.blocks, options.methods))
    counts = {name: _counts(name, options) for name in options.models}
    found = _run(options.models, asked, counts, options.jobs)
    tables, lines, record = [], [], {}
    for name in options.models:
        metric = metric_of(model_named(name))
        exact = float_cell(name, OUT / name, counts[name])
        tables.append(model_table(name, metric, counts[name], exact, found[name]))
        if name in ORDERED:
            lines += list(judge(name, metric, found[name]))
        record[name] = {
            "metric": metric.name,
            **asdict(counts[name]),
            "float": asdict(exact),
            "forms": [
                {"bits": form.bits, "block": form.block, "method": form.method} | asdict(each)
                for form, each in found[name].items()
            ],
        }
    text = "\n\n".join([*tables, lines_table(lines)] if lines else tables)
    sys.stdout.write(f"{text}\n")
    _write(text, record, lines)
    red = [f"{line.model} {line.name}" for line in lines if line.status == "red"]
    sys.stdout.write(f"\n{len(red)} red: {', '.join(red)}\n" if red else f"\n{len(lines)} lines, none red\n")
    return 1 if red else 0


def _run(
    names: Sequence[str], asked: Sequence[Form], counts: Mapping[str, Counts], jobs: int
) -> dict[str, dict[Form, Cell]]:
    """Every cell, in the order asked for; as many processes of one thread as jobs."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    found: dict[str, dict[Form, Cell]] = {name: {} for name in names}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting: dict[Future[Cell], tuple[str, Form]] = {}
        for name in names:
            model_named(name).path.stat()  # built, by one process alone
            for form in asked:
                waiting[pool.submit(cell, name, OUT / name, form, counts[name])] = (name, form)
        for done, future in enumerate(as_completed(waiting), start=1):
            name, form = waiting[future]
            found[name][form] = future.result()
            if sys.stderr.isatty():
                sys.stderr.write(f"{done} of {len(waiting)}: {name}, {form.name}\n")
    return {name: {form: found[name][form] for form in asked} for name in names}


def _counts(name: str, options: argparse.Namespace) -> Counts:
    usual = COUNTS[name]
    usual = usual if options.samples is None else replace(usual, samples=options.samples)
    return usual if options.evaluation is None else replace(usual, evaluation=options.evaluation)


def _write(text: str, record: Mapping[str, object], lines: Sequence[Line]) -> None:
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    whole = {"date": date, "models": record, "lines": [asdict(line) for line in lines]}
    OUT.with_suffix(".json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    OUT.with_suffix(".md").write_text(f"{text}\n", encoding="utf-8")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=NAMES, default=NAMES, metavar="MODEL")
    parser.add_argument("--methods", nargs="+", choices=EVERY, default=TABLE, metavar="METHOD", help="some columns")
    parser.add_argument("--bits", nargs="+", type=int, choices=(8, 4, 3, 2), default=(8, 4, 3, 2))
    parser.add_argument("--blocks", nargs="+", type=int, default=(32, 128))
    parser.add_argument("--samples", type=int, help="calibration samples (default: by model)")
    parser.add_argument("--evaluation", type=int, help="evaluation samples (default: by model)")
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each (default 2)")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs kept")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
