"""Metrics of a signal against the true one: MSE, PSNR, SI-SNR."""

from __future__ import annotations

import numpy as np

from ...errors import SamplesError
from .metric import Metric, Outputs, weighted_mean
from .records import additive, mismatch, pick, share

__all__ = ["mse", "psnr", "si_snr"]

LIMIT_DB = 100.0  # an exact answer counts as this, not as infinity


def _errors(metric: str, output: np.ndarray, label: np.ndarray) -> np.ndarray:
    if output.size != label.size:
        raise mismatch(metric, output, label, "a label of the output's size")
    return output.reshape(-1).astype(np.float64) - label.reshape(-1).astype(np.float64)


def mse(output: str | None) -> Metric:
    """Mean squared error over all elements of all samples."""

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        error = _errors("mse", pick(outputs, output), np.asarray(label))
        return np.array([np.square(error).sum(), error.size], dtype=np.float64)

    aggregate, weighted = additive(share)
    return Metric(name="mse", direction="lower", unit="", record=record, aggregate=aggregate, weighted=weighted)


def _decibel(signal: float, noise: float) -> float:
    """10 log10(signal / noise), at most `LIMIT_DB` from 0; noise that is no number is the worst there is."""
    if not np.isfinite(noise) or signal <= 0:
        return -LIMIT_DB
    if noise == 0:
        return LIMIT_DB
    return float(np.clip(10 * np.log10(signal / noise), -LIMIT_DB, LIMIT_DB))


def psnr(output: str | None) -> Metric:
    """Mean over samples of 10 log10(peak² / mse); peak is 255 for uint8 labels, else 1; exact counts as 100 dB."""

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        label = np.asarray(label)
        error = _errors("psnr", pick(outputs, output), label)
        peak = 255.0 if label.dtype == np.uint8 else 1.0
        mse = float(np.square(error).sum()) / max(error.size, 1)
        return np.array([_decibel(peak * peak, mse)], dtype=np.float64)

    return Metric(name="psnr", direction="higher", unit="dB", record=record, weighted=weighted_mean)


def si_snr(output: str | None) -> Metric:
    """Mean over samples of 10 log10(|a s|² / |x - a s|²), a = <x, s> / |s|², of waveforms freed of their mean.

    x is the output, the steps of a sequence one after the other, s the clean waveform: neither loudness nor offset
    counts (Luo & Mesgarani, TasNet, arXiv:1711.00541, eq. 13). Silence, and what is at right angles to s, is -100 dB.
    """

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        answer, clean = pick(outputs, output), np.asarray(label)
        if answer.size != clean.size:
            raise mismatch("si-snr", answer, clean, "a waveform of the output's size")
        x, s = (wave.reshape(-1).astype(np.float64) - wave.mean(dtype=np.float64) for wave in (answer, clean))
        energy = float(s @ s)
        if not 0 < energy < np.inf:
            raise SamplesError(
                "label",
                "is silent or not finite; si-snr needs a waveform",
                remedy="Leave this sample out, or correct its label",
            )
        aimed = (float(x @ s) / energy) * s
        return np.array([_decibel(float(aimed @ aimed), float(np.square(x - aimed).sum()))], dtype=np.float64)

    return Metric(name="si-snr", direction="higher", unit="dB", record=record, weighted=weighted_mean)
