"""A real streaming model, caches carried by the caller, through load, observe, prove and golden."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec.compiler.samples.base import State

STEPS = 60


def spectra(clip: np.ndarray) -> list[dict[str, np.ndarray]]:
    """STFT frames of 512 samples, hop 256, sqrt-Hann, as [1, 257, 1, 2]: what GTCRN eats."""
    window = np.sqrt(np.hanning(513)[:-1])
    frames = (np.fft.rfft(clip[k * 256 : k * 256 + 512] / 32768 * window) for k in range(STEPS))
    return [{"mix": np.stack([f.real, f.imag], -1)[None, :, None, :].astype(np.float32)} for f in frames]


@pytest.mark.zoo
def test_a_streaming_model_is_proved_as_sequences(zoo: Path, tmp_path: Path) -> None:
    with np.load(zoo / "data" / "speech_enh.npz") as archive:
        calibration = [spectra(clip) for clip in archive["calib_mix"]]
        evaluation = [spectra(clip) for clip in archive["eval_mix"][:2]]
    state = State(carried={f"{name}_cache": f"{name}_cache_out" for name in ("conv", "tra", "inter")})
    bundle = edgec.compile(
        zoo / "models" / "gtcrn_stream" / "model.onnx",
        calibration=calibration,
        evaluation=evaluation,
        state=state,
        output=tmp_path / "out",
    )
    feeds, outputs = bundle.golden()
    assert len(feeds) == len(outputs) == 8
    for before, after in zip(outputs, feeds[1:], strict=False):
        for name, output in state.carried.items():
            np.testing.assert_array_equal(before[output], after[name])
    evaluated = json.loads((bundle.proof / "proof.json").read_text())["evaluation"]
    assert evaluated["steps"] == 2 * STEPS
    # 12.8 dB when this was written (22.7 dB over 100 steps): plain min-max, and an error that the caches carry on.
    assert evaluated["outputs"]["enh"]["against_float"]["sqnr_db"] > 10
