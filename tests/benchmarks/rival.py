"""Job: quantize one model with `onnxruntime.quantization`, in one form of its static int8.

Its histogram methods keep every activation of every sample: they get as many samples as stay below `KEPT_BYTES`.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from feeds import read_samples, replay
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.calibrate import create_calibrator
from onnxruntime.quantization.shape_inference import quant_pre_process
from process import Record, job_main, peak_rss_bytes
from tasks.base import every
from warmup import warmup_files

KEPT_BYTES = 3e9  # its peak stays below 4 GB
Feed = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What `quantize_static` is told; weights are int8 per channel in all."""

    activations: QuantType
    method: CalibrationMethod


FORMS = {
    "u8s8": Form(activations=QuantType.QUInt8, method=CalibrationMethod.MinMax),
    "s8s8": Form(activations=QuantType.QInt8, method=CalibrationMethod.MinMax),
    "percentile": Form(activations=QuantType.QUInt8, method=CalibrationMethod.Percentile),
    "entropy": Form(activations=QuantType.QUInt8, method=CalibrationMethod.Entropy),
}


class InMemory(CalibrationDataReader):  # type: ignore[misc]  # the class comes untyped
    """Feeds already in memory, as in the rival's own examples."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self.feeds = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self.feeds, None)


def quantize(model: Path, feeds: Sequence[Feed], form: Form, output: Path) -> tuple[float, float, int]:
    """Pre-process and quantize (per channel, QDQ) as its documentation says; seconds of each step, feeds used."""
    prepared = output.absolute().with_suffix(".prepared.onnx")
    started = time.perf_counter()
    _prepare(model, prepared)
    between = time.perf_counter()
    used = feeds if form.method == CalibrationMethod.MinMax else _affordable(prepared, feeds, form)
    began = time.perf_counter()
    quantize_static(
        str(prepared),
        str(output),
        InMemory(used),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=form.activations,
        weight_type=QuantType.QInt8,
        calibrate_method=form.method,
    )
    ended = time.perf_counter()
    prepared.unlink()
    return between - started, ended - began, len(used)


def _prepare(model: Path, prepared: Path) -> None:
    """Its pre-processing; without symbolic shapes where that step gives up, as its message advises."""
    with contextlib.chdir(prepared.parent):  # it leaves files where it runs
        try:
            quant_pre_process(str(model), str(prepared))
        except Exception as error:  # it raises this class itself
            if "symbolic shape" not in str(error):
                raise
            quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)


def compile_once(model: str, calibration: str, output: str, form: str, name: str = "") -> Record:
    """Quantize `model` in `form`.

    The samples are loaded before the clock starts; `samples_bytes` says how much of the peak they are. With a `name`,
    that of a zoo model whose samples carry state, they are its steps with the state that float has come to.
    """
    with tempfile.TemporaryDirectory() as scratch:
        warm_model, warm_samples = warmup_files(Path(scratch))
        quantize(warm_model, _feeds(warm_samples), FORMS[form], Path(scratch) / "out.onnx")
    feeds = _feeds(Path(calibration), name)
    baseline = peak_rss_bytes()
    prepare_seconds, quantize_seconds, used = quantize(Path(model), feeds, FORMS[form], Path(output))
    return {
        "seconds": prepare_seconds + quantize_seconds,
        "prepare_seconds": prepare_seconds,
        "baseline_bytes": baseline,
        "peak_bytes": peak_rss_bytes(),
        "samples_bytes": sum(array.nbytes for feed in feeds for array in feed.values()),
        "samples": len(feeds),
        "samples_used": used,
        "size_bytes": Path(output).stat().st_size,
        "path": output,
    }


def _feeds(file: Path, name: str = "") -> list[Feed]:
    samples = read_samples(file)
    if not name:
        return [feed for steps in samples for feed in steps]
    from models import MODELS
    from sessions import open_session

    session = open_session(MODELS[name].path, 1)
    return [feed for steps in samples for feed, _ in replay(session, steps, MODELS[name].task)]


def _affordable(prepared: Path, feeds: Sequence[Feed], form: Form) -> Sequence[Feed]:
    """As many feeds, spread evenly, as keep the activations that the calibrator holds below `KEPT_BYTES`."""
    with tempfile.TemporaryDirectory() as scratch:
        augmented = str(Path(scratch) / "augmented.onnx")
        calibrator = create_calibrator(prepared, augmented_model_path=augmented, calibrate_method=form.method)
        largest = max(feeds, key=lambda feed: sum(array.size for array in feed.values()))
        held = sum(np.asarray(output).nbytes for output in calibrator.infer_session.run(None, largest))
    return [feeds[i] for i in every(max(1, int(KEPT_BYTES // held)), len(feeds))]


if __name__ == "__main__":
    job_main(compile_once)
