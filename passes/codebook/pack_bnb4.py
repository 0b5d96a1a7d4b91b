"""MatMul(x, W) -> MatMulBnb4(x, codes, absmax): NF4 as bitsandbytes stores it, for the operator that reads it so.

For runtimes that have a fast kernel of it (CUDA); on CPUs it expands the matrix at every run: 2.7 ms for one row of
2048 x 2048, where the 8-bit blocks that the levels are else expanded to take .066 (ONNX Runtime 1.31.1). The levels are
exact, scales float32, codes (N K / 2,) with the first of two in the high half (contrib operator documentation,
`MatMulBnb4`).

1. MatMul with a matrix in NF4 on its right.
2. Gemm(x, W, C) with transA 0, alpha and beta 1: C is added behind.

Left to others, with a reason: rows that blocks do not divide, weights that something else reads too, other levels.
Scope: the main graph and bodies.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, is_op, skip
from ..weight_only.nbits import DOMAIN
from ..weight_only.storage import stored_values
from ..weight_only.stored import every_name
from .levels import NF4, Levelled
from .notes import levelled_of
from .round_incoherent import unfit

__all__ = ["PackBnb4"]

_NF4 = 1


@dataclass(frozen=True, kw_only=True)
class PackBnb4(Pass):
    """Multiply by matrices in NF4 with `MatMulBnb4`."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = every_name(model)
        done = False
        for weight, storage in stored_values(model):
            levelled = levelled_of(weight)
            readers = [node for node, _ in weight.uses()]
            if levelled is None or not readers or not all(is_op(node, "MatMul", "Gemm") for node in readers):
                continue
            reason = next((why for node in readers if (why := unfit(node, storage))), None) or _why_not(levelled)
            if any(node.inputs[0] is weight for node in readers):
                reason = "multiplies its weights by something else"
            if reason is not None:
                for node in readers:
                    skip(node, reason)
                continue
            _pack(weight, levelled, readers, taken)
            done = True
        if done:
            model.graph.opset_imports.setdefault(DOMAIN, 1)
        return ir.passes.PassResult(model, modified=done)


def _why_not(levelled: Levelled) -> str | None:
    if levelled.levels != NF4:
        return "has levels that bitsandbytes has not"
    columns = levelled.codes.shape[1]
    if columns % levelled.size:
        return f"sums {columns} products, which blocks of {levelled.size} do not divide"
    return None


def _pack(weight: ir.Value, levelled: Levelled, readers: list[ir.Node], taken: set[str]) -> None:
    graph, (rows, columns) = weight.graph, levelled.codes.shape
    assert graph is not None
    flat = levelled.codes.reshape(-1)
    codes = add_initializer(graph, fresh_name(f"{weight.name}_quantized", taken), flat[0::2] << 4 | flat[1::2])
    absmax = add_initializer(graph, fresh_name(f"{weight.name}_absmax", taken), levelled.absmax.reshape(-1))
    sizes = {"K": columns, "N": rows, "block_size": levelled.size, "quant_type": _NF4}
    for node in readers:
        where, (old,) = node.graph, node.outputs
        assert isinstance(where, ir.Graph)
        product = ir.node("MatMulBnb4", [node.inputs[0], codes, absmax], sizes, domain=DOMAIN, name=node.name)
        made, (new,) = [product], product.outputs
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if bias is not None:
            new.name, new.type, new.shape = fresh_name(f"{old.name}_product", taken), old.type, old.shape
            made.append(ir.node("Add", [new, bias], name=fresh_name(f"{node.name or old.name}_Add", taken)))
            (new,) = made[-1].outputs
        new.name, new.type, new.shape = old.name, old.type, old.shape
        ir.convenience.replace_nodes_and_values(where, node, [node], made, [old], [new])
    del graph.initializers[str(weight.name)]
