"""Job: write a zoo model's calibration samples to an npz, so that every tool reads the same file."""

from __future__ import annotations

from pathlib import Path

from models import MODELS
from process import Record, job_main


def write(name: str, samples: int, file: str) -> Record:
    MODELS[name].write_calibration(samples, Path(file))
    return {"bytes": Path(file).stat().st_size}


if __name__ == "__main__":
    job_main(write)
