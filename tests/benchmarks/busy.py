"""Whether a search decides alike on a quiet and on a busy machine, for models whose timings decide.

    python tests/benchmarks/busy.py       # exit 1 when a line is red

Each compile is a process of its own. Beside the busy ones, endless loops run, more of them than there are cores.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from feeds import write_samples
from line import Line, status
from models import MODELS
from process import Record, run_job
from table import lines_table, markdown

# The model, and how much of its float metric may go.
CASES = (("crepe_tiny", ""), ("crepe_tiny", "1%"), ("stories260k_kv", ""))
_LOOP = "while True: pass"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3, help="compiles of each kind")
    parser.add_argument("--loops", type=int, default=4, help="processes beside the busy ones")
    parser.add_argument("--samples", type=int, default=100, help="calibration samples")
    parser.add_argument("--evaluation", type=int, default=48, help="evaluation samples, where a drop is limited")
    parser.add_argument("--only", nargs="+", default=None, help="these models alone")
    options = parser.parse_args(arguments)
    cases = [case for case in CASES if options.only is None or case[0] in options.only]
    found: dict[tuple[str, str, int], list[Record]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in dict.fromkeys(name for name, _ in cases):
            write_samples(MODELS[name].task, options.samples, folder / f"{name}.npz")
        for loops in (0, options.loops):
            with _beside(loops):
                for name, drop in cases:
                    made = [_compiled(folder, name, drop, options.evaluation) for _ in range(options.times)]
                    found[name, drop, loops] = made
    lines = [_line(name, drop, [*found[name, drop, 0], *found[name, drop, options.loops]]) for name, drop in cases]
    sys.stdout.write(f"{_table(found)}\n\n{lines_table(lines)}\n")
    return 1 if any(line.status == "red" for line in lines) else 0


@contextmanager
def _beside(loops: int) -> Iterator[None]:
    """So many endless loops, ended afterwards."""
    running = [subprocess.Popen([sys.executable, "-c", _LOOP]) for _ in range(loops)]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def _compiled(folder: Path, name: str, drop: str, evaluation: int) -> Record:
    """What one compile shipped: `digest` of the model, integer `share`, `seconds`, `notes`, `load` average."""
    record = run_job(
        "ours.py",
        model=str(MODELS[name].path),
        calibration=str(folder / f"{name}.npz"),
        output=str(folder / "bundle"),
        name=name,
        max_drop=drop,
        evaluation=evaluation,
    )
    if "error" in record:
        raise SystemExit(f"{name}: {record['error']}")
    placed = run_job("placement.py", name=name, forms={"ours": record["path"]})
    digest = hashlib.sha256(Path(record["path"]).read_bytes()).hexdigest()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    share = placed.get("ours", {}).get("share")
    sys.stderr.write(f"{name} {drop}: {digest[:8]}, integer MACs {share}, {record['seconds']:.1f} s\n")
    return record | {"digest": digest[:8], "share": share, "load": load}


def _table(found: dict[tuple[str, str, int], list[Record]]) -> str:
    head = "model|drop|loops beside|load|model.onnx|integer MACs|compile s|notes"
    rows = [
        [
            name,
            drop or "–",
            str(loops),
            "–" if each["load"] is None else f"{each['load']:.0f}",
            each["digest"],
            "–" if each["share"] is None else f"{each['share']:.1%}",
            f"{each['seconds']:.1f}",
            "; ".join(note for note in each["notes"] if note.startswith(("latency", "int8"))),
        ]
        for (name, drop, loops), records in found.items()
        for each in records
    ]
    return markdown(head.split("|"), rows)


def _line(name: str, drop: str, records: Sequence[Record]) -> Line:
    shipped = sorted({each["digest"] for each in records})
    shares = ", ".join(sorted({"–" if each["share"] is None else f"{each['share']:.1%}" for each in records}))
    text = f"{len(records)} compiles shipped {len(shipped)} models, integer MACs {shares}"
    return Line(
        model=f"{name} {drop}".strip(), name="decides-alike-when-busy", status=status(len(shipped) == 1), text=text
    )


if __name__ == "__main__":
    sys.exit(main())
