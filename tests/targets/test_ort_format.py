"""`model.ort` where it will live: the target's own ONNX Runtime opens it; for XNNPACK there is none that runs there."""

from __future__ import annotations

import importlib
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.graphs import weights
from support.protos import proto, saved

import edgec
from edgec.bundle import Bundle
from edgec.compiler.ort_format import REQUIRED, make_ort
from edgec.errors import EdgecError
from edgec.runtimes import runtime
from edgec.runtimes.base import SessionSettings
from edgec.runtimes.host.runtime import HostRuntime
from edgec.runtimes.ort_format import REPLAY, save_ort_format
from edgec.runtimes.places import places
from edgec.targets import find_target

pytestmark = pytest.mark.targets

XNNPACK = "XnnpackExecutionProvider"


def compiled(digits: Path, output: Path, target: str, place: str, **options: object) -> Bundle:
    if reason := runtime(place).available():
        pytest.skip(f"{place}: {reason}")
    return edgec.compile(
        digits / "digits.onnx",
        target=target,
        calibration=digits / "calibration.npz",
        output=output,
        prove=False,
        cache=False,
        **options,
    )


@pytest.mark.parametrize(
    ("target", "place"),
    [("android-cpu", "arm64-cortex-a76"), ("armv7", "armv7-cortex-a7"), ("web-wasm", "web-wasm")],
)
def test_it_answers_as_the_model_there(target: str, place: str, digits: Path, tmp_path: Path) -> None:
    bundle = compiled(digits, tmp_path / "out", target, place, ort=True)
    with closing(runtime(place)) as there:
        kernels = there.open(bundle.path / "model.ort").placement(bundle.golden()[0][0]).kernels
    parser = importlib.import_module("onnxruntime.tools.reduced_build_config_parser")
    listed, _ = parser.parse_config(str(bundle.path / REQUIRED), True)
    named = {op for opsets in listed.values() for ops in opsets.values() for op in ops}
    assert {kernel.op_type for kernel in kernels} <= named
    verdict = bundle.prove(on=place, probe=False)
    found = json.loads((bundle.proof / "proof.json").read_text())["ort"]
    assert (found["runtime"], found["agrees"], found["style"]) == (place, True, "fixed")
    assert {each.id: each.status for each in verdict.results}["ort"] == "met"


def test_a_processor_with_sme_makes_other_kernels_that_are_listed(tmp_path: Path) -> None:
    """Of float convolutions; the emulator's largest processor has SME (ONNX Runtime 1.31.1 with KleidiAI)."""
    place = places()["arm64-cortex-a76"]
    if reason := place.missing():
        pytest.skip(reason)
    text = (
        "g (float[1, 32, 32, 32] x) => (float[1, 64, 32, 32] y) { a = Conv <pads = [1, 1, 1, 1]> (x, w) y = Relu(a) }"
    )
    file = saved(proto(text, w=weights(64, 32, 3, 3)), tmp_path / "model.onnx")
    made = make_ort(file, find_target("android-cpu"))
    launch = place.launch()
    at = launch.command.index("cortex-a76")
    largest = replace(launch, command=(*launch.command[:at], "max", *launch.command[at + 1 :]))
    host = HostRuntime(name="arm64-max", launch=lambda: largest, missing=place.missing, providers=place.providers)
    feeds = {"x": np.ones((1, 32, 32, 32), np.float32)}
    with closing(host) as there:
        kernels = there.open(tmp_path / made["model"]).placement(feeds).kernels
    assert {kernel.op_type for kernel in kernels} == {"Transpose", "NhwcFusedConv"}
    assert "com.microsoft;1;FusedConv,NhwcFusedConv\n" in (tmp_path / made["required"]).read_text()


def test_xnnpack_runs_none(digits: Path, tmp_path: Path) -> None:
    """What `--ort` is refused for: when this fails, there is a style for it (ONNX Runtime 1.21)."""
    bundle = compiled(digits, tmp_path / "out", "pixel-8", "xnnpack-x86-64")
    feeds = bundle.golden()[0][0]
    with closing(runtime("xnnpack-x86-64")) as there:
        seen = there.open(bundle.model).placement(feeds)
        assert {kernel.provider for kernel in seen.kernels if "Conv" in kernel.op_type} == {XNNPACK}
        save_ort_format(bundle.model, tmp_path / "fixed.ort", later=False, signed=True)
        seen = there.open(tmp_path / "fixed.ort").placement(feeds)
        assert {kernel.provider for kernel in seen.kernels if "Conv" in kernel.op_type} == {"CPUExecutionProvider"}
        save_ort_format(bundle.model, tmp_path / "runtime.ort", later=True, signed=True)
        with pytest.raises(EdgecError, match="Schema was not found for fused node"):
            there.open(tmp_path / "runtime.ort", SessionSettings(config={REPLAY: "1"}))
