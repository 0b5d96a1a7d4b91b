"""Plain ONNX Runtime sessions, and the feed a latency is taken with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from feeds import replay
from models import ZooModel

if TYPE_CHECKING:
    import onnxruntime as ort

__all__ = ["last_feed", "open_session"]


def open_session(path: str | Path, threads: int) -> ort.InferenceSession:
    """A session with default options, apart from the thread count and the log level."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def last_feed(model: ZooModel) -> dict[str, np.ndarray]:
    """The feed of the last step of the first calibration sample, with the state that float has come to by then."""
    steps = next(iter(model.task.calibration(1)))
    if not model.task.carried:
        return dict(steps[-1])
    *_, (feed, _) = replay(open_session(model.path, 1), steps, model.task)
    return feed
