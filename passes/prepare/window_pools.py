"""Averages over windows as ONNX Runtime's NNAPI provider takes them. Exact.

=============================================== ==========================================
GlobalAveragePool(x of (N, C, H, W))            AveragePool(x, kernel [H, W])
AveragePool<count_include_pad = 1>, pads all 0  AveragePool<count_include_pad = 0>
pool<ceil_mode = 1>, windows that end at x      pool<ceil_mode = 0>
=============================================== ==========================================

The provider takes an AveragePool among integers and no GlobalAveragePool; and no pool with one of the two attributes,
which exporters write although they change nothing (microsoft/onnxruntime 3149122, pool_op_builder.cc).

Scope: pools of the main graph over images of known size.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import is_op
from ..scope import made_from

__all__ = ["WindowPools"]

_POOLS = ("AveragePool", "MaxPool")


@dataclass(frozen=True, kw_only=True)
class WindowPools(Pass):
    """Give global averages a window, and drop what pools say of pads they have not."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        done = [node for node in model.graph if is_op(node, "GlobalAveragePool") and _try_window(model.graph, node)]
        done += [node for node in model.graph if is_op(node, *_POOLS) and _try_simplify(node)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_window(graph: ir.Graph, node: ir.Node) -> bool:
    x = node.inputs[0]
    if x is None or x.shape is None or len(x.shape) != 4:
        return False
    window = [dim for dim in x.shape[2:] if isinstance(dim, int) and dim > 0]
    if len(window) < 2:
        return False
    pool = ir.node("AveragePool", [x], {"kernel_shape": window}, name=node.name)
    made_from(pool, node)
    old, result = node.outputs[0], pool.outputs[0]
    result.type, result.shape = old.type, old.shape
    ir.convenience.replace_nodes_and_values(graph, node, [node], [pool], [old], [result])
    return True


def _try_simplify(node: ir.Node) -> bool:
    """Set attributes to 0 that have no effect; without `auto_pad`, which says nothing of pads."""
    told = [name for name in ("count_include_pad", "ceil_mode") if node.attributes.get_int(name, 0) == 1]
    if not told or node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return False
    over = "ceil_mode" in told and _rounds_up(node)
    padded = over or any(node.attributes.get_ints("pads", ()))
    idle = [name for name in told if not (padded if name == "count_include_pad" else over)]
    for name in idle:
        node.attributes[name] = ir.AttrInt64(name, 0)
    return bool(idle)


def _rounds_up(node: ir.Node) -> bool:
    """Whether the last window along an axis goes over the end, or that is not known."""
    x = node.inputs[0]
    kernel = node.attributes.get_ints("kernel_shape", ())
    dims = [] if x is None or x.shape is None else [dim for dim in x.shape[2:] if isinstance(dim, int)]
    if len(dims) != len(kernel):
        return True
    ones = [1] * len(dims)
    strides, dilations = (node.attributes.get_ints(name, ones) for name in ("strides", "dilations"))
    pads = node.attributes.get_ints("pads", [0] * 2 * len(dims))
    axes = zip(dims, kernel, strides, dilations, pads, pads[len(dims) :], strict=False)
    return any(
        (size + before + after - dilation * (width - 1) - 1) % stride
        for size, width, stride, dilation, before, after in axes
    )
