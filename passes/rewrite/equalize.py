"""Cross-layer equalization: give every channel the same range on both its sides.

M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019, arXiv 1906.04721),
section 4.1: with f(s x) = s f(x), y = f(W2 f(W1 x + b1) + b2) is also f(W2 S f(S^-1 W1 x + S^-1 b1) + b2), and the
ranges r1_i of row i of W1 and r2_i of column i of W2 become equal with eq. 11, s_i = (1 / r2_i) sqrt(r1_i r2_i).
A depthwise layer is read by column and written by row at once: what its two neighbours settle to is the cube root of
the three ranges, as in the paper's triples. Across a residual Add all layers that write a channel are one W1, all that
read it one W2: ranges are the largest of them.

ReLU6 is no f(s x) = s f(x). The paper replaces it by Relu, which costs mobilenetv2_100 fifteen points of a hundred and
mobilenetv1_050 twenty; here its bound becomes 6 / s, a number per channel (`rescale`), and the function stays.

Exact in real numbers; in float32 within a few ulp.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from .rescale import rescale
from .trace import trace_channels

__all__ = ["EqualizeChannels", "Ranges", "equalize", "ranges"]

_log = logging.getLogger(__name__)

_CLOSE = 1e-3
_DEAD = 2.0**-15
_MOMENTUM = 0.5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ranges:
    """One layer as equalization sees it.

    Attributes:
        w: max |W| over the taps, float64, shape (groups, O / groups, I / groups).
        rows: Labels of its outputs, shape (groups, O / groups).
        columns: Labels of its inputs, shape (groups, I / groups).
    """

    w: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


def ranges(layers: Sequence[Ranges], s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """r1 and r2 of every label: the largest |W| in the rows that write it and in the columns that read it.

    Args:
        layers: The layers.
        s: Factors of the labels, shape (count,).

    Returns:
        r1, r2: float64, shape (count,); 0 where nobody writes or reads.
        alive: bool, shape (count,); whether on both sides some weight is above 2^-15 of its layer's largest.
    """
    r = np.zeros((2, s.size))
    p = np.zeros((2, s.size))
    for each in layers:
        w = each.w * s[each.columns][:, None, :]
        w /= s[each.rows][:, :, None]
        largest = w.max() or 1.0
        for side, (labels, axis) in enumerate(((each.rows, 2), (each.columns, 1))):
            of_channel = w.max(axis=axis)
            np.maximum.at(r[side], labels, of_channel)
            np.maximum.at(p[side], labels, of_channel / largest)
    return r[0], r[1], p.min(axis=0) > _DEAD


def equalize(layers: Sequence[Ranges], count: int, *, sweeps: int) -> tuple[np.ndarray, int]:
    """Factors that make r1 and r2 of every free label equal.

    Eq. 11 for all labels at once, repeated, for neighbours move each other's ranges. On log s that is Jacobi's
    iteration, slow along a chain of layers and in some graphs a swing without end; half of the last move is added
    to each (B. Polyak's heavy ball, 1964), which is four times as fast and damps the swing.

    A channel is dead, and left alone, while on one of its sides no weight is above 2^-15 of its layer's largest:
    weight decay left it there, and all that scaling would raise is its bias.

    Args:
        layers: The layers; label 0 is pinned.
        count: Number of labels.
        sweeps: At most so many repetitions.

    Returns:
        The factors, float64, shape (count,), 1 for label 0; and the repetitions it took: 0 when the ranges of
        every channel agree to one part in five hundred as they are.
    """
    move = log_s = np.zeros(count)
    limit = _CLOSE
    for sweep in range(sweeps):
        r1, r2, alive = ranges(layers, np.exp(log_s))
        alive[0] = False
        step = np.zeros(count)
        step[alive] = 0.5 * np.log(r1[alive] / r2[alive])
        if np.abs(step).max(initial=0.0) < limit:
            return np.exp(log_s), sweep
        move = np.where(alive, step + _MOMENTUM * move, 0.0)
        log_s = log_s + move
        # Stop well inside of where a second run would start again.
        limit = _CLOSE / 2
    return np.exp(log_s), sweeps


@dataclass(frozen=True, kw_only=True)
class EqualizeChannels(Pass):
    """Rescale channels between Conv, ConvTranspose, Gemm and MatMul so that weight ranges match across layers.

    Attributes:
        sweeps: At most so many repetitions of eq. 11.
    """

    sweeps: int = 1000

    @property
    def invalidates(self) -> bool:
        """Scaled channels have other ranges."""
        return True

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        channels = trace_channels(model)
        free = [each for each in channels.layers if each.rows.any() or each.columns.any()]
        layers = [
            Ranges(w=np.abs(each.layer.weight).max(axis=3).astype(np.float64), rows=each.rows, columns=each.columns)
            for each in free
        ]
        s, sweeps = equalize(layers, channels.count, sweeps=self.sweeps)
        for node, reason in channels.refused.items():
            _log.debug("%s pins its channels: %s", node, reason)
        _log.info("equalized %d of %d channels in %d sweeps", np.count_nonzero(s != 1.0), s.size - 1, sweeps)
        return ir.passes.PassResult(model, modified=rescale(model.graph, channels, s, "equalized"))
