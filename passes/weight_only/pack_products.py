"""MatMul(x, W) -> MatMulNBits(x, codes, scales): weights in 4 bits, multiplied as they are stored.

W (K, N) in blocks of B along K, w ≈ (c - 8) s: c in 4 bits, two in a byte, the lower half first, (N, K/B, B/2); s
(N, K/B) in one row (ONNX Runtime 1.31.1, contrib operator documentation, `MatMulNBits`). For providers that have this
kernel and do not put it in the place of DequantizeLinear and MatMul themselves: WebGPU (onnxruntime-node 1.30.0).

1. MatMul with a constant matrix on its right.
2. Gemm(x, W, C) with transA 0, alpha and beta 1, W as it is or transposed -> Add(MatMulNBits(x, ...), C).

Left alone, with a reason: no block whose length is a power of two divides K; others read W, too.
Scope: the main graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, is_overridable, skip, value_names
from ..scope import out_of_scope
from .packing import pack_blocks

__all__ = ["PackProducts"]

_DOMAIN = "com.microsoft"


@dataclass(frozen=True, kw_only=True)
class PackProducts(Pass):
    """Store matrices in 4 bits, for a kernel that multiplies them so.

    Attributes:
        block_size: Most elements that share a scale; a power of two.
        minimum: Fewest elements of a matrix.
        float_nodes: Names of nodes whose weights stay as they are.
    """

    block_size: int = 32
    minimum: int = 1024
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()
    float_nodes: tuple[str, ...] = ()

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        found: dict[ir.Value, list[ir.Node]] = {}
        for node in graph:
            if is_op(node, "MatMul", "Gemm") and _is_own(node.inputs[1], self.minimum):
                reason = self._excluded(node) or _unfit(node)
                if reason is not None:
                    skip(node, reason)
                    continue
                assert node.inputs[1] is not None
                found.setdefault(node.inputs[1], []).append(node)
        taken = value_names(graph) | {node.name for node in graph if node.name}
        done = [weight for weight, readers in found.items() if self._try_pack(graph, weight, readers, taken)]
        if done:
            graph.opset_imports.setdefault(_DOMAIN, 1)
        return ir.passes.PassResult(model, modified=bool(done))

    def _excluded(self, node: ir.Node) -> str | None:
        if node.name in self.float_nodes:
            return "was measured to be better off in float, weights included"
        scope = {"exclude_nodes": self.exclude_nodes, "exclude_ops": self.exclude_ops, "only_ops": self.only_ops}
        return out_of_scope(node, **scope)

    def _try_pack(self, graph: ir.Graph, weight: ir.Value, readers: list[ir.Node], taken: set[str]) -> bool:
        if {node for node, _ in weight.uses()} != set(readers) or len({_is_turned(node) for node in readers}) > 1:
            for node in readers:
                skip(node, f"its weights {weight.name!r} are read in another way, too")
            return False
        w = constant_array(weight)
        assert w is not None
        matrix = w.T if _is_turned(readers[0]) else w
        block = _block(matrix.shape[0], self.block_size)
        packed = None if block is None else pack_blocks(matrix, (0,), block)
        if packed is None:
            for node in readers:
                skip(node, f"sums {matrix.shape[0]} products, which make no blocks of 16 or more, a power of two")
            return False
        codes = add_initializer(graph, fresh_name(f"{weight.name}_quantized", taken), nibbles(packed.codes[0]))
        scale = np.ascontiguousarray(packed.scale[0, :, 0].T).reshape(-1)
        scales = add_initializer(graph, fresh_name(f"{weight.name}_scale", taken), scale)
        for node in readers:
            _replace(graph, node, codes, scales, taken)
        del graph.initializers[str(weight.name)]
        return True


def nibbles(codes: np.ndarray) -> np.ndarray:
    """Codes as the kernel reads them.

    Args:
        codes: int4, (K/B, B, N), from -8 to 7.

    Returns:
        uint8, (N, K/B, B/2): c + 8, two in a byte, the first in the lower half.
    """
    rows = (codes.astype(np.int8) + 8).astype(np.uint8).transpose(2, 0, 1)
    return np.ascontiguousarray(rows[..., 0::2] | rows[..., 1::2] << 4)


def _block(length: int, size: int) -> int | None:
    """The longest power of two from 16 to `size` that divides a length; None where none does."""
    powers = (1 << bits for bits in range(size.bit_length() - 1, 3, -1))
    return next((power for power in powers if length % power == 0), None)


def _is_own(value: ir.Value | None, minimum: int) -> bool:
    """Whether a weight is a float32 matrix of the graph's own, and large enough."""
    if value is None or not value.is_initializer() or value.is_graph_output() or is_overridable(value):
        return False
    held = value.const_value
    return held is not None and held.dtype == ir.DataType.FLOAT and len(held.shape) == 2 and held.size >= minimum


def _is_turned(node: ir.Node) -> bool:
    return node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1


def _unfit(node: ir.Node) -> str | None:
    """Why a product has another form than the kernel's, or None."""
    if node.inputs[0] is node.inputs[1]:
        return "multiplies its weights by themselves"
    if node.op_type == "Gemm":
        get = node.attributes
        if get.get_int("transA", 0) or get.get_float("alpha", 1.0) != 1.0 or get.get_float("beta", 1.0) != 1.0:
            return "is scaled or transposed, which the kernel has no form for"
    return None


def _replace(graph: ir.Graph, node: ir.Node, codes: ir.Value, scales: ir.Value, taken: set[str]) -> None:
    columns, blocks, half = codes.shape.numpy() if codes.shape is not None else (0, 0, 0)
    sizes = {"K": blocks * half * 2, "N": columns, "bits": 4, "block_size": half * 2}
    product = ir.node("MatMulNBits", [node.inputs[0], codes, scales], sizes, domain=_DOMAIN, name=node.name)
    (old,), (new,) = node.outputs, product.outputs
    made = [product]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        new.name, new.type, new.shape = fresh_name(f"{old.name}_product", taken), old.type, old.shape
        add = ir.node("Add", [new, bias], name=fresh_name(f"{node.name or old.name}_Add", taken))
        made.append(add)
        (new,) = add.outputs
    new.name, new.type, new.shape = old.name, old.type, old.shape
    ir.convenience.replace_nodes_and_values(graph, node, [node], made, node.outputs, [new])
