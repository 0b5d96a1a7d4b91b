"""Pad channels with zeros to the width of the integer kernels. Exact: zero weights add zero.

ONNX Runtime's CPU provider packs QLinearConv weights for its symmetric kernels only when the input
channels are a multiple of 4 and, for depthwise, takes 16 channels at a time; other shapes go through
im2col or a scalar tail (MLAS `MlasConvSymPackWSize`, `MlasConvSymDepthwise`). Measured on 1.31.1,
Zen 4, one thread, stem and its Q together: 3 -> 32 at 224 x 224 368 us, aligned 252 us; 3 -> 64 at 227 x 227
492 us, aligned 318 us; depthwise 24 at 48 x 48 57 us, 32 channels 30 us (2026-11-21).

1. Conv without groups, kernel larger than one pixel, input channels no multiple of `inputs`:
   x -> Pad(channels) -> Conv with zero columns in W. Not behind a Transpose from channels-last: there
   the padding would go between the elements of every pixel, which costs more than it saves (74 us at 96 x 96).
2. Depthwise Conv of C channels, no multiple of `depthwise`, between two convolutions that alone touch it:
   the first writes zero channels, the depthwise carries them, the last ignores them.
   A clamp between them must keep 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import (
    add_initializer,
    constant_array,
    constant_scalar,
    fresh_name,
    insert_after,
    is_op,
    opset_of,
    sole_consumer,
    value_names,
)

__all__ = ["AlignChannels", "comes_channels_last", "keeps_zero"]


@dataclass(frozen=True, kw_only=True)
class AlignChannels(Pass):
    """Widen convolutions to the channel counts their integer kernels are fast at.

    Attributes:
        inputs: Input channels of a Conv become a multiple of this.
        depthwise: Channels of a depthwise Conv become a multiple of this.
    """

    inputs: int
    depthwise: int

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        modified = False
        for node in model.graph:
            if not is_op(node, "Conv"):
                continue
            modified |= self._try_widen_depthwise(model.graph, node, taken)
        if opset_of(model) >= 11:  # Pad takes its amounts as an input from opset 11 on
            for node in tuple(model.graph):
                if is_op(node, "Conv"):
                    modified |= self._try_pad_input(model.graph, node, taken)
        return ir.passes.PassResult(model, modified=modified)

    def _try_pad_input(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        x, w = node.inputs[0], constant_array(node.inputs[1])
        if x is None or w is None or w.dtype != np.float32 or w.ndim < 3 or node.attributes.get_int("group", 1) != 1:
            return False
        channels = w.shape[1]
        missing = -channels % self.inputs
        if not missing or int(np.prod(w.shape[2:])) == 1 or comes_channels_last(x):
            return False
        name = fresh_name(f"{x.name}_align", taken)
        amounts = np.zeros(2 * w.ndim, np.int64)
        amounts[w.ndim + 1] = missing
        pad = ir.node("Pad", [x, add_initializer(graph, fresh_name(f"{name}_pads", taken), amounts)], name=name)
        wide = pad.outputs[0]
        wide.name = fresh_name(f"{x.name}_aligned", taken)
        wide.type = x.type
        if x.shape is not None:
            wide.shape = ir.Shape([x.shape[0], channels + missing, *x.shape[2:]])
        insert_after(graph, x, (pad,))
        node.replace_input_with(0, wide)
        self._replace(graph, node, 1, _zeros(w, 1, missing), taken)
        return True

    def _try_widen_depthwise(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        channels = node.attributes.get_int("group", 1)
        w = constant_array(node.inputs[1])
        missing = -channels % self.depthwise
        if channels == 1 or w is None or w.shape[:2] != (channels, 1) or not missing or w.dtype != np.float32:
            return False
        before, after = _convolution_before(node), _convolution_behind(node)
        if before is None or after is None or before is after:
            return False
        stem = before.inputs[0]
        if stem is not None and comes_channels_last(stem):
            return False
        weights = [constant_array(each.inputs[1]) for each in (before, after)]
        biases = [each.inputs[2] if len(each.inputs) > 2 else None for each in (before, node)]
        if any(array is None for array in weights) or any(b is not None and constant_array(b) is None for b in biases):
            return False
        for each, axis in ((before, 0), (node, 0), (after, 1)):
            array = constant_array(each.inputs[1])
            assert array is not None
            self._replace(graph, each, 1, _zeros(array, axis, missing), taken)
        for each in (before, node):
            if len(each.inputs) > 2 and (bias := constant_array(each.inputs[2])) is not None:
                self._replace(graph, each, 2, _zeros(bias, 0, missing), taken)
        node.attributes["group"] = ir.AttrInt64("group", channels + missing)
        between = (*_chain(before, node), *_chain(node, after))
        for value in between:
            if value.shape is not None:
                value.shape = ir.Shape([value.shape[0], channels + missing, *value.shape[2:]])
        return True

    def _replace(self, graph: ir.Graph, node: ir.Node, index: int, array: np.ndarray, taken: set[str]) -> None:
        old = node.inputs[index]
        assert old is not None
        node.replace_input_with(index, add_initializer(graph, fresh_name(f"{old.name}_aligned", taken), array))


def comes_channels_last(x: ir.Value) -> bool:
    """Whether a value is an image transposed from channels-last."""
    producer = x.producer()
    if producer is None or not is_op(producer, "Transpose"):
        return False
    order = producer.attributes.get_ints("perm", ())
    return len(order) > 1 and order[1] == len(order) - 1


def _zeros(array: np.ndarray, axis: int, count: int) -> np.ndarray:
    return np.pad(array, [(0, count if k == axis else 0) for k in range(array.ndim)])


def _convolution_before(node: ir.Node) -> ir.Node | None:
    """The groupless Conv whose result, clamped at most, only `node` reads."""
    value = node.inputs[0]
    producer = None if value is None else value.producer()
    if producer is not None and keeps_zero(producer) and sole_consumer(producer.outputs[0]) is node:
        node, value = producer, producer.inputs[0]
        producer = None if value is None else value.producer()
    if producer is None or not is_op(producer, "Conv") or producer.attributes.get_int("group", 1) != 1:
        return None
    return producer if sole_consumer(producer.outputs[0]) is node else None


def _convolution_behind(node: ir.Node) -> ir.Node | None:
    """The groupless Conv that alone reads `node`, clamped at most."""
    reader = sole_consumer(node.outputs[0])
    if reader is not None and keeps_zero(reader):
        reader = sole_consumer(reader.outputs[0])
    if reader is None or not is_op(reader, "Conv") or reader.attributes.get_int("group", 1) != 1:
        return None
    return reader


def keeps_zero(node: ir.Node) -> bool:
    """Whether a node is a Relu, or a Clip around 0."""
    if is_op(node, "Relu"):
        return True
    if not is_op(node, "Clip"):
        return False
    for index, sign in ((1, 1.0), (2, -1.0)):
        if len(node.inputs) > index and node.inputs[index] is not None:
            bound = constant_scalar(node.inputs[index])
            if bound is None or sign * bound > 0:
                return False
    return True


def _chain(first: ir.Node, last: ir.Node) -> tuple[ir.Value, ...]:
    """Values from the output of `first` to the input of `last`."""
    values = [last.inputs[0]]
    if values[0] is not first.outputs[0]:
        values.append(first.outputs[0])
    return tuple(value for value in values if value is not None)
