"""Small convolutional nets with one fault planted in each: seeded, and healthy but for it.

Every fault leaves the float function sound: what is made larger in one place is made smaller in another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .graphs import model

__all__ = ["FAULTS", "Planted", "healthy", "images", "planted", "saturating"]

CHANNELS = 16
SIDE = 8


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A model, its samples, and where the fault is.

    Attributes:
        cause: What a diagnosis must name; None for a healthy model.
        place: A value or node that its sites must name first.
    """

    model: ir.Model
    calibration: list[Mapping[str, np.ndarray]]
    evaluation: list[Mapping[str, np.ndarray]]
    cause: str | None
    place: str = ""


def images(count: int, *, seed: int, scale: float = 1.0) -> list[Mapping[str, np.ndarray]]:
    """Normal images with a brightness of their own."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        x = rng.standard_normal((1, 4, SIDE, SIDE)) * rng.uniform(0.5, 1.0) * scale
        found.append({"x": x.astype(np.float32)})
    return found


def conv(rng: np.random.Generator, out: int, into: int, kernel: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias that keep the variance of what they read."""
    w = rng.standard_normal((out, into, kernel, kernel)) * np.sqrt(2 / (into * kernel * kernel))
    return w.astype(np.float32), (rng.standard_normal(out) * 0.1).astype(np.float32)


def healthy(seed: int) -> Planted:
    """Nothing planted."""
    return _chain(np.random.default_rng(seed), seed, None, 1.0)


def outlier_channel(seed: int) -> Planted:
    """One channel of `r1` is far larger; the next layer's weights make up for it."""
    rng = np.random.default_rng(seed)
    return _chain(rng, seed, int(rng.integers(CHANNELS)), float(rng.uniform(60, 200)))


def clashing_concat(seed: int) -> Planted:
    """A Concat of two branches, one far larger; the reader's weights make up for it."""
    rng = np.random.default_rng(seed)
    (wa, ba), (wb, bb), (w, b) = conv(rng, 16, 4), conv(rng, 16, 4), conv(rng, 8, 32)
    factor = np.float32(rng.uniform(60, 200))
    wa, ba = wa * factor, ba * factor
    w[:, :16] /= factor
    net = model(
        """net (float[1, 4, 8, 8] x) => (float[1, 8, 8, 8] y) {
            ca = Conv <pads = [1, 1, 1, 1]> (x, wa, ba)
            a = Relu(ca)
            cb = Conv <pads = [1, 1, 1, 1]> (x, wb, bb)
            b = Relu(cb)
            both = Concat <axis = 1> (a, b)
            y = Conv <pads = [1, 1, 1, 1]> (both, w, bias)
        }""",
        wa=wa, ba=ba, wb=wb, bb=bb, w=w, bias=b,
    )  # fmt: skip
    return _planted(net, seed, "shared-scale clash", "both")


def saturating_sigmoid(seed: int) -> Planted:
    """A gate of which half the channels are always open or shut: their logits set the scale of all."""
    rng = np.random.default_rng(seed)
    (w1, b1), (wg, bg), (w2, b2) = conv(rng, 16, 4), conv(rng, 16, 16), conv(rng, 8, 16)
    stuck = rng.permutation(16)[:8]
    bg[stuck] += rng.choice([-1, 1], 8) * rng.uniform(100, 300, 8).astype(np.float32)
    net = model(
        """net (float[1, 4, 8, 8] x) => (float[1, 8, 8, 8] y) {
            c1 = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
            r1 = Relu(c1)
            gate = Conv <pads = [1, 1, 1, 1]> (r1, wg, bg)
            open = Sigmoid(gate)
            gated = Mul(r1, open)
            y = Conv <pads = [1, 1, 1, 1]> (gated, w2, b2)
        }""",
        w1=w1, b1=b1, wg=wg, bg=bg, w2=w2, b2=b2,
    )  # fmt: skip
    return _planted(net, seed, "saturated input range", "gate")


def biased_calibration(seed: int) -> Planted:
    """The samples that were observed are far darker than those the model meets."""
    rng = np.random.default_rng(seed)
    sound = _chain(rng, seed, None, 1.0)
    return Planted(
        model=sound.model,
        calibration=images(16, seed=seed, scale=1 / float(rng.uniform(4, 10))),
        evaluation=sound.evaluation,
        cause="calibration mismatch",
        place="x",
    )


def tied_weights(seed: int) -> Planted:
    """Two readers of one weight: its large columns are the first one's, and idle in the second."""
    rng = np.random.default_rng(seed)
    (wa, ba), (wb, bb), (w, b) = conv(rng, 16, 4), conv(rng, 16, 4), conv(rng, 8, 16)
    factor = np.float32(rng.uniform(60, 200))
    w[:, :8] *= factor
    # The second reader's large columns are multiplied with what hardly ever leaves 0.
    wb[:8] /= factor * 100
    bb[:8] = 0
    net = model(
        """net (float[1, 4, 8, 8] x) => (float[1, 8, 8, 8] ya, float[1, 8, 8, 8] yb) {
            ca = Conv <pads = [1, 1, 1, 1]> (x, wa, ba)
            a = Relu(ca)
            ya = Conv <pads = [1, 1, 1, 1]> (a, w, bias)
            cb = Conv <pads = [1, 1, 1, 1]> (x, wb, bb)
            b = Relu(cb)
            yb = Conv <pads = [1, 1, 1, 1]> (b, w, bias)
        }""",
        wa=wa, ba=ba, wb=wb, bb=bb, w=w, bias=b,
    )  # fmt: skip
    return _planted(net, seed, "tied weights", "w")


FAULTS = {
    each.__name__: each
    for each in (outlier_channel, clashing_concat, saturating_sigmoid, biased_calibration, tied_weights)
}


def _chain(rng: np.random.Generator, seed: int, channel: int | None, factor: float) -> Planted:
    """Three convolutions; `channel` of the first one's result is `factor` times larger, and read as much smaller."""
    (w1, b1), (w2, b2), (w3, b3) = conv(rng, CHANNELS, 4), conv(rng, CHANNELS, CHANNELS), conv(rng, 8, CHANNELS)
    if channel is not None:
        w1[channel] *= factor
        b1[channel] *= factor
        w2[:, channel] /= factor
    net = model(
        """net (float[1, 4, 8, 8] x) => (float[1, 8, 8, 8] y) {
            c1 = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
            r1 = Relu(c1)
            c2 = Conv <pads = [1, 1, 1, 1]> (r1, w2, b2)
            r2 = Relu(c2)
            y = Conv <pads = [1, 1, 1, 1]> (r2, w3, b3)
        }""",
        w1=w1, b1=b1, w2=w2, b2=b2, w3=w3, b3=b3,
    )  # fmt: skip
    return _planted(net, seed, None if channel is None else "activation outlier", "r1" if channel is not None else "")


def _planted(net: ir.Model, seed: int, cause: str | None, place: str) -> Planted:
    return Planted(
        model=net,
        calibration=images(16, seed=seed),
        evaluation=images(16, seed=seed + 1000),
        cause=cause,
        place=place,
    )


def planted(fault: str, seed: int) -> Planted:
    """The model of a fault."""
    return FAULTS[fault](seed)


def saturating(seed: int, *, layers: int = 4, faults: int = 2) -> tuple[Planted, tuple[str, ...]]:
    """Layers whose weights are all large: sums of two products leave 16 bits on AVX2, and nowhere else.

    In the other layers neighbouring channels have weights of opposite signs, whose products cannot saturate.

    Returns:
        The model, and the names of these layers; none for `faults` 0.
    """
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.permutation(layers)[:faults].tolist())
    constants: dict[str, np.ndarray] = {}
    lines, into = [], 4
    for k in range(layers):
        w, b = conv(rng, CHANNELS, into)
        if k in chosen:
            w = rng.choice([-1, 1], w.shape) * rng.uniform(0.9, 1, w.shape) * np.sqrt(2 / (into * 9))
        else:
            w[:, 1::2] = -np.sign(w[:, 0::2]) * np.abs(w[:, 1::2])
        constants |= {f"w{k}": (w / np.sqrt(2)).astype(np.float32), f"b{k}": b}
        lines.append(f"c{k} = Conv <pads = [1, 1, 1, 1]> ({f'c{k - 1}' if k else 'x'}, w{k}, b{k})")
        into = CHANNELS
    body = "\n".join(lines)
    net = model(f"net (float[1, 4, 8, 8] x) => (float[1, {CHANNELS}, 8, 8] c{layers - 1}) {{\n{body}\n}}", **constants)
    names = tuple(f"c{k}" for k in chosen)
    return _planted(net, seed, "kernel saturation" if names else None, names[0] if names else ""), names
