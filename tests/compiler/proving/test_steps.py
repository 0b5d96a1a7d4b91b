"""Differences in quantization steps, against steps planted in graphs and answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgec.compiler.proving.steps import Beside, output_steps
from edgec.runtimes.base import TensorInfo
from edgec.runtimes.fake import FakeRuntime

QDQ = """<ir_version: 8, opset_import: ["": 17]>
g (float[1, 4] x) => (float[4] moved, float[1, 4] plain, float[1, 4] direct)
<float s = {0.25}, uint8 z = {3}, int64[1] flat = {-1}> {
    q = QuantizeLinear(x, s, z)
    direct = DequantizeLinear(q, s, z)
    plain = Relu(direct)
    moved = Reshape(direct, flat)
}"""


def session(answer: np.ndarray):
    info = TensorInfo(name="y", dtype=answer.dtype, shape=answer.shape)
    return FakeRuntime(answer=lambda feeds: {"y": answer}, inputs=(), outputs=(info,)).open(b"")


def apart(place: np.ndarray, reference: np.ndarray, steps: dict[str, float]):
    beside = Beside(session(place), session(reference), steps)
    assert beside.run({})["y"] is place
    return beside.results()["y"]


def test_the_step_of_an_output_is_the_scale_that_writes_it(tmp_path: Path) -> None:
    onnx.save(onnx.parser.parse_model(QDQ), tmp_path / "m.onnx")
    assert output_steps(tmp_path / "m.onnx") == {"direct": 0.25, "moved": 0.25}


def test_differences_are_counted_in_steps() -> None:
    reference = np.array([0.0, 1.0, 2.0], np.float32)
    found = apart(reference + np.float32(0.5), reference, {"y": 0.25})
    assert (found.step, found.max_steps, found.comparison.equal_share) == (0.25, 2.0, 0.0)


def test_without_a_scale_a_step_is_the_references_range_in_255_parts() -> None:
    reference = np.array([-1.0, 1.55], np.float32)
    found = apart(np.array([-1.0, 1.57], np.float32), reference, {})
    assert found.step == pytest.approx(0.01)
    assert found.max_steps == pytest.approx(2.0, rel=1e-4)


def test_integers_are_equal_or_not() -> None:
    found = apart(np.array([1, 2]), np.array([1, 3]), {})
    assert (found.step, found.max_steps, found.comparison.equal_share) == (None, None, 0.5)


def test_a_constant_answer_has_no_step() -> None:
    found = apart(np.ones(3, np.float32), np.ones(3, np.float32), {})
    assert (found.step, found.max_steps, found.comparison.exact) == (None, None, True)
    assert found.to_json()["max_error"] == 0
