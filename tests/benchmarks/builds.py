"""A build of two real models for three targets each: everything compiled, then everything from the cache.

    python tests/benchmarks/builds.py       # exit 1 when a line is red

Each build is a process of its own, its start included; samples are written to files beforehand.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from feeds import write_samples
from line import Line, status
from models import MODELS
from table import lines_table

NAMES = ("mobilenetv2_100", "resnet56_cifar10")
TARGETS = ("host", "raspberry-pi-4", "x86-64-avx2")
# Acceptance: the second run is this many times faster.
FASTER = 20.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100, help="calibration samples")
    parser.add_argument("--evaluation", type=int, default=200, help="evaluation samples")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        projects = [_project(folder, name, options.samples, options.evaluation) for name in NAMES]
        first, second = (_build(projects, folder, options.jobs) for _ in range(2))
    line = Line(
        model=" and ".join(NAMES),
        name="second-build",
        status=status(second * FASTER <= first),
        text=f"{first:.1f} s compiled, {second:.2f} s from the cache: {first / second:.0f}x, limit {FASTER:.0f}x",
    )
    sys.stdout.write(lines_table([line]) + "\n")
    return 1 if line.status == "red" else 0


def _project(folder: Path, name: str, samples: int, evaluation: int) -> Path:
    """A project file of a zoo model, its samples beside it."""
    model = MODELS[name]
    home = folder / name
    home.mkdir()
    write_samples(model.task, samples, home / "calib.npz")
    examples = list(model.task.evaluation(evaluation))
    (input_name,) = examples[0].steps[0]
    arrays = {
        input_name: np.concatenate([example.steps[0][input_name] for example in examples]),
        "label": np.array([example.label for example in examples]),
    }
    np.savez(home / "eval.npz", allow_pickle=False, **arrays)
    tables = [
        f'[model]\npath = "{model.path.as_posix()}"\nname = "{name}"',
        '[calibration]\npath = "calib.npz"',
        '[evaluation]\npath = "eval.npz"',
        '[metric]\nname = "top1"',
        *(f"[targets.{target}]" for target in TARGETS),
    ]
    file = home / "edgec.toml"
    file.write_text("\n".join(tables) + "\n", encoding="utf-8")
    return file


def _build(projects: Sequence[Path], folder: Path, jobs: int) -> float:
    """Seconds of one build."""
    command = [
        sys.executable, "-m", "edgec", "build", *map(str, projects), "-o", str(folder / "build"), "-j", str(jobs),
        "--cache-dir", str(folder / "cache"), "-q",
    ]  # fmt: skip
    started = time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, stdout=sys.stderr)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
