"""Every scheme of the HTP on a real convolutional net: its real types, its answers beside the CPU's and float's.

Keyword spotting (kws_dscnn): its first layer, 10x4 with strides of 2 over an input in channels-last order, is one that
the HTP computes wrong in floats (`ClipBeforeStrides`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import edgec
from edgec.bundle import Bundle
from edgec.passes.lower.clip_before_strides import ClipBeforeStrides
from edgec.runtimes import runtime
from edgec.runtimes.base import Runtime
from edgec.targets import pipeline as families
from edgec.targets.qnn import pipeline

pytestmark = [pytest.mark.targets, pytest.mark.zoo]

TARGET = "snapdragon-8-gen-3"
QNN = "QNNExecutionProvider"
INPUT, COUNT = "input_1", 60
LAYERS = 10  # nine convolutions and what the scores are made by


@pytest.fixture(scope="module")
def htp() -> Iterator[Runtime]:
    found = runtime("qnn-htp")
    if reason := found.available():
        pytest.skip(reason)
    with closing(found):
        yield found


@pytest.fixture(scope="module")
def features(zoo: Path) -> tuple[list[dict[str, np.ndarray]], list[dict[str, np.ndarray]]]:
    """Calibration and evaluation samples."""
    with np.load(zoo / "data" / "kws_mlperf.npz") as archive:
        return tuple([{INPUT: x[None]} for x in archive[name]] for name in ("calib_x", "eval_x"))  # type: ignore[return-value]


def compiled(zoo: Path, calibration: list[dict[str, np.ndarray]], output: Path, scheme: str) -> Bundle:
    return edgec.compile(
        zoo / "models" / "kws_dscnn" / "model.onnx",
        target=TARGET,
        calibration=calibration[:100],
        shapes={INPUT: (1, 49, 10, 1)},
        output=output,
        scheme=scheme,
        prove=False,
        cache=False,
    )


def answers(place: Runtime, model: Path, samples: list[dict[str, np.ndarray]]) -> np.ndarray:
    with closing(place.open(model)) as session:
        return np.concatenate([next(iter(session.run(feeds).values())) for feeds in samples])


def decibels(wanted: np.ndarray, found: np.ndarray) -> float:
    return 10 * float(np.log10(np.square(wanted).sum() / np.square(wanted - found).sum()))


# Scheme, what its convolutions read, share of the MACs in integers, 4-bit weights, dB from the CPU, same class as float
# (onnxruntime-qnn 2.7.0, 400 samples: 53, 29, 38 and 57 dB; classes 100, 93, 94 and 100 %).
@pytest.mark.parametrize(
    ("scheme", "read", "integer", "four_bits", "near", "same"),
    [
        ("a16w8", {"uint16"}, 1.0, False, 45.0, 0.98),
        ("a8w4", {"uint8", "uint16", "float"}, 0.6, True, 22.0, 0.85),
        ("a16w4", {"uint16", "float"}, 0.6, True, 30.0, 0.85),
        ("fp16", {"float"}, 0.0, False, 45.0, 0.98),
    ],
)
def test_a_real_net_is_right_in_every_scheme(
    scheme: str,
    read: set[str],
    integer: float,
    four_bits: bool,
    near: float,
    same: float,
    zoo: Path,
    features: tuple[list[dict[str, np.ndarray]], list[dict[str, np.ndarray]]],
    htp: Runtime,
    tmp_path: Path,
) -> None:
    calibration, evaluation = features
    bundle = compiled(zoo, calibration, tmp_path / "out", scheme)
    stored = [value.dtype for value in ir.load(bundle.model).graph.initializers.values()]
    assert (ir.DataType.INT4 in stored) == four_bits
    with closing(htp.open(bundle.model)) as session:
        placement = session.placement(evaluation[0])
    kernels = [kernel for kernel in placement.kernels if kernel.macs]
    assert len(kernels) == LAYERS
    assert {kernel.provider for kernel in kernels} == {QNN}
    assert {kernel.inputs[0][0] for kernel in kernels} <= read
    assert placement.integer_mac_share is not None
    assert placement.integer_mac_share >= integer
    here = runtime("onnxruntime-cpu")
    samples = evaluation[:COUNT]
    there = answers(htp, bundle.model, samples)
    assert decibels(answers(here, bundle.model, samples), there) >= near
    float_ = answers(here, zoo / "models" / "kws_dscnn" / "model.onnx", samples)
    assert np.mean(there.argmax(1) == float_.argmax(1)) >= same


def test_floats_are_wrong_without_the_clip(
    zoo: Path,
    features: tuple[list[dict[str, np.ndarray]], list[dict[str, np.ndarray]]],
    htp: Runtime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = pipeline.recipe

    def without(target: object, policy: object) -> object:
        made = whole(target, policy)  # type: ignore[arg-type]
        return replace(made, passes=tuple(each for each in made.passes if not isinstance(each, ClipBeforeStrides)))

    monkeypatch.setitem(families._FAMILIES, "qnn", without)
    calibration, evaluation = features
    bundle = compiled(zoo, calibration, tmp_path / "out", "fp16")
    samples = evaluation[:8]
    assert (
        decibels(answers(runtime("onnxruntime-cpu"), bundle.model, samples), answers(htp, bundle.model, samples)) < 10
    )
