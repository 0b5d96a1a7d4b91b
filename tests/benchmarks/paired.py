"""Statistics of a paired comparison: both models saw the same samples, so their differences are resampled.

The interval is the percentile bootstrap (Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, ch. 13),
seeded: the same records give the same interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Interval", "bootstrap_mean", "decibel", "energies", "paired_difference", "ratio"]

RESAMPLES = 10_000
LIMIT_DB = 120.0  # near float32's own rounding: an identical output counts as this, not as infinity


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """An estimate and its central 95% interval, over `n` samples."""

    estimate: float
    low: float
    high: float
    n: int


def bootstrap_mean(records: np.ndarray, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """Mean of per-sample records (n,) with its 95% percentile-bootstrap interval.

    Records of accuracy have few distinct values, so a resample is drawn as how often each value occurs (multinomial):
    the same distribution as drawing n indices, without n × resamples of them.

    Raises:
        ValueError: There are no records, or not all are finite.
    """
    if not len(records) or not np.isfinite(records).all():
        raise ValueError(f"need at least one record, all finite; got {len(records)}")
    values, counts = np.unique(records, return_counts=True)
    n = len(records)
    rng = np.random.default_rng(seed)
    if len(values) <= 64:
        means = rng.multinomial(n, counts / n, size=resamples) @ values / n
    else:
        means = np.array([rng.choice(records, n).mean() for _ in range(resamples)])
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(estimate=float(records.mean()), low=float(low), high=float(high), n=n)


def paired_difference(ours: np.ndarray, other: np.ndarray, *, seed: int = 0) -> Interval:
    """mean(ours − other) with its 95% paired-bootstrap interval; both (n,), same samples in the same order."""
    if ours.shape != other.shape:
        raise ValueError(f"records are not paired: {ours.shape} against {other.shape}")
    return bootstrap_mean(ours - other, seed=seed)


def energies(reference: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per sample, Σ reference² and Σ (reference − output)²; (N,) each.

    Args:
        reference: Float output, (N, …).
        output: Output compared with it, same shape.
    """
    if reference.shape != output.shape:
        raise ValueError(f"shapes differ: {reference.shape} against {output.shape}")
    r = reference.reshape(len(reference), -1).astype(np.float64)
    return np.square(r).sum(axis=1), np.square(r - output.reshape(r.shape)).sum(axis=1)


def decibel(signal: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """10·log10(signal / noise), within ±`LIMIT_DB`.

    Noise of NaN or infinity (a spoiled output) counts as −`LIMIT_DB`, never as clean.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        db = np.where(noise == 0, LIMIT_DB, 10 * np.log10(signal / noise))
    clipped: np.ndarray = np.clip(np.where(np.isfinite(noise), db, -LIMIT_DB), -LIMIT_DB, LIMIT_DB)
    return clipped


def ratio(ours: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """How many times longer `ours` took than `other`, from seconds per round, (rounds,) each, taken in turns.

    `median` is that of the per-round ratios: a slow moment of the machine hits both sides of a round alike.
    `minimum` is the ratio of the fastest rounds: what is left when nothing else ran.
    """
    return {"median": float(np.median(ours / other)), "minimum": float(ours.min() / other.min())}
