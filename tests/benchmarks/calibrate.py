"""Job: write a zoo model's calibration samples to an npz, so that every tool reads the same file."""

from __future__ import annotations

from pathlib import Path

from feeds import write_samples
from models import MODELS
from process import Record, job_main


def write(name: str, samples: int, file: str) -> Record:
    count = write_samples(MODELS[name].task, samples, Path(file))
    return {"samples": count, "bytes": Path(file).stat().st_size}


if __name__ == "__main__":
    job_main(write)
