"""Job: quantize one model with `onnxruntime.quantization`, in one of the two forms of its static int8."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from process import Record, job_main, peak_rss_bytes
from warmup import warmup_files

ACTIVATIONS = {"u8s8": QuantType.QUInt8, "s8s8": QuantType.QInt8}


class InMemory(CalibrationDataReader):  # type: ignore[misc]  # the class comes untyped
    """Feeds of one sample from arrays already in memory, as in the rival's own examples."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.count = len(next(iter(arrays.values())))
        self.feeds = ({name: array[i : i + 1] for name, array in arrays.items()} for i in range(self.count))

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


def quantize(model: Path, arrays: dict[str, np.ndarray], form: str, output: Path) -> tuple[float, float]:
    """Pre-process and quantize (min-max, per channel, QDQ) as its documentation says; seconds of each step."""
    prepared = output.with_suffix(".prepared.onnx")
    started = time.perf_counter()
    quant_pre_process(str(model), str(prepared))
    between = time.perf_counter()
    quantize_static(
        str(prepared),
        str(output),
        InMemory(arrays),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=ACTIVATIONS[form],
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )
    ended = time.perf_counter()
    prepared.unlink()
    return between - started, ended - between


def compile_once(model: str, calibration: str, output: str, form: str) -> Record:
    """Quantize `model` in `form`.

    The samples are loaded before the clock starts; `samples_bytes` says how much of the peak they are.
    """
    with tempfile.TemporaryDirectory() as scratch:
        warm_model, warm_samples = warmup_files(Path(scratch))
        quantize(warm_model, _load(warm_samples), form, Path(scratch) / "out.onnx")
    arrays = _load(Path(calibration))
    baseline = peak_rss_bytes()
    prepare_seconds, quantize_seconds = quantize(Path(model), arrays, form, Path(output))
    return {
        "seconds": prepare_seconds + quantize_seconds,
        "prepare_seconds": prepare_seconds,
        "baseline_bytes": baseline,
        "peak_bytes": peak_rss_bytes(),
        "samples_bytes": sum(array.nbytes for array in arrays.values()),
        "size_bytes": Path(output).stat().st_size,
        "path": output,
    }


def _load(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


if __name__ == "__main__":
    job_main(compile_once)
