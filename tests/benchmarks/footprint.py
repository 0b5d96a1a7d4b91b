"""Job: the memory one model takes in a plain session: after opening it, and after running it."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
from models import MODELS
from process import Record, job_main, peak_rss_bytes

RUNS = 5


def footprint(name: str, path: str) -> Record:
    """Peak bytes above those of the process that has its feed but no session yet."""
    model = MODELS[name]
    feed: dict[str, np.ndarray] = {model.input: next(iter(model.calibration(1)))}
    before = peak_rss_bytes()
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    loaded = peak_rss_bytes()
    for _ in range(RUNS):
        session.run(None, feed)
    return {"load_bytes": loaded - before, "peak_bytes": peak_rss_bytes() - before, "process_bytes": peak_rss_bytes()}


if __name__ == "__main__":
    job_main(footprint)
