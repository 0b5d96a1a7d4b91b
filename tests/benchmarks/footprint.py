"""Job: the memory one model takes in a plain session, from opening it to running it."""

from __future__ import annotations

import gc

from models import MODELS
from process import Record, job_main, peak_rss_bytes

RUNS = 5


def footprint(name: str, path: str) -> Record:
    """Peak bytes above those of a process that has Python, numpy and its feed, but neither ONNX Runtime nor a model.

    That difference is what the model costs a program that is not written in Python: the runtime's library, the
    loaded model, its activations.
    """
    feed = dict(next(iter(MODELS[name].task.calibration(1)))[0])
    gc.collect()
    before = peak_rss_bytes()
    import onnxruntime as ort

    library = peak_rss_bytes()
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    loaded = peak_rss_bytes()
    for _ in range(RUNS):
        session.run(None, feed)
    return {
        "library_bytes": library - before,
        "load_bytes": loaded - before,
        "peak_bytes": peak_rss_bytes() - before,
    }


if __name__ == "__main__":
    job_main(footprint)
