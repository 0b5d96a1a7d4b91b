"""Where error shows in what ships: values, depths, and when there is no look."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import edgec
from edgec.bundle import Bundle
from edgec.compiler import depth
from edgec.compiler.depth import error_by_depth
from edgec.compiler.load import load_model
from edgec.compiler.samples import open_samples
from edgec.compiler.samples.base import Samples, State
from edgec.compiler.signature import inputs_of


@pytest.fixture(scope="module")
def model(digits: Path) -> ir.Model:
    return load_model(digits / "digits.onnx").model


@pytest.fixture(scope="module")
def samples(model: ir.Model, digits: Path) -> Samples:
    return open_samples(
        digits / "evaluation.npz", inputs_of(model), role="evaluation", preprocess={}, state=State(), limit=2, seed=0
    )


@pytest.fixture(scope="module")
def bundle(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return edgec.compile(
        digits / "digits.onnx",
        calibration=digits / "calibration.npz",
        evaluation=digits / "evaluation.npz",
        output=tmp_path_factory.mktemp("depth") / "out",
        scheme="a8w8",
        search=False,
        cache=False,
    )


def test_every_value_both_have_is_on_the_curve(bundle: Bundle, model: ir.Model, samples: Samples) -> None:
    found = error_by_depth(bundle, model, samples)
    assert found is not None
    assert (found["bundle"], found["steps"]) == (bundle.digest, 1)
    first, last = found["values"][0], found["values"][-1]
    assert (first, last[1:3]) == ([0, "image", "input", None], ["logits", "Gemm"])
    depths = [each[0] for each in found["values"]]
    assert depths == sorted(depths)


def test_the_last_value_is_as_far_as_the_outputs_are(bundle: Bundle, model: ir.Model, samples: Samples) -> None:
    """Against outputs of plain sessions on the same sample."""
    found = error_by_depth(bundle, model, samples)
    assert found is not None
    sample = next(iter(samples))
    from onnxruntime import InferenceSession

    float_file = ir.to_proto(model).SerializeToString()
    x = InferenceSession(float_file).run(["logits"], dict(sample.feeds))[0].astype(np.float64)
    y = InferenceSession(bundle.model).run(["logits"], dict(sample.feeds))[0].astype(np.float64)
    wanted = 10 * np.log10((x**2).sum() / ((x - y) ** 2).sum())
    assert found["values"][-1][3] == pytest.approx(wanted, abs=0.2)


def test_a_compile_keeps_it_beside_the_proof(bundle: Bundle) -> None:
    kept = json.loads((bundle.proof / "depth.json").read_text(encoding="utf-8"))
    assert kept["bundle"] == bundle.digest
    assert kept["sample"] == "evaluation.npz[0]"
    assert all(each[3] is None or each[3] > 20 for each in kept["values"])


def test_what_would_take_long_is_not_looked_at(
    bundle: Bundle, model: ir.Model, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth, "MOST_ELEMENTS", 1000)
    assert error_by_depth(bundle, model, samples) is None


def test_another_model_is_no_error_of_the_verdict(bundle: Bundle, samples: Samples) -> None:
    other = ir.from_onnx_text("""<ir_version: 10, opset_import: ["" : 20]>
        other (float[1, 3] x) => (float[1, 3] y) { y = Relu(x) }""")
    assert error_by_depth(bundle, other, samples) is None
