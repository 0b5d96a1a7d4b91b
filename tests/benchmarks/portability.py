"""One bundle per target, proved on every place that target names, and how far each place is from this machine.

    python tests/benchmarks/portability.py              # what acceptance asks for; exit 1 when a line is red
    python tests/benchmarks/portability.py --models kws_dscnn --targets raspberry-pi-4 pixel-8 --evaluation 8
    python tests/benchmarks/portability.py --targets snapdragon-8-gen-3 --evaluation 200

The places are installed with `edgec runtime install` beforehand; one that is missing is a red line, or undecided where
it comes under a vendor's licence. Emulation is slow: `--evaluation` samples are few, so the metric is of these samples
only, and float is given beside it; a loss that so few do not settle is amber. Of photographs there are twice as many as
the zoo has, each and its mirror image: `--evaluation 1000`.

Where a target runs static shapes only, every sample has one: sentences are padded to `fixed.TOKENS`, which their mask
says. Where its backend compiles offline, the bundle carries that context binary too.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from feeds import read_samples, write_samples
from fixed import fixed_shapes, padded
from line import Line
from models import MODELS, ZooModel
from portable import CONVOLUTIONAL, judge, places_table
from process import Record
from table import lines_table

NAMES = ("mobilenetv2_100", "resnet56_cifar10", "kws_dscnn", "sentence_encoder")
TARGETS = (
    "raspberry-pi-5", "raspberry-pi-4", "armv7", "x86-64-avx2", "pixel-8", "intel-openvino", "web-wasm",
    "snapdragon-8-gen-3",
)  # fmt: skip
# Beside what the policy chooses: 16-bit activations and 4-bit weights on a convolutional net each.
SCHEMES = {("snapdragon-8-gen-3", "kws_dscnn"): ("a16w8",), ("snapdragon-8-gen-3", "resnet56_cifar10"): ("a8w4",)}
OUT = Path(__file__).resolve().parents[2] / "bench-out" / "portability.json"
assert set(NAMES) >= CONVOLUTIONAL


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(NAMES), choices=list(MODELS))
    parser.add_argument("--targets", nargs="+", default=list(TARGETS))
    parser.add_argument("--samples", type=int, default=100, help="calibration samples")
    parser.add_argument("--evaluation", type=int, default=32, help="evaluation samples on each place")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    records: list[Record] = []
    lines: list[Line] = []
    for name in options.models:
        model = MODELS[name]
        if model.absent:
            _say(f"{name}: {model.absent}")
            continue
        for target in options.targets:
            for scheme in ("auto", *SCHEMES.get((target, name), ())):
                _say(f"{name} for {target}, {scheme} ...")
                found = list(bench(model, target, scheme, options))
                records += found
                lines += [line for record in found for line in judge(record)]
                options.out.write_text(json.dumps({"records": records}, indent=1) + "\n", encoding="utf-8")
    red = [f"{line.model} {line.name}" for line in lines if line.status == "red"]
    end = f"{len(red)} red: {', '.join(red)}" if red else f"{len(lines)} lines, none red"
    sys.stdout.write("\n\n".join([places_table(records), lines_table(lines), end]) + "\n")
    return 1 if red else 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def bench(model: ZooModel, target: str, scheme: str, options: argparse.Namespace) -> Iterator[Record]:
    """Compile for a target, prove on each of its places; one record per place."""
    import edgec
    from edgec.compiler.portability import prove_on
    from edgec.compiler.samples.base import State
    from edgec.errors import EdgecError
    from edgec.runtimes import RUNTIMES
    from edgec.runtimes.compilers import COMPILERS
    from edgec.targets import find_target

    task, spec = model.task, find_target(target)
    state = State(carried=task.carried, start=task.start)
    places = [name for name in spec.proof if name in RUNTIMES]
    named = {"model": model.name, "target": target, "scheme": scheme}
    if absent := [reason for reason in map(licensed_and_absent, places) if reason]:
        yield {**named, "place": places[0], "absent": absent[0]}
        return
    fix = (lambda steps: padded(model, steps)) if spec.static_shapes else tuple
    examples = [(list(fix(each.steps)), each.label) for each in task.evaluation(options.evaluation)]
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "calibration.npz"
        write_samples(task, options.samples, file)
        calibration: Any = str(file)
        if not task.uniform:
            calibration = [list(fix(tuple(each))) for each in read_samples(file)]
        try:
            bundle = edgec.compile(
                model.path,
                target=target,
                scheme=scheme,
                calibration=calibration,
                state=state,
                shapes=fixed_shapes(tuple(examples[0][0])) if spec.static_shapes else {},
                context=spec.providers[0] in COMPILERS,
                output=Path(scratch) / "bundle",
                prove=False,
            )
        except EdgecError as error:
            yield {**named, "place": "", "error": str(error)}
            return
        for place in places:
            record = {**named, "scheme": bundle.manifest["scheme"], "place": place}
            try:
                proved = prove_on(
                    bundle, [place], evaluation=examples, metric=task.metric, float_model=model.path, state=state
                )
            except EdgecError as error:
                yield {**record, "error": str(error)}
                continue
            yield {**record, **proved.places[0].to_json(), "place": place}


def licensed_and_absent(place: str) -> str:
    """Why a place is not here that only those have who accepted its vendor's licence; "" for any other."""
    from edgec.runtimes.install.component import components
    from edgec.runtimes.places import places

    found = places().get(place)
    if found is None or all(components()[name].terms is None for name in found.needs):
        return ""
    return found.missing() or ""


if __name__ == "__main__":
    sys.exit(main())
