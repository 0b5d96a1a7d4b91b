"""Rotate hidden states by random Hadamard matrices, so that no channel stands out; all of it is folded into weights.

S. Ashkboos et al., "QuaRot" (2024, arXiv 2404.00456), and Z. Liu et al., "SpinQuant" (2024, arXiv 2405.16406):

1. R1, the residual stream X of a pre-norm transformer becomes X Q: what writes it writes rows times Q, what reads it
   takes Qᵀ in. RMS norms turn with it once their gain is in the products behind them. A LayerNormalization turns with a
   Q that keeps the mean, Q 1 = 1, so that none has to be made an RMS norm (QuaRot and SliceGPT take the mean out of
   the weights). A table that is also the head turns once; behind a norm with a gain the head gets one of its own.
2. R2, the values of every attention head: v Q_h, and Q_hᵀ in the output projection. Heads that share values share Q_h.

Exact in real numbers; in float32 within a few ulp of the hidden state. Left alone, with the reason: streams that
something reads or writes that does not turn (post-norm transformers), values of heads that leave the graph (a cache),
widths without a Hadamard matrix. Scope: the main graph.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import (
    add_initializer,
    constant_array,
    fresh_name,
    insert_after,
    is_constant,
    is_op,
    remark,
    rewire,
    sole_consumer,
    value_names,
)
from .follow_stream import follow, streams_of
from .hadamard import Rotation, random_rotation
from .heads import Heads, heads_of
from .matrices import Matrix
from .rescale import replace_constant
from .stream import Stopped, Stream, Turned

__all__ = ["RotateHidden"]

_log = logging.getLogger(__name__)

_DONE = "edgec.rotated"


@dataclass(frozen=True, kw_only=True)
class RotateHidden(Pass):
    """Rotate residual streams and the values of attention heads.

    Attributes:
        stream: Rotate residual streams (R1).
        heads: Rotate the values of heads (R2).
        seed: Of the random signs.
    """

    stream: bool = True
    heads: bool = True
    seed: int = 0

    @property
    def invalidates(self) -> bool:
        """Rotated values have other statistics."""
        return True

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if _DONE in model.graph.meta:
            return ir.passes.PassResult(model, modified=False)
        model.graph.meta[_DONE] = True
        rng = np.random.default_rng(self.seed)
        modified = False
        if self.stream:
            # One after the other: two streams may share a product, which one reads and the other writes.
            for value in [value for value, _ in streams_of(model)]:
                modified |= _try_stream(model.graph, value, rng)
        if self.heads:
            for each in heads_of(model):
                modified |= _try_heads(model.graph, each, rng)
        return ir.passes.PassResult(model, modified=modified)


def _try_stream(graph: ir.Graph, value: ir.Value, rng: np.random.Generator) -> bool:
    """Rotate the stream that a value belongs to."""
    found = follow(graph, value)
    if isinstance(found, Stopped):
        remark(found.node, f"is not rotated: {found.reason}")
        return False
    rotation = random_rotation(found.width, rng, keeps_mean=found.keeps_mean)
    if isinstance(rotation, str):
        remark(found.constants[0].node, f"is not rotated: belongs to a hidden state that {rotation}")
        return False
    taken = value_names(graph) | {node.name for node in graph if node.name}
    if _shift(graph, found, taken):
        found = follow(graph, value)
        assert isinstance(found, Stream)
    shared: dict[tuple[ir.Value, int], ir.Value] = {}
    for each in found.constants:
        _turn(graph, each, rotation, shared, taken)
    for node, norm in found.norms.items():
        gain = constant_array(node.inputs[norm.gain])
        if gain is not None and np.any(gain != 1.0):
            replace_constant(graph, node, norm.gain, np.ones_like(gain), "one", taken)
    for node in found.gains:
        _bypass(graph, node)
    _log.info("rotated a hidden state of %d channels: %d constants", found.width, len(found.constants))
    return True


def _shift(graph: ir.Graph, stream: Stream, taken: set[str]) -> bool:
    """Move the offsets of normalizations into the biases behind them; whether there were any."""
    for each in stream.shifted:
        _add_bias(graph, each.matrix, each.through, taken)
    offsets = [(node, norm.offset) for node, norm in stream.norms.items() if norm.offset is not None]
    cleared = False
    for node, index in offsets:
        old = constant_array(node.inputs[index]) if index < len(node.inputs) else None
        if old is None or not old.any():
            continue
        if index + 1 == len(node.inputs):
            node.resize_inputs(index)  # to an empty name ONNX Runtime 1.31.1 fuses, and crashes
        else:
            replace_constant(graph, node, index, np.zeros_like(old), "none", taken)
        cleared = True
    for node in stream.offsets:
        _bypass(graph, node)
    return cleared or bool(stream.offsets)


def _add_bias(graph: ir.Graph, matrix: Matrix, more: np.ndarray, taken: set[str]) -> None:
    """Let a product write `more` in addition; by the bias it has, by that of an Add behind it, or by a new Add."""
    node, written = matrix.node, matrix.node.outputs[0]
    if is_op(node, "Gemm"):
        more = more * node.attributes.get_float("alpha", 1.0)
        old = constant_array(node.inputs[2]) if matrix.bias is not None else None
        beta = node.attributes.get_float("beta", 1.0)
        if old is not None and beta != 0.0:
            replace_constant(graph, node, 2, old + more / beta, "shifted", taken)
            return
    behind = sole_consumer(written)
    index = next((k for k, value in enumerate(behind.inputs) if is_constant(value)), None) if behind else None
    if behind is not None and index is not None and is_op(behind, "Add"):
        old = constant_array(behind.inputs[index])
        if old is not None and old.dtype == np.float32 and old.ndim < 2:
            replace_constant(graph, behind, index, old + more, "shifted", taken)
            return
    name = fresh_name(f"{written.name}_shifted", taken)
    uses, outputs = tuple(written.uses()), [k for k, value in enumerate(graph.outputs) if value is written]
    add = ir.node("Add", [written, add_initializer(graph, f"{name}_by", more.astype(np.float32))], name=name)
    shifted = add.outputs[0]
    shifted.name, shifted.type, shifted.shape = name, written.type, written.shape
    insert_after(graph, written, [add])
    rewire(uses, shifted)
    if outputs:
        shifted.name, written.name = written.name, fresh_name(f"{written.name}_unshifted", taken)
    for k in outputs:
        graph.outputs[k] = shifted


def _turn(
    graph: ir.Graph,
    each: Turned,
    rotation: Rotation,
    shared: dict[tuple[ir.Value, int], ir.Value],
    taken: set[str],
) -> None:
    """Rotate one constant; those that were one and are rotated alike stay one."""
    old = each.node.inputs[each.index]
    array = constant_array(old)
    assert old is not None
    assert array is not None
    axis = each.axis % max(array.ndim, 1)
    if each.gain is None and (old, axis) in shared:
        each.node.replace_input_with(each.index, shared[old, axis])
        return
    width = rotation.signs.size
    wide = np.broadcast_to(array, (*array.shape[:-1], width)) if array.ndim < 2 or each.axis == -1 else array
    if each.gain is not None:
        wide = wide * np.expand_dims(each.gain, tuple(k for k in range(wide.ndim) if k != axis))
    replace_constant(graph, each.node, each.index, rotation.turned(wide, axis), "rotated", taken)
    new = each.node.inputs[each.index]
    if each.gain is None and new is not None:
        shared[old, axis] = new


def _bypass(graph: ir.Graph, node: ir.Node) -> None:
    """Let what reads a node read its one operand that is not constant."""
    value = next(value for value in node.inputs if not is_constant(value))
    assert value is not None
    node.outputs[0].replace_all_uses_with(value)
    graph.remove(node, safe=True)


def _try_heads(graph: ir.Graph, heads: Heads, rng: np.random.Generator) -> bool:
    """Rotate the values of the heads of one product."""
    taken = value_names(graph) | {node.name for node in graph if node.name}
    rotations: dict[int, Rotation] = {}
    for first in heads.blocks:
        rotation = random_rotation(heads.width, rng)
        if isinstance(rotation, str):
            remark(heads.node, f"is not rotated: writes heads, each of which {rotation}")
            return False
        rotations[first] = rotation
    for edge in heads.edges:
        array = constant_array(edge.node.inputs[edge.index])
        assert array is not None
        axis = edge.axis % max(array.ndim, 1)
        turned = np.array(
            array
            if array.ndim and array.shape[axis] == edge.labels.size
            else np.broadcast_to(array, edge.labels.shape),
            np.float64,
        )
        along = np.moveaxis(turned, axis, -1)
        for start in range(0, edge.labels.size, heads.width):
            found = rotations.get(int(edge.labels[start]))
            if found is not None:
                along[..., start : start + heads.width] = found.turned(along[..., start : start + heads.width])
        replace_constant(graph, edge.node, edge.index, turned, "rotated", taken)
    return True
