"""Cross-layer factors for values with one scale: give every channel as much of the range as its noise is worth.

y = W2 f(W1 x + b1) with f(s x) = s f(x) is also W2 S f(S^-1 W1 x + S^-1 b1). E. Meller et al., "Same, Same But
Different: Recovering Neural Network Quantization Error Through Weight Factorization" (2019, arXiv 1902.01917), choose S
so that channels of activations reach equally far, as far as weights allow. Here all factors of a graph are chosen
together, for the least noise of both (`balancing`): a depthwise layer, whose weights have a scale per channel, takes
any factor for nothing; a dense one pays with the channels that share a row's scale.

`EqualizeChannels` looks at weights alone, which is what weights with one scale want.

Exact in real numbers; in float32 within a few ulp.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import is_op, sole_consumer
from ..observe.statistics import Extremes, Need, Range, observation_of
from ..spec import PerAxis
from .balancing import Product, Rounded, balance
from .channels import Channels, Scaled
from .rescale import rescale
from .trace import trace_channels

__all__ = ["BalanceChannels"]

_log = logging.getLogger(__name__)

_DONE = "edgec.balanced"
# What is written in integers with a scale of its own, beside linear layers; the rest moves elements or is float.
_ROUNDED = (
    *("Add", "Sum", "Mul", "Concat", "LeakyRelu", "Relu", "Clip"),
    *("AveragePool", "GlobalAveragePool", "ReduceMean"),
)


@dataclass(frozen=True, kw_only=True)
class BalanceChannels(Pass):
    """Divide channels by factors that lessen the noise of activations and weights together.

    Attributes:
        activation_bits, weight_bits: What is quantized to.
        per_channel: Whether weights have a scale per output channel.
        sweeps: Most iterations; the noise falls little after that.
    """

    activation_bits: int = 8
    weight_bits: int = 8
    per_channel: bool = True
    sweeps: int = 150

    @property
    def invalidates(self) -> bool:
        """Divided channels have other ranges."""
        return True

    def needs(self, model: ir.Model) -> Sequence[Need]:
        if _is_done(model):
            return ()
        channels = trace_channels(model)
        layers = _by_node(channels)
        values = {
            (value, axis): _need(value, axis)
            for node in model.graph
            for value, axis in (*_read(node, layers), *_written(node, layers, channels))
        }
        return tuple(values.values())

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if _is_done(model):
            return ir.passes.PassResult(model, modified=False)
        model.graph.meta[_DONE] = True
        channels = trace_channels(model)
        layers = _by_node(channels)
        steps = [step for node in model.graph for step in _steps(node, layers, channels)]
        s = balance(
            steps,
            channels.count,
            activation_bits=self.activation_bits,
            weight_bits=self.weight_bits,
            per_channel=self.per_channel,
            sweeps=self.sweeps,
        )
        _log.info("balanced %d of %d channels", np.count_nonzero(s != 1.0), s.size - 1)
        return ir.passes.PassResult(model, modified=rescale(model.graph, channels, s, "balanced"))


def _is_done(model: ir.Model) -> bool:
    """Whether the pass ran: what was observed is stale, and a second optimum is none of ours."""
    return _DONE in model.graph.meta


def _need(value: ir.Value, axis: int) -> Need:
    return Need(value=str(value.name), statistic=Extremes(granularity=PerAxis(axis=axis)))


def _observed(value: ir.Value, axis: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Smallest and largest value of each channel, and 0; None where they were not observed or are not finite."""
    found = observation_of(value, _need(value, axis).statistic)
    if not isinstance(found, Range) or not np.isfinite(found.low + found.high).all():
        return None
    return np.minimum(found.low, 0.0).astype(np.float64), np.maximum(found.high, 0.0).astype(np.float64)


def _steps(node: ir.Node, layers: Mapping[ir.Node, Scaled], channels: Channels) -> Iterator[Rounded | Product]:
    """The layer a node is, and the value it writes."""
    for value, axis in _read(node, layers):
        layer, found = layers[node], _observed(value, axis)
        if found is not None and found[0].size == layer.columns.size:
            power = Rounded(labels=layer.columns.reshape(-1), low=found[0], high=found[1]).power
            yield Product(
                rows=layer.rows,
                columns=layer.columns,
                weight=layer.layer.weight,
                power=power.reshape(layer.columns.shape),
            )
    for value, axis in _written(node, layers, channels):
        found = _observed(value, axis)
        labels = channels.values[value].reshape(-1)
        if found is not None and found[0].size == labels.size:
            yield Rounded(labels=labels, low=found[0], high=found[1])


def _by_node(channels: Channels) -> dict[ir.Node, Scaled]:
    """The layers of which some factor is free."""
    return {each.layer.node: each for each in channels.layers if each.rows.any() or each.columns.any()}


def _read(node: ir.Node, layers: Mapping[ir.Node, Scaled]) -> Iterator[tuple[ir.Value, int]]:
    """What a linear layer reads, with the axis of its channels."""
    layer, x = layers.get(node), node.inputs[0] if node.inputs else None
    if layer is not None and x is not None and x.shape is not None and len(x.shape) > 1:
        yield x, layer.layer.channel_axis % len(x.shape)


def _written(node: ir.Node, layers: Mapping[ir.Node, Scaled], channels: Channels) -> Iterator[tuple[ir.Value, int]]:
    """What a node rounds, with the one axis along which its labels vary; nothing where a clamp behind it rounds."""
    if node not in layers and not is_op(node, *_ROUNDED):
        return
    value = node.outputs[0]
    labels = channels.values.get(value)
    if labels is None or not labels.any() or value.shape is None or is_op(sole_consumer(value), "Relu", "Clip"):
        return
    axes = [axis for axis, size in enumerate(labels.shape) if size > 1]
    if len(axes) == 1:
        yield value, axes[0]
