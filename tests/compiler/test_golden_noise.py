"""Golden outputs may differ by the noise of the noisiest of a few samples: one may be answered too well to tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.protos import proto

import edgec
from edgec.compiler import golden_noise
from edgec.compiler.golden_noise import NOISE_SAMPLES, golden_noise_db, rounds_otherwise
from edgec.compiler.samples.base import Sample, State
from edgec.errors import TargetError
from edgec.targets import find_target

# The "bundle" rounds to whole numbers: noise depends on the sample alone.
ROUNDED = "g (float[1, 4] x) => (float[1, 4] y) { y = Round(x) }"
FLOAT = "g (float[1, 4] x) => (float[1, 4] y) { y = Identity(x) }"


def sample(number: int, *values: float) -> Sample:
    return Sample(id=str(number), steps=({"x": np.array([values], np.float32)},))


EXACT = sample(0, 1.0, 2.0, 3.0, 4.0)
SMALL = sample(1, 1.25, 2.0, 3.0, 4.0)
LARGE = sample(2, 0.4, 0.0, 0.0, 0.0)


def decibels(each: Sample) -> float:
    x = each.feeds["x"].astype(np.float64)
    return float(10 * np.log10(np.sum(x**2) / np.sum((x - np.round(x)) ** 2)))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    proto_ = proto(ROUNDED, opset=17, ir_version=8)
    (tmp_path / "model.onnx").write_bytes(proto_.SerializeToString())
    return tmp_path / "model.onnx"


def noise(bundle: Path, golden: Sample, *samples: Sample, steps: int = 8) -> float:
    reference = ir.serde.deserialize_model(proto(FLOAT, opset=17, ir_version=8))
    return golden_noise_db(bundle, reference, golden, samples, State(), steps=steps)


def test_the_noisiest_sample_tells(bundle: Path) -> None:
    assert noise(bundle, SMALL) == round(decibels(SMALL), 1)
    assert noise(bundle, SMALL, LARGE) == noise(bundle, LARGE, SMALL) == round(decibels(LARGE), 1)
    assert noise(bundle, SMALL, EXACT) == round(decibels(SMALL), 1)


def test_without_noise_it_is_a_hundred(bundle: Path) -> None:
    assert noise(bundle, EXACT) == 100.0


def test_only_the_first_samples_count(bundle: Path) -> None:
    first = [EXACT, *(sample(3 + index, 1.0, 2.0, 3.0, 4.0) for index in range(NOISE_SAMPLES - 1))]
    assert noise(bundle, EXACT, *first, LARGE) == 100.0
    assert noise(bundle, EXACT, *first[:-1], LARGE) == round(decibels(LARGE), 1)


def test_only_the_first_steps_count(bundle: Path) -> None:
    both = Sample(id="s", steps=(EXACT.feeds, LARGE.feeds))
    assert noise(bundle, both, steps=1) == 100.0
    x = np.concatenate([each.feeds["x"].ravel() for each in (EXACT, LARGE)]).astype(np.float64)
    assert noise(bundle, both, steps=2) == round(10 * np.log10(np.sum(x**2) / np.sum((x - np.round(x)) ** 2)), 1)


@pytest.mark.parametrize(
    ("here", "same", "other"),
    [
        ("x86-64-vnni", ("x86-64-vnni", "x86-64-avx2"), ("raspberry-pi-5", "armv7", "pixel-8", "web-wasm")),
        ("arm64-dotprod", ("raspberry-pi-5", "raspberry-pi-4"), ("x86-64-vnni", "armv7", "pixel-8")),
        (None, (), ("x86-64-vnni", "raspberry-pi-5", "pixel-8")),
    ],
)
def test_kernels_of_one_architecture_and_library_round_alike(
    monkeypatch: pytest.MonkeyPatch, here: str | None, same: tuple[str, ...], other: tuple[str, ...]
) -> None:
    def host() -> object:
        if here is None:
            raise TargetError("target 'host'", "this processor is none of x86-64 and arm64", remedy="Name a target")
        return find_target(here)

    monkeypatch.setattr(golden_noise, "host", host)
    assert {name: rounds_otherwise(find_target(name)) for name in (*same, *other)} == {
        **dict.fromkeys(same, False),
        **dict.fromkeys(other, True),
    }


def test_a_bundle_for_another_library_says_it(tmp_path: Path) -> None:
    """One for this library's kernels is held to bits and does not."""
    rng = np.random.default_rng(0)
    samples = [{"x": rng.normal(0, scale, (1, 4, 8, 8)).astype(np.float32)} for scale in (1.0, 0.02, 1.0)]
    model = proto(
        "g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) { y = Conv(x, w) }",
        opset=21,
        ir_version=10,
        w=rng.normal(0, 1, (4, 4, 1, 1)).astype(np.float32),
    )

    def manifest(target: str, given: list[dict[str, np.ndarray]]) -> dict[str, object]:
        options = {"target": target, "calibration": given, "search": False, "prove": False, "cache": False}
        return dict(edgec.compile(model, output=tmp_path / f"{target}{len(given)}", scheme="a8w8", **options).manifest)

    assert "golden_noise_db" not in manifest("x86-64-vnni", samples)
    few, all_ = (manifest("snapdragon-8-gen-3", given)["golden_noise_db"] for given in (samples[:1], samples))
    assert isinstance(few, float)
    assert isinstance(all_, float)
    assert all_ < few - 10  # the second sample is small, its steps are as large
