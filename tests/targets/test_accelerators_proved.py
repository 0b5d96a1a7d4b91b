"""The shipped example for each accelerator that can be executed here, by what acceptance asks of the real models."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

import edgec
from edgec.compiler.portability import Proved, prove_on
from edgec.runtimes import runtime

pytestmark = pytest.mark.targets

# Share of the MACs on the provider and in integers, at least, and partitions there.
ASKED = {
    "snapdragon-8-gen-3": ("qnn-htp", "QNNExecutionProvider", 0.95, 0.9, 1),
    "snapdragon-8-elite": ("qnn-htp-v79", "QNNExecutionProvider", 0.95, 0.9, 1),
    "snapdragon-x-elite": ("qnn-htp-v73", "QNNExecutionProvider", 0.95, 0.9, 1),
    "intel-openvino": ("openvino-cpu", "OpenVINOExecutionProvider", 0.95, 0.9, 1),
    "web-wasm": ("web-wasm", "CPUExecutionProvider", 1.0, 0.9, 1),
}


@pytest.fixture(scope="module", params=ASKED)
def proved(request: pytest.FixtureRequest, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Proved:
    place = ASKED[request.param][0]
    if reason := runtime(place).available():
        pytest.skip(f"{place}: {reason}")
    bundle = edgec.compile(
        digits / "digits.onnx",
        target=request.param,
        calibration=digits / "calibration.npz",
        shapes={"image": (1, 1, 24, 24)},
        context=place.startswith("qnn"),
        output=tmp_path_factory.mktemp("bundle") / "out",
        prove=False,
        cache=False,
    )
    options = {"evaluation": digits / "evaluation.npz", "samples": 100, "float_model": digits / "digits.onnx"}
    return prove_on(bundle, [place], **options).places[0]


def test_it_is_proved_on_evidence(proved: Proved) -> None:
    assert proved.verdict.word == "proved"
    assert proved.proof.unexecuted == ""
    placement, metric = proved.proof.placement, proved.proof.evaluation
    assert placement is not None
    assert metric is not None
    assert metric.metric is not None
    assert metric.metric.drop is not None
    assert metric.metric.drop < 0.011  # one of 100 is a point
    place, provider, there, integer, parts = next(each for each in ASKED.values() if each[0] == proved.place)
    assert proved.proof.runtime == place
    share, integers = placement.mac_share_on(provider), placement.integer_mac_share
    assert share is not None
    assert share >= there
    assert integers is not None
    assert integers >= integer
    assert sum(name == provider for name, _ in groupby(each.provider for each in placement.kernels)) == parts


def test_its_context_is_the_model(proved: Proved) -> None:
    context = proved.proof.context
    if not proved.place.startswith("qnn"):
        assert context is None
        return
    assert context is not None
    assert (context.exact, context.runtime) == (True, proved.place)
