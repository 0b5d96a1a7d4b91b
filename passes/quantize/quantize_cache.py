"""GroupQueryAttention with keys and values kept in int8: cache' = round(cache / s), s one scale per channel of a head.

The kernel quantizes what it appends and multiplies what it reads by s (ONNX Runtime 1.31.1, GroupQueryAttention with
`k_scale`, `v_scale` and `PER_CHANNEL`). A quarter of the memory and of what every step reads; as fast on the CPU.
Half a step of error per element: of keys and values of a Gaussian, 1.1 % relative.

s = max|x| / 127 over the samples. Values are observed where they enter, channel by channel. Keys are stored turned,
and a turn of a pair (a, b) reaches √(a² + b²): that bounds each channel of each head, and what was observed of the
stored keys bounds each channel over all heads; the lesser holds.

Inputs and outputs that carry the cache become int8: whoever feeds them back needs to know no scale.

Scope: attentions of the main graph whose past is an input of the graph and whose present is an output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, skip, value_names
from ..observe.statistics import Extremes, Need, Range, observation_of
from ..spec import PerAxis

__all__ = ["QuantizeCache"]

# Inputs of GroupQueryAttention.
_KEY, _VALUE, _PAST, _SCALES, _COUNT = 1, 2, (3, 4), (12, 13), 14
# Outputs.
_PRESENT = (1, 2)
_LARGEST = 127


@dataclass(frozen=True, kw_only=True)
class QuantizeCache(Pass):
    """Keep keys and values in int8."""

    @property
    def retypes(self) -> bool:
        """The cache that comes in and goes out is int8."""
        return True

    def needs(self, model: ir.Model) -> Sequence[Need]:
        return tuple(need for node in _attentions(model) for need in _needs(node))

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        done = [node for node in _attentions(model) if _try_quantize(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def _attentions(model: ir.Model) -> list[ir.Node]:
    found = []
    for node in model.graph:
        if node.op_type != "GroupQueryAttention" or node.domain != "com.microsoft":
            continue
        reason = _why_not(node)
        if reason:
            skip(node, reason)
        else:
            found.append(node)
    return found


def _why_not(node: ir.Node) -> str:
    inputs, outputs = tuple(node.inputs), tuple(node.outputs)
    if len(inputs) <= _PAST[1] or len(outputs) <= _PRESENT[1] or inputs[_KEY] is None or inputs[_VALUE] is None:
        return "its cache stays float: queries, keys and values are one matrix, or there is no cache"
    pasts, presents = [inputs[index] for index in _PAST], [outputs[index] for index in _PRESENT]
    if not all(value is not None and value.is_graph_input() and len(tuple(value.uses())) == 1 for value in pasts):
        return "its cache stays float: it does not come from inputs of its own"
    if not all(value.is_graph_output() and not value.uses() for value in presents):
        return "its cache stays float: others read it"
    if any(value is not None and value.dtype != ir.DataType.FLOAT for value in pasts):
        return "its cache is not float32"
    return ""


def _needs(node: ir.Node) -> tuple[Need, Need, Need]:
    key, value, stored = node.inputs[_KEY], node.inputs[_VALUE], node.outputs[_PRESENT[0]]
    assert key is not None
    assert value is not None
    by_channel, by_place = Extremes(granularity=PerAxis(axis=2)), Extremes(granularity=PerAxis(axis=3))
    return (
        Need(value=str(key.name), statistic=by_channel),
        Need(value=str(value.name), statistic=by_channel),
        Need(value=str(stored.name), statistic=by_place),
    )


def _try_quantize(graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
    values = (node.inputs[_KEY], node.inputs[_VALUE], node.outputs[_PRESENT[0]])
    seen = [
        observation_of(value, need.statistic)
        for value, need in zip(values, _needs(node), strict=True)
        if value is not None
    ]
    if not all(isinstance(each, Range) for each in seen):
        return False
    key, value, stored = (_magnitude(each) for each in seen if isinstance(each, Range))
    heads = node.attributes.get_int("kv_num_heads", 1)
    scales = (_key_bound(node, key.reshape(heads, -1), stored), value.reshape(heads, -1))
    inputs = [*node.inputs, *([None] * (_COUNT - len(node.inputs)))]
    for index, what, bound in zip(_SCALES, ("key", "value"), scales, strict=True):
        name = fresh_name(f"{node.name}.{what}_scale", taken)
        scale = np.maximum(bound / _LARGEST, np.finfo(np.float32).tiny).astype(np.float32)
        inputs[index] = add_initializer(graph, name, scale[None, :, None, :])
    node.resize_inputs(_COUNT)
    for index in _SCALES:
        node.replace_input_with(index, inputs[index])
    node.attributes.update(
        {
            "k_quant_type": ir.AttrString("k_quant_type", "PER_CHANNEL"),
            "v_quant_type": ir.AttrString("v_quant_type", "PER_CHANNEL"),
            "kv_cache_bit_width": ir.AttrInt64("kv_cache_bit_width", 8),
        }
    )
    for carried in (*(node.inputs[index] for index in _PAST), *(node.outputs[index] for index in _PRESENT)):
        assert carried is not None
        carried.type = ir.TensorType(ir.DataType.INT8)
    return True


def _magnitude(seen: Range) -> np.ndarray:
    found: np.ndarray = np.maximum(np.abs(seen.low), np.abs(seen.high)).astype(np.float64)
    return found


def _key_bound(node: ir.Node, key: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """How large stored keys become, (heads, size)."""
    if not node.attributes.get_int("do_rotary", 0):
        return key
    size = key.shape[1]
    if node.attributes.get_int("rotary_interleaved", 0):
        other = key.reshape(len(key), size // 2, 2)[:, :, ::-1].reshape(key.shape)
    else:
        other = np.roll(key, size // 2, axis=1)
    bound: np.ndarray = np.minimum(np.hypot(key, other), stored[None])
    return bound
