"""Pools over windows as ONNX Runtime's NNAPI provider takes them. Exact.

================================================= ================================================
GlobalAveragePool(x of (N, C, H, W))              AveragePool(x, kernel [H, W])
pool<ceil_mode = 1>                               pool<pads with what the last window goes over x>
AveragePool<count_include_pad = 1, pads>(x)       AveragePool(Max(Pad(x, pads), lowest))
AveragePool<count_include_pad = 1>, pads all 0    AveragePool
================================================= ================================================

The provider takes an AveragePool among integers and no GlobalAveragePool; and no pool with one of the two attributes
(microsoft/onnxruntime 3149122, pool_op_builder.cc). Without the Max, ONNX Runtime makes one operator of Pad and pool
again before it asks the provider (PadFusion, 1.31.1).

Scope: pools of the main graph over images of known size, without dilations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, is_op, value_names
from ..scope import made_from

__all__ = ["WindowPools"]

_POOLS = ("AveragePool", "MaxPool")


@dataclass(frozen=True, kw_only=True)
class WindowPools(Pass):
    """Give global averages a window, and write pads out that a pool counts or rounds up."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph, taken = model.graph, value_names(model.graph)
        done = [node for node in graph if is_op(node, "GlobalAveragePool") and _try_window(graph, node)]
        done += [node for node in graph if is_op(node, *_POOLS) and _try_pads(graph, node, taken)]
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


def _try_pads(graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
    """Set both attributes to 0; without `auto_pad`, which says nothing of pads, and dilations, which nobody takes."""
    counted, rounded = (node.attributes.get_int(name, 0) == 1 for name in ("count_include_pad", "ceil_mode"))
    sizes = _sizes(node.inputs[0])
    kernel = node.attributes.get_ints("kernel_shape", ())
    if any(step != 1 for step in node.attributes.get_ints("dilations", ())):
        return False
    if not (counted or rounded) or node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return False
    pads = list(node.attributes.get_ints("pads", ())) or [0] * 2 * len(kernel)
    over = [0] * len(kernel)
    if rounded:
        if len(sizes) != len(kernel):
            return False
        over = _over(node, sizes, pads)
    if counted and any(pads):
        _pad(graph, node, pads, taken)
        pads = [0] * len(pads)
    if any(over) or "pads" in node.attributes:
        pads[len(kernel) :] = [end + more for end, more in zip(pads[len(kernel) :], over, strict=True)]
        node.attributes["pads"] = ir.AttrInt64s("pads", pads)
    for name in ("count_include_pad", "ceil_mode"):
        if name in node.attributes:
            node.attributes[name] = ir.AttrInt64(name, 0)
    return True


def _sizes(x: ir.Value | None) -> list[int]:
    """Sizes of an image, those known."""
    return [] if x is None or x.shape is None else [dim for dim in x.shape[2:] if isinstance(dim, int)]


def _over(node: ir.Node, sizes: Sequence[int], pads: Sequence[int]) -> list[int]:
    """How far the last window of each axis goes over the padded image; a window that begins behind x is none."""
    kernel = node.attributes.get_ints("kernel_shape", ())
    strides = node.attributes.get_ints("strides", [1] * len(kernel))
    found = []
    for axis, (size, width, stride) in enumerate(zip(sizes, kernel, strides, strict=True)):
        before, after = pads[axis], pads[axis + len(kernel)]
        last = -(-(size + before + after - width) // stride) * stride
        last -= stride if last >= size + before else 0
        found.append(max(0, last + width - (size + before + after)))
    return found


def _pad(graph: ir.Graph, node: ir.Node, pads: Sequence[int], taken: set[str]) -> None:
    """Put a Pad before a pool, and between them what keeps them two."""
    x = node.inputs[0]
    assert x is not None, "an AveragePool has an input"
    half = len(pads) // 2
    amounts = np.array([0, 0, *pads[:half], 0, 0, *pads[half:]], np.int64)
    widths = add_initializer(graph, fresh_name(f"{x.name}_pads", taken), amounts)
    pad = ir.node("Pad", [x, widths], name=fresh_name(f"{node.name}_pad", taken))
    made_from(pad, node)
    padded = pad.outputs[0]
    padded.name, padded.type = fresh_name(f"{x.name}_padded", taken), x.type
    if x.shape is not None:
        grown = zip(x.shape[2:], pads[:half], pads[half:], strict=True)
        rest = [size + before + after if isinstance(size, int) else None for size, before, after in grown]
        padded.shape = ir.Shape([*x.shape[:2], *rest])
    lowest = add_initializer(graph, fresh_name(f"{x.name}_lowest", taken), np.asarray([np.finfo(np.float32).min]))
    held = ir.node("Max", [padded, lowest], name=fresh_name(f"{node.name}_held", taken))
    made_from(held, node)
    kept = held.outputs[0]
    kept.name, kept.type, kept.shape = fresh_name(f"{x.name}_held", taken), padded.type, padded.shape
    graph.insert_before(node, (pad, held))
    node.replace_input_with(0, kept)
