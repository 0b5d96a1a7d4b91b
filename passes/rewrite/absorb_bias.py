"""High-bias absorption: take out of an activation what it never goes below, and give it to the next bias.

Nagel et al. (2019, arXiv 1906.04721), section 4.1.3: for a c with r(W1 x + b1 - c) = r(W1 x + b1) - c for nearly all x,

    y = W2 r(W1 x + b1) + b2 = W2 r(W1 x + b1 - c) + W2 c + b2        (eqs. 12 to 15)

so b1' = b1 - c and b2' = b2 + W2 c. Equalization raises biases with the weights of weak channels; what they add to
every element alike then widens the range of the whole activation. The paper takes c = max(0, beta - 3 gamma) from
batch norm; here it is what was observed, c = max(0, min of W1 x + b1): exact, up to float rounding, on that range.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, sole_consumer, subgraph_nodes, value_names
from ..observe.statistics import Extremes, Need, Range, observation_of
from ..quantize.clamps import bounds_of
from ..spec import PerAxis
from .carriers import carry
from .linear import Linear, linear_of
from .rescale import replace_constant
from .trace import Tracer

__all__ = ["AbsorbHighBias", "absorbable", "carried_over"]

_log = logging.getLogger(__name__)

_DONE = "edgec.absorbed"
# f(h - c) = f(h) - c also for means, maxima and movers, as long as no padding takes part.
_MOVERS = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "ReduceMean")
_POOLS = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")


def absorbable(low: np.ndarray, high: np.ndarray, ceiling: float) -> np.ndarray:
    """The paper's c = max(0, low); 0 where the value was seen above the clamp behind it.

    Args:
        low: Smallest value of each channel, shape (channels,).
        high: Largest, same shape.
        ceiling: Where the clamp cuts; infinite without one.

    Returns:
        c, float64, shape (channels,).
    """
    c: np.ndarray = np.where(high <= ceiling, np.maximum(low, 0.0), 0.0).astype(np.float64)
    return c


def carried_over(w: np.ndarray, c: np.ndarray) -> np.ndarray:
    """W2 c, what the next layer's bias gains.

    Args:
        w: Its weight, shape (groups, outputs, inputs, taps).
        c: What each of its inputs lost, shape (groups, inputs).

    Returns:
        float64, shape (groups * outputs,).
    """
    gained: np.ndarray = np.einsum("goit,gi->go", w.astype(np.float64), c).reshape(-1)
    return gained


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Site:
    """A layer, the clamp's ceiling behind it, and its readers with the channel each of their inputs is."""

    layer: Linear
    ceiling: float
    readers: tuple[tuple[Linear, np.ndarray], ...]


@dataclass(frozen=True, kw_only=True)
class AbsorbHighBias(Pass):
    """Move the observed minimum of activations behind Conv and Gemm into the biases of the layers that read them."""

    @property
    def invalidates(self) -> bool:
        """Shifted channels have other ranges."""
        return True

    def needs(self, model: ir.Model) -> Sequence[Need]:
        return tuple(_need(site.layer) for site in _sites(model))

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        moved = 0
        for site in _sites(model):
            node = site.layer.node
            observed = observation_of(node.outputs[0], _need(site.layer).statistic)
            if not isinstance(observed, Range) or not np.isfinite(observed.low + observed.high).all():
                continue
            node.meta[_DONE] = True
            c = absorbable(observed.low, observed.high, site.ceiling)
            if not c.any():
                continue
            _add_to_bias(model.graph, site.layer, -c, taken)
            for reader, columns in site.readers:
                alpha = reader.node.attributes.get_float("alpha", 1.0)
                _add_to_bias(model.graph, reader, alpha * carried_over(reader.weight, c[columns]), taken)
            moved += int(np.count_nonzero(c))
        _log.info("absorbed the minimum of %d channels", moved)
        return ir.passes.PassResult(model, modified=moved > 0)


def _need(layer: Linear) -> Need:
    name = str(layer.node.outputs[0].name)
    return Need(value=name, statistic=Extremes(granularity=PerAxis(axis=layer.channel_axis)))


def _sites(model: ir.Model) -> Iterator[_Site]:
    captured = {value for node in subgraph_nodes(model) for value in node.inputs if value is not None}
    for node in model.graph:
        layer = linear_of(node)
        if not isinstance(layer, Linear) or not _has_bias(layer) or _DONE in node.meta:
            continue
        value = node.outputs[0]
        if value.is_graph_output() or value in captured or value.shape is None:
            continue
        activation = sole_consumer(value)
        ceiling = _ceiling(activation, value)
        channels = np.arange(layer.groups * layer.outputs).reshape(layer.groups, layer.outputs)
        labels = layer.labels_behind(channels, len(value.shape))
        if activation is None or ceiling is None or labels is None:
            continue
        if readers := _readers(activation.outputs[0], labels, captured):
            yield _Site(layer=layer, ceiling=ceiling, readers=readers)


def _ceiling(activation: ir.Node | None, value: ir.Value) -> float | None:
    """Up to where f(h - c) = f(h) - c for h >= c >= 0; None when `activation` is no such f."""
    if activation is None or activation.inputs[0] is not value or len(activation.outputs) != 1:
        return None
    if is_op(activation, "Relu", "LeakyRelu", "PRelu"):
        return np.inf
    if not is_op(activation, "Clip") or activation.attributes:
        return None
    if any(bound is not None and constant_array(bound) is None for bound in activation.inputs[1:]):
        return None
    low, high = bounds_of(activation)
    return high if low <= 0.0 else None


def _readers(
    value: ir.Value, labels: np.ndarray, captured: set[ir.Value]
) -> tuple[tuple[Linear, np.ndarray], ...] | None:
    """All layers a value reaches, each with the channel of its inputs; None when something else reads it."""
    if value.is_graph_output() or value in captured:
        return None
    found: list[tuple[Linear, np.ndarray]] = []
    for node, index in value.uses():
        layer = linear_of(node)
        if isinstance(layer, Linear) and index == 0:
            columns = layer.columns_of(labels)
            if columns is None or not _has_bias(layer) or _pads(node):
                return None
            found.append((layer, columns))
            continue
        if index or not is_op(node, *_MOVERS, *_POOLS) or (is_op(node, *_POOLS) and _pads(node)):
            return None
        moved = carry(node, [labels], Tracer(norms=False))
        behind = None if moved is None else _readers(node.outputs[0], moved[0], captured)
        if behind is None:
            return None
        found.extend(behind)
    return tuple(found)


def _has_bias(layer: Linear) -> bool:
    """Whether the node takes a bias that is added as it is."""
    node = layer.node
    return node.op_type == "Conv" or (node.op_type == "Gemm" and node.attributes.get_float("beta", 1.0) == 1.0)


def _pads(node: ir.Node) -> bool:
    """Whether zeros, which lose nothing, stand among the elements a window sums."""
    automatic = node.attributes.get_string("auto_pad", "NOTSET")
    ceil = node.attributes.get_int("ceil_mode", 0) == 1
    return any(node.attributes.get_ints("pads", ())) or automatic not in ("NOTSET", "VALID") or ceil


def _add_to_bias(graph: ir.Graph, layer: Linear, more: np.ndarray, taken: set[str]) -> None:
    node = layer.node
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        b = layer.bias
        assert b is not None
        replace_constant(graph, node, 2, b + more, "absorbed", taken)
        return
    weight = node.inputs[1]
    assert weight is not None
    if len(node.inputs) < 3:
        node.resize_inputs(3)
    name = fresh_name(f"{weight.name}_absorbed_bias", taken)
    node.replace_input_with(2, add_initializer(graph, name, more.astype(np.float32)))
