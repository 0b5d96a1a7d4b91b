"""Sound: pitch, speech enhancement and voice activity; the last two carry state from step to step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.base import Example, Steps, Task, arrays, every

if TYPE_CHECKING:
    from edgec.compiler.metrics import Metric

__all__ = ["DetectVoice", "Enhance", "TrackPitch"]

FRAME, HOP, CHUNK, CONTEXT = 512, 256, 512, 64
WINDOW = np.sqrt(np.hanning(FRAME + 1)[:-1])


@dataclass(frozen=True, kw_only=True)
class TrackPitch(Task):
    """Raw pitch accuracy: share of tones whose pitch is within 50 cents."""

    batch: int = 25

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import Metric
        from edgec.compiler.metrics.metric import weighted_mean

        (cents,) = arrays("crepe_tiny", "cents_of_bin")

        def record(outputs: Mapping[str, np.ndarray], label: np.ndarray) -> np.ndarray:
            share = outputs["activation"][0].astype(np.float64)
            best = int(share.argmax())
            near = slice(max(0, best - 4), best + 5)
            pitch = (share[near] @ cents[near]) / share[near].sum()
            return np.array([abs(pitch - float(label)) < 50], dtype=np.float64)

        return Metric(name="rpa50", direction="higher", unit="pt", record=record, weighted=weighted_mean, bounded=True)

    def calibration(self, n: int) -> Iterator[Steps]:
        (frames,) = arrays("crepe_tiny", "calib_x")
        for i in every(n, len(frames)):
            yield ({"frames": frames[i : i + 1]},)

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        for frame, cents in list(zip(*arrays("crepe_tiny", "synth_x", "synth_cents"), strict=True))[:n]:
            yield Example(steps=({"frames": frame[None]},), label=np.array(cents))


@dataclass(frozen=True, kw_only=True)
class Enhance(Task):
    """SI-SNR of the enhanced clip against the clean one; one STFT frame per step."""

    uniform: bool = False
    calibration_clips: int = 4

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import Metric, metric_named

        plain = metric_named("si-snr")

        def record(outputs: Mapping[str, np.ndarray], label: np.ndarray) -> np.ndarray:
            return plain.record({"wave": _wave(outputs["enh"], len(label))}, label)

        return Metric(name="si-snr", direction="higher", unit="dB", record=record, weighted=plain.weighted)

    def calibration(self, n: int) -> Iterator[Steps]:
        (clips,) = arrays("speech_enh", "calib_mix")
        for clip in clips[: min(n, self.calibration_clips)]:
            yield _spectra(clip)

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        for noisy, clean in list(zip(*arrays("speech_enh", "eval_mix", "eval_clean"), strict=True))[:n]:
            yield Example(steps=_spectra(noisy), label=clean.astype(np.float32) / 32768)


def _spectra(clip: np.ndarray) -> Steps:
    """Frames of the clip padded by one hop in front, as (1, 257, 1, 2)."""
    padded = np.pad(clip.astype(np.float64) / 32768, (HOP, FRAME))
    count = (len(clip) + HOP) // HOP + 1
    spectra = (np.fft.rfft(padded[k * HOP : k * HOP + FRAME] * WINDOW) for k in range(count))
    return tuple({"mix": np.stack([s.real, s.imag], axis=-1)[None, :, None].astype(np.float32)} for s in spectra)


def _wave(frames: np.ndarray, length: int) -> np.ndarray:
    """Overlap-add of frames (T, 257, 1, 2); the window squared sums to 1 at half overlap."""
    spectra = frames[:, :, 0, 0] + 1j * frames[:, :, 0, 1]
    wave = np.zeros(len(spectra) * HOP + FRAME)
    for k, frame in enumerate(np.fft.irfft(spectra, FRAME, axis=1)):
        wave[k * HOP : k * HOP + FRAME] += frame * WINDOW
    return wave[HOP : HOP + length]


@dataclass(frozen=True, kw_only=True)
class DetectVoice(Task):
    """Area under ROC of clips, a clip's score being that of its surest chunk."""

    uniform: bool = False
    calibration_clips: int = 20

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import Metric, metric_named

        plain = metric_named("auc")

        def record(outputs: Mapping[str, np.ndarray], label: np.ndarray) -> np.ndarray:
            return plain.record({"surest": outputs["output"].max(keepdims=True)}, label)

        return Metric(
            name="auc", direction="higher", unit="pt", record=record, aggregate=plain.aggregate, weighted=plain.weighted
        )

    def calibration(self, n: int) -> Iterator[Steps]:
        (clips,) = arrays("vad", "calib_x")
        for i in every(min(n, self.calibration_clips), len(clips)):
            yield _chunks(clips[i])

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        clips = list(zip(*arrays("vad", "eval_x", "eval_y"), strict=True))
        for i in every(n or len(clips), len(clips)):  # spread: the classes come one after the other
            yield Example(steps=_chunks(clips[i][0]), label=np.array(clips[i][1]))


def _chunks(clip: np.ndarray) -> Steps:
    """Chunks with the 64 samples before them, at 16 kHz."""
    padded = np.pad(clip.astype(np.float32) / 32768, (CONTEXT, -len(clip) % CHUNK))
    starts = range(0, len(padded) - CONTEXT, CHUNK)
    rate = np.array(16000, np.int64)
    return tuple({"input": padded[None, k : k + CONTEXT + CHUNK], "sr": rate} for k in starts)
