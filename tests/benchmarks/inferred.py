"""Job: plain inference of samples, one by one, in a session with default options."""

from __future__ import annotations

import time
from pathlib import Path

import onnxruntime as ort
from feeds import read_samples
from process import Record, job_main, peak_rss_bytes


def inferred(model: str, calibration: str) -> Record:
    """Seconds of all runs, after one to warm up."""
    feeds = [feed for steps in read_samples(Path(calibration)) for feed in steps]
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    session.run(None, feeds[0])
    started = time.perf_counter()
    for feed in feeds:
        session.run(None, feed)
    return {"seconds": time.perf_counter() - started, "samples": len(feeds), "peak_bytes": peak_rss_bytes()}


if __name__ == "__main__":
    job_main(inferred)
