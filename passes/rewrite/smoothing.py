"""Factors of SmoothQuant and the search of alpha: pure functions on arrays, in the paper's letters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["ALPHAS", "Site", "product_error", "search_alpha", "smoothing_factors"]

ALPHAS = tuple(k / 10 for k in range(11))

# A channel below 2^-10 of the largest is raised no further: at 8 bits it is not seen, whatever happens to it.
_FLOOR = 2.0**-10
# Root mean square of a channel as a share of its maximum: that of a normal variable seen some thousand times.
_RMS = 1 / 3
# What a site must gain to be worth an edit.
_WORTH = 0.9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Site:
    """An activation and the weights that read it.

    Attributes:
        labels: Labels of its channels, ascending, shape (K,).
        low, high: Smallest and largest value of each, and 0; float64, shape (K,).
        weights: W as (groups, outputs, inputs, taps), each with the channel index (into `labels`) of its inputs,
            shape (groups, inputs).
    """

    labels: np.ndarray
    low: np.ndarray
    high: np.ndarray
    weights: tuple[tuple[np.ndarray, np.ndarray], ...]


def smoothing_factors(site: Site, alpha: float) -> np.ndarray:
    """s_j = max|X_j|^alpha / max|W_j|^(1 - alpha), eq. 4; float64, shape (K,).

    A maximum below 2^-10 of the largest counts as that; a site that is all zero keeps s = 1.
    """
    x = np.maximum(-site.low, site.high)
    w = np.zeros(x.shape)
    for weight, columns in site.weights:
        np.maximum.at(w, columns, np.abs(weight).max(axis=(1, 3)))
    if not x.any() or not w.any():
        return np.ones(x.shape)
    x, w = np.maximum(x, _FLOOR * x.max()), np.maximum(w, _FLOOR * w.max())
    s: np.ndarray = x**alpha / w ** (1.0 - alpha)
    return s


def product_error(site: Site, s: np.ndarray, *, activation_bits: int, weight_bits: int, per_channel: bool) -> float:
    """Expected squared error of one row of all products, || Q(X / s) Q(s W) - X W ||^2.

    Rounding X / s to a step d adds noise of variance d^2 / 12 to each of its elements, which the weights carry on;
    the weights are rounded as they will be, and their error meets E[X_j^2] = (max|X_j| / 3)^2:

        sum_jn (s_j W_jn)^2 d^2 / 12  +  sum_jn E[X_j^2] / s_j^2 (Q(s W) - s W)_jn^2

    Args:
        site: The site.
        s: Its factors, shape (K,).
        activation_bits: Unsigned, asymmetric, one range for all channels.
        weight_bits: Signed, symmetric.
        per_channel: A scale for each output of a weight, or one for all.
    """
    low, high = min((site.low / s).min(), 0.0), max((site.high / s).max(), 0.0)
    noise = ((high - low) / (2**activation_bits - 1)) ** 2 / 12
    power = (np.maximum(-site.low, site.high) * _RMS / s) ** 2
    error = 0.0
    for weight, columns in site.weights:
        w = weight * s[columns][:, None, :, None]
        peak = np.abs(w).max(axis=(2, 3) if per_channel else None, keepdims=True)
        step = np.where(peak > 0.0, peak, 1.0) / (2 ** (weight_bits - 1) - 1)
        lost = np.rint(w / step) * step - w
        error += noise * float(np.sum(w * w)) + float(np.sum((lost * lost).sum(axis=(1, 3)) * power[columns]))
    return error


def search_alpha(site: Site, *, activation_bits: int, weight_bits: int, per_channel: bool) -> float | None:
    """The alpha in 0, 0.1 … 1 with the least `product_error`; None when leaving X alone is within 10% of it."""

    def error(s: np.ndarray) -> float:
        return product_error(site, s, activation_bits=activation_bits, weight_bits=weight_bits, per_channel=per_channel)

    errors = {alpha: error(smoothing_factors(site, alpha)) for alpha in ALPHAS}
    best = min(ALPHAS, key=errors.__getitem__)
    return best if errors[best] < _WORTH * error(np.ones(site.low.shape)) else None
