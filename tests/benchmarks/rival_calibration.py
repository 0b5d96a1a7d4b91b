"""Job: calibration by `onnxruntime.quantization` with its percentile method: collecting, and computing ranges.

It keeps every activation of every sample until the end.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from feeds import read_samples
from onnxruntime.quantization import CalibrationMethod
from onnxruntime.quantization.calibrate import create_calibrator
from onnxruntime.quantization.shape_inference import quant_pre_process
from process import Record, job_main, peak_rss_bytes
from rival import InMemory


def calibrated(model: str, calibration: str) -> Record:
    """Seconds from the calibrator to the ranges of all values; peak bytes less the samples its caller holds."""
    feeds = [feed for steps in read_samples(Path(calibration)) for feed in steps]
    held = sum(array.nbytes for feed in feeds for array in feed.values())
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(model, str(prepared))
        floor = peak_rss_bytes()
        started = time.perf_counter()
        calibrator = create_calibrator(
            prepared,
            augmented_model_path=str(Path(scratch) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.Percentile,
        )
        calibrator.collect_data(InMemory(feeds))
        calibrator.compute_data()
        seconds = time.perf_counter() - started
        peak = peak_rss_bytes()
        del calibrator
    return {"seconds": seconds, "samples": len(feeds), "floor_bytes": floor - held, "peak_bytes": peak - held}


if __name__ == "__main__":
    job_main(calibrated)
