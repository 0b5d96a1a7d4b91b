"""The shipped example, compiled for the web and proved on WebAssembly."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgec
from edgec.bundle import Bundle
from edgec.compiler.portability import Proved, prove_on
from edgec.runtimes import runtime

pytestmark = pytest.mark.targets


@pytest.fixture(scope="module")
def bundle(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return edgec.compile(
        digits / "digits.onnx",
        target="web-wasm",
        calibration=digits / "calibration.npz",
        output=tmp_path_factory.mktemp("web") / "out",
        prove=False,
        cache=False,
    )


@pytest.fixture(scope="module", params=["web-wasm", "web-wasm-chromium"])
def proved(request: pytest.FixtureRequest, bundle: Bundle, digits: Path) -> Proved:
    place = runtime(request.param)
    if reason := place.available():
        pytest.skip(f"{request.param}: {reason}")
    options = {"evaluation": digits / "evaluation.npz", "samples": 100, "float_model": digits / "digits.onnx"}
    return prove_on(bundle, [request.param], **options).places[0]


def test_it_is_proved_where_it_will_live(proved: Proved) -> None:
    proof = proved.proof
    assert proved.verdict.word == "proved"
    assert (proof.runtime, proof.unexecuted, proof.emulated) == (proved.place, "", "")
    assert proof.versions["onnxruntime"] == "1.30.0"
    assert "numpy" not in proof.versions
    assert proof.untimed == f"times under {proved.place} are not the device's"
    assert proof.latency == ()


def test_what_pays_runs_in_integers_on_evidence(proved: Proved) -> None:
    placement = proved.proof.placement
    assert placement is not None
    assert placement.evidence == "profile of one run"
    convolutions = [kernel.op_type for kernel in placement.kernels if "Conv" in kernel.op_type]
    # Of 9, 288, 9, 64 and 576 products per element.
    assert (len(convolutions), convolutions.count("QLinearConv")) == (5, 2)
    assert placement.integer_mac_share == pytest.approx(0.918, abs=0.01)
    assert not placement.off_provider(["CPUExecutionProvider"])


def test_it_answers_as_this_process_does(proved: Proved) -> None:
    """The integer kernels are exact; what differs are sums of floats in another order."""
    assert proved.proof.apart is not None
    (logits,) = proved.proof.apart.values()
    assert logits.max_steps is not None
    assert logits.max_steps <= 3
    assert logits.comparison.sqnr_db is None or logits.comparison.sqnr_db > 40
