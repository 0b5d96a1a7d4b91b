"""Peak memory: of a new process, by the runner in it, growing as the model and its values do."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgec.errors import ModelError
from edgec.runtimes import runner, runtime
from edgec.runtimes.base import SessionSettings
from edgec.runtimes.host.launch import Launch
from edgec.runtimes.host.memory import memory_of
from edgec.runtimes.host.runtime import HostRuntime

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc: another system's counters")
ONE = SessionSettings(threads=1)


def grown(tmp_path: Path, megabytes: int) -> Path:
    """y = x + 1 over the outer product of x with itself: an intermediate value of that size."""
    size = int((megabytes * 1e6 / 4) ** 0.5)
    text = f"""<ir_version: 8, opset_import: ["" : 17]>
        outer (float[{size}] x) => (float y) {{
            rows = Constant <value = int64[2] {{-1, 1}}> ()
            column = Reshape(x, rows)
            square = Mul(column, x)
            more = Exp(square)
            y = ReduceSum <keepdims = 0> (more)
        }}"""
    path = tmp_path / f"{megabytes}.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def feeds(model: Path) -> dict[str, np.ndarray]:
    size = onnx.load(model).graph.input[0].type.tensor_type.shape.dim[0].dim_value
    return {"x": np.zeros(size, np.float32)}


def test_memory_grows_with_the_values_of_a_run(tmp_path: Path) -> None:
    here = runtime("onnxruntime-cpu")
    found = {}
    for megabytes in (1, 100):
        model = grown(tmp_path, megabytes)
        memory, why = memory_of(here, model, feeds(model), ONE)
        assert memory is not None, why
        assert memory.runs == 2
        assert memory.before > 10e6  # an interpreter with ONNX Runtime in it
        found[megabytes] = memory.added
    assert found[1] < 60e6
    assert (
        found[100] - found[1] > 90e6
    )  # one value of 100 MB at least, whether or not its neighbour is computed in place


def test_another_process_measures_a_model_that_was_sent(tmp_path: Path) -> None:
    model = grown(tmp_path, 50)
    for shares in (True, False):
        launch = Launch(command=(sys.executable,), shares_files=shares)
        place = HostRuntime(name="beside", launch=lambda launch=launch: launch, missing=lambda: None)
        with closing(place):
            memory, why = memory_of(place, model, feeds(model), ONE)
        assert why == ""
        assert memory is not None
        assert memory.added > 45e6


def test_a_place_that_cannot_tell_says_why(tmp_path: Path) -> None:
    model = grown(tmp_path, 1)
    emulated = Launch(command=(sys.executable,), emulated="qemu-aarch64 10.0, cortex-a72")
    twin = Launch(command=(sys.executable,), runner=Path(runner.__file__))
    whys = []
    for launch in (emulated, twin):
        place = HostRuntime(name="board", launch=lambda launch=launch: launch, missing=lambda: None)
        memory, why = memory_of(place, model, feeds(model), ONE)
        assert memory is None
        whys.append(why)
    assert whys == [
        "qemu-aarch64 10.0, cortex-a72 takes memory of its own: measure it on the device, --on ssh:MACHINE",
        "board does not tell what memory it takes: measure it on the device",
    ]


def test_a_model_that_does_not_open_is_an_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot open it"):
        memory_of(runtime("onnxruntime-cpu"), bad, {}, ONE)


def test_a_peak_is_counted_from_now_on() -> None:
    before = runner.fresh_peak()
    assert before is not None
    held = np.ones(30_000_000, np.uint8)
    peak = runner.peak_bytes()
    assert peak is not None
    assert peak - before > 25_000_000
    del held
    again = runner.fresh_peak()
    assert again is not None
    if Path("/proc/self/clear_refs").exists():
        assert (runner.peak_bytes() or 0) < peak
