"""Factors of channels that make the least quantization noise: pure functions on arrays.

What is rounded to a step d is off by d^2 / 12 in the mean square. With x / s in place of x:

1. A value with one step for all its channels, d = (max_i h_i / s_i - min_i l_i / s_i) / (2^bits - 1), has the noise
   s_i^2 d^2 / 12 in channel i, in units of x.
2. A row of weights with a step of its own, d_o = max_i |W_oi s_i| / (2^(bits - 1) - 1), has the noise
   d_o^2 / 12 sum_i T E[x_i^2] / s_i^2 in output o, T taps for each input.

Each weighs as much as reaches the outputs: a channel's gain is the sum of W^2 over those who read it times their
gains, from the last layer back to the first, as if noise were independent and activations let all of it through. Where
factors are pinned, what is beyond is not known, and the noise counts in shares of the signal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Product", "Rounded", "balance", "gains", "noise"]

# The maximum over channels as a norm: steps of up to C^(1/24), a fifth for 100 channels, which gradients can follow.
_NORM = 24.0
# A channel of less than a step of the largest is raised no further.
_FLOOR = 2.0**-8
# Root mean square of a channel as a share of its maximum: that of a normal variable seen some million times.
_RMS = 1 / 5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rounded:
    """A value that is rounded with one step for all its channels.

    Attributes:
        labels: Labels of its channels, shape (C,).
        low, high: Smallest and largest value of each, and 0; float64, shape (C,).
    """

    labels: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def power(self) -> np.ndarray:
        """E[x_i^2], shape (C,)."""
        found: np.ndarray = np.square(np.maximum(-self.low, self.high) * _RMS)
        return found

    def floored(self) -> Rounded:
        """The same with no channel below 2^-8 of the largest."""
        reach = np.maximum(-self.low, self.high)
        more = np.maximum(reach, _FLOOR * reach.max(initial=0.0)) / np.where(reach > 0.0, reach, 1.0)
        high = np.where(reach > 0.0, self.high * more, more)
        return Rounded(labels=self.labels, low=self.low * more, high=high)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Product:
    """A linear layer, its weight as (groups, outputs, inputs, taps).

    Attributes:
        rows, columns: Labels of its outputs and inputs, shapes (groups, outputs) and (groups, inputs).
        weight: float32.
        power: E[x_i^2] of its inputs, float64, shape (groups, inputs).
    """

    rows: np.ndarray
    columns: np.ndarray
    weight: np.ndarray
    power: np.ndarray


def gains(steps: Sequence[Rounded | Product], count: int) -> list[np.ndarray]:
    """What noise of variance 1 in each channel, or in each output of a product, adds at the pinned ends.

    Args:
        steps: In the order of the graph: a product before the value it writes.
        count: Number of labels; label 0 is pinned.

    Returns:
        float64 for each step: shape (C,) of a value, (groups, outputs) of a product.
    """
    of_label = np.zeros(count)
    found = []
    for step in reversed(steps):
        if isinstance(step, Rounded):
            signal = float(step.power.sum())
            gain = np.where(step.labels == 0, 1.0 / signal if signal > 0.0 else 0.0, of_label[step.labels])
        else:
            energy = np.square(step.weight, dtype=np.float64).sum(axis=3)
            signal = float(np.einsum("goi,gi->", energy, step.power))
            gain = np.where(step.rows == 0, 1.0 / signal if signal > 0.0 else 0.0, of_label[step.rows])
            np.add.at(of_label, step.columns, np.einsum("go,goi->gi", gain, energy))
            of_label[0] = 0.0
        found.append(gain)
    return found[::-1]


def noise(
    log_s: np.ndarray,
    values: Sequence[tuple[Rounded, np.ndarray]],
    layers: Sequence[tuple[Product, np.ndarray, np.ndarray]],
    *,
    activation_bits: int,
    weight_bits: int,
    per_channel: bool,
) -> tuple[float, np.ndarray]:
    """The noise at the ends with these factors, and its gradient.

    Args:
        log_s: Logarithms of the factors, float64, shape (count,); that of label 0 counts as 0.
        values: Values with the gains of their channels.
        layers: Products with max |W| over the taps, (groups, outputs, inputs), and the gains of their outputs.
        activation_bits: Unsigned, asymmetric, one range for all channels.
        weight_bits: Signed, symmetric.
        per_channel: Whether every output of a weight has a step of its own; else all have the largest.

    Returns:
        The noise, and its derivatives by `log_s`.
    """
    s = np.exp(log_s)
    s[0] = 1.0
    total, slope = 0.0, np.zeros(s.size)
    for value, gain in values:
        of_value = s[value.labels]
        high, by_high = _largest(value.high / of_value)
        low, by_low = _largest(-value.low / of_value)
        step = (high + low) / (2**activation_bits - 1)
        weighed = of_value * of_value * gain / 12
        carried = float(weighed.sum())
        total += step * step * carried
        by_step = 2 * step * carried / (2**activation_bits - 1)
        np.add.at(slope, value.labels, 2 * step * step * weighed - by_step * (by_high + by_low))
    for layer, peak, gain in layers:
        of_layer = s[layer.columns]
        scaled = peak * of_layer[:, None, :]
        at = scaled.argmax(axis=2)
        widest = np.take_along_axis(scaled, at[:, :, None], axis=2)[:, :, 0]
        if not per_channel:
            first = np.unravel_index(int(widest.argmax()), widest.shape)
            at, widest = np.full_like(at, at[first]), np.full_like(widest, widest[first])
        met = layer.weight.shape[3] * layer.power / (of_layer * of_layer)
        error = gain * np.square(widest / (2 ** (weight_bits - 1) - 1)) / 12
        per_group, inputs = error.sum(axis=1), met.sum(axis=1)
        total += float(per_group @ inputs)
        groups = np.arange(len(at))[:, None] if per_channel else np.full((len(at), 1), first[0])
        np.add.at(slope, layer.columns, -2 * met * per_group[:, None])
        np.add.at(slope, layer.columns[groups, at], 2 * error * inputs[:, None])
    slope[0] = 0.0
    return total, slope


def balance(
    steps: Sequence[Rounded | Product],
    count: int,
    *,
    activation_bits: int,
    weight_bits: int,
    per_channel: bool,
    sweeps: int,
) -> np.ndarray:
    """Factors of little noise, by L-BFGS on its logarithm (C. Zhu et al., Algorithm 778, 1997) from all 1.

    Args:
        steps: In the order of the graph: a product before the value it writes.
        count: Number of labels; label 0 is pinned.
        activation_bits: As that of `noise`.
        weight_bits: As that of `noise`.
        per_channel: As that of `noise`.
        sweeps: Most iterations.

    Returns:
        float64, shape (count,), powers of 2^(1/64), 1 for label 0; all 1 where there is no noise to lessen.
    """
    from scipy.optimize import minimize

    weighed = list(zip(steps, gains(steps, count), strict=True))
    values = [(step.floored(), gain) for step, gain in weighed if isinstance(step, Rounded)]
    layers = [
        (step, np.abs(step.weight).max(axis=3), gain)
        for step, gain in weighed
        if isinstance(step, Product) and step.columns.any()
    ]

    def cost(log_s: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = noise(
            log_s,
            values,
            layers,
            activation_bits=activation_bits,
            weight_bits=weight_bits,
            per_channel=per_channel,
        )
        return (float(np.log(total)), slope / total) if total > 0.0 else (0.0, np.zeros(count))

    ones = np.ones(count)
    if not any(gain.any() for _, gain in values):
        return ones
    options = {"maxiter": sweeps, "maxcor": 20}
    found = minimize(cost, np.zeros(count), jac=True, method="L-BFGS-B", options=options)
    # In 64ths of an octave: the last digits of sums, which are the processor's, hardly ever count.
    parts = np.rint(64 * found.x / np.log(2))
    if not np.isfinite(parts).all() or cost(parts * np.log(2) / 64)[0] >= cost(np.zeros(count))[0]:
        return ones
    s: np.ndarray = np.exp2(parts / 64)
    s[0] = 1.0
    return s


def _largest(x: np.ndarray) -> tuple[float, np.ndarray]:
    """A smooth maximum of x >= 0, at least the maximum, and its derivatives by the logarithms of x."""
    largest = float(x.max(initial=0.0))
    if largest <= 0.0:
        return 0.0, np.zeros(x.shape)
    q = (x / largest) ** _NORM
    total = float(q.sum())
    smooth = largest * total ** (1 / _NORM)
    return smooth, smooth * q / total
