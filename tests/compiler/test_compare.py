"""Compare: float against bundle, against another quantizer's model, bundle against bundle; sequences; refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from support.classifier import classifier, images
from support.graphs import model, weights

import edgec
from edgec.errors import ModelError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("compared")
    onnx.save(classifier(), place / "model.onnx")
    np.savez(place / "calib.npz", image=images())
    edgec.compile(place / "model.onnx", calibration=place / "calib.npz", output=place / "out", prove=False)
    return place


def test_a_model_is_identical_to_itself(folder: Path) -> None:
    found = edgec.compare(folder / "model.onnx", folder / "model.onnx", folder / "calib.npz")
    assert {value.name for value in found.values} == {"image", "stem", "positive", "pooled", "features", "logits"}
    assert all(value.distance.sqnr_db == np.inf and value.distance.max_error == 0 for value in found.values)
    assert found.lone == ()


def test_float_against_bundle(folder: Path) -> None:
    found = edgec.compare(folder / "model.onnx", folder / "out", folder / "calib.npz")
    assert [value.depth for value in found.values] == sorted(value.depth for value in found.values)
    by_name = {value.name: value.distance for value in found.values}
    assert {"image", "positive", "logits"} <= by_name.keys()
    assert by_name["image"].sqnr_db == np.inf, "channels are padded before anything is rounded"
    assert all(20 < far.sqnr_db < 70 for name, far in by_name.items() if name != "image")
    assert by_name["positive"].clipped < 0.01
    worst = found.worst_first[0].distance.sqnr_db
    assert worst == min(far.sqnr_db for far in by_name.values())


def test_the_figures_are_those_of_the_outputs(folder: Path) -> None:
    """Against numpy on what both models answer."""
    x = images(4, seed=3)
    found = edgec.compare(folder / "model.onnx", folder / "out", [{"image": each[None]} for each in x])
    answers = []
    for file in (folder / "model.onnx", folder / "out" / "model.onnx"):
        bundle = edgec.compile(ir.load(file), scheme="float", prove=False)
        answers.append(np.concatenate([bundle.run({"image": each[None]})["logits"] for each in x]).astype(np.float64))
    a, b = answers
    far = {value.name: value.distance for value in found.values}["logits"]
    assert far.sqnr_db == pytest.approx(10 * np.log10((a**2).sum() / ((a - b) ** 2).sum()), abs=1e-3)
    assert far.max_error == pytest.approx(np.abs(a - b).max(), rel=1e-4)
    assert far.mean_error == pytest.approx((b - a).mean(), abs=1e-6)
    assert far.relative_error == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(a), rel=1e-4)
    assert far.elements == a.size


@pytest.mark.filterwarnings("ignore")
def test_against_another_quantizers_model(folder: Path, tmp_path: Path) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.feeds = iter([{"image": each[None]} for each in images()])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.feeds, None)

    theirs = tmp_path / "theirs.onnx"
    quantize_static(str(folder / "model.onnx"), str(theirs), Reader(), quant_format=QuantFormat.QDQ)
    for reference in (folder / "model.onnx", folder / "out"):
        found = edgec.compare(reference, theirs, folder / "calib.npz")
        by_name = {value.name: value.distance.sqnr_db for value in found.values}
        assert {"image", "positive", "logits"} <= by_name.keys()
        assert by_name["logits"] > 15


def test_clipped_values_are_counted(tmp_path: Path) -> None:
    linear = model("g (float[N, 8] x) => (float[N, 8] y) { y = Gemm(x, w) }", w=weights(8, 8))
    small = [{"x": np.linspace(-1, 1, 8, dtype=np.float32)[None]}]
    edgec.compile(linear, calibration=small, calibration_method="minmax", output=tmp_path / "out", prove=False)
    wide = [{"x": np.asarray([[-4, -3, -2, -0.5, 0.5, 2, 3, 4]], np.float32)}]
    found = edgec.compare(linear, tmp_path / "out", wide)
    assert {value.name: value.distance.clipped for value in found.values}["x"] == 6 / 8


def test_sequences_carry_each_their_own_state(recurrent: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    sequences = [[{"x": rng.normal(size=(1, 8)).astype(np.float32)} for _ in range(5)] for _ in range(4)]
    state = {"state": "state_out"}
    edgec.compile(recurrent, calibration=sequences, state=state, output=tmp_path / "out", prove=False)
    found = edgec.compare(recurrent, tmp_path / "out", sequences)
    by_name = {value.name: value.distance for value in found.values}
    assert by_name["g"].elements == 4 * 5 * 8
    assert by_name["y"].sqnr_db > 15
    assert by_name["state"].sqnr_db < np.inf, "the second carries its own, rounded state"


def test_slices_of_values_say_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgec.compiler import compare as module
    from edgec.compiler.diagnosing.taps import slices

    whole = edgec.compare(folder / "model.onnx", folder / "out", folder / "calib.npz")
    monkeypatch.setattr(module, "slices", lambda values: slices(values, most=1))
    assert edgec.compare(folder / "model.onnx", folder / "out", folder / "calib.npz") == whole


def test_json_has_the_curve(folder: Path) -> None:
    found = edgec.compare(folder / "model.onnx", folder / "out", folder / "calib.npz", limit=3).to_json()
    values = json.loads(json.dumps(found, allow_nan=False))
    assert values["samples"] == 3
    assert values["error_by_depth"] == [[value["depth"], value["sqnr_db"]] for value in values["values"]]


def test_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    other = model("g (float[N, 8] z) => (float[N, 8] y) { y = Relu(z) }")
    ir.save(other, tmp_path / "other.onnx")
    with pytest.raises(ModelError) as error:
        edgec.compare(folder / "model.onnx", tmp_path / "other.onnx", folder / "calib.npz")
    assert str(error.value) == "other.onnx: has inputs z; model.onnx has image. Give two forms of the same model."


def test_models_without_a_common_value_are_refused(tmp_path: Path) -> None:
    one = model("g (float[N, 8] x) => (float[N, 8] y) { y = Relu(x) }")
    two = model("g (float[N, 8] x) => (float[N, 8] z) { z = Neg(x) }")
    ir.save(two, tmp_path / "two.onnx")
    with pytest.raises(ModelError) as error:
        edgec.compare(one, tmp_path / "two.onnx", [{"x": np.ones((1, 8), np.float32)}])
    assert str(error.value) == (
        "two.onnx: has no value in common with <onnx_ir.Model>: neither names nor structure match. "
        "Give two forms of the same model."
    )
