"""Zero weights that only ever multiply zeros: Conv(Relu(Conv(x, W1, b1)), W2) where a channel of the first never fires.

Training leaves channels behind whose weights decayed to nothing while their bias is negative: behind a Relu, or a Clip
from 0, they are 0. What reads them learned nothing either, but may have kept, or been given by a batch norm of no
variance, the largest weights of its layer, on which a scale per tensor is spent.

A channel counts as one that never fires when its bias is at most -2^15 sum |W1|: exact for inputs up to 32768.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import is_op, sole_consumer, value_names
from ..quantize.clamps import bounds_of
from .linear import Linear, linear_of
from .rescale import replace_constant

__all__ = ["MuteChannels", "never_fires"]

_log = logging.getLogger(__name__)

_INPUTS = 2.0**15


def never_fires(w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which channels of W x + b are at most 0 for every |x| up to 2^15.

    Args:
        w: Weights, shape (groups, outputs, inputs, taps).
        b: Bias, shape (groups * outputs,) or one value for all.

    Returns:
        bool, shape (groups * outputs,).
    """
    reach = np.abs(w).sum(axis=(2, 3), dtype=np.float64).reshape(-1) * _INPUTS
    mute: np.ndarray = reach <= -b.astype(np.float64)
    return mute


@dataclass(frozen=True, kw_only=True)
class MuteChannels(Pass):
    """Zero the weights of Conv, ConvTranspose, Gemm and MatMul that read channels which never fire."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        muted = 0
        for node in model.graph:
            layer = linear_of(node)
            if isinstance(layer, Linear) and (clamp := _clamp_behind(layer)) is not None:
                muted += _mute(model.graph, layer, clamp, taken)
        _log.info("muted %d channels", muted)
        return ir.passes.PassResult(model, modified=muted > 0)


def _clamp_behind(layer: Linear) -> ir.Node | None:
    """The Relu, or Clip from 0 up, that alone reads what a layer writes."""
    clamp = sole_consumer(layer.node.outputs[0])
    if not is_op(clamp, "Relu", "Clip") or clamp is None or clamp.inputs[0] is not layer.node.outputs[0]:
        return None
    low, high = bounds_of(clamp)
    return clamp if low == 0.0 < high else None


def _mute(graph: ir.Graph, layer: Linear, clamp: ir.Node, taken: set[str]) -> int:
    """Zero what readers of a clamp multiply channels with that never fire; how many channels that changed."""
    b, value = layer.bias, clamp.outputs[0]
    scaled = any(layer.node.attributes.get_float(name, 1.0) != 1.0 for name in ("alpha", "beta"))
    if b is None or value.shape is None or scaled:
        return 0
    mute = never_fires(layer.weight, b.reshape(-1))
    if not mute.any():
        return 0
    labels = layer.labels_behind(mute.reshape(layer.groups, layer.outputs), len(value.shape))
    changed = 0
    for node, index in tuple(value.uses()):
        reader = linear_of(node)
        columns = None if labels is None or index or not isinstance(reader, Linear) else reader.columns_of(labels)
        if columns is None or not isinstance(reader, Linear):
            continue
        w = reader.weight
        silent = columns[:, None, :, None] & (w != 0.0)
        if silent.any():
            replace_constant(graph, node, 1, reader.stored(np.where(silent, 0.0, w)), "muted", taken)
            changed = max(changed, int(silent.any(axis=(1, 3)).sum()))
    return changed
