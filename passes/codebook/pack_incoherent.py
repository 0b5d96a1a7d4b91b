"""MatMul(x, W) -> MatMulNBits(x P, codes of W P) + shift * sum(x P): matrices in 2 bits a weight.

`RoundIncoherent` has made the codes. What products read alike is changed once. E8's points are written as two bytes
for eight weights and are the kernel's 4-bit codes once a model is loaded; four levels are the kernel's 2-bit codes as
they are. A row has one scale, written once and repeated at load.

ms for 1 and for 32 rows times 1024 x 1024, all nodes counted, one thread: float .12, .56; e8 .050, .31; midrise .041,
.31; 3 bits as they are .036, .25 (ONNX Runtime 1.31.1, AVX512-VNNI, 2026-11).

1. MatMul with a rounded matrix on its right.
2. Gemm(x, W, C): C is added behind.

Scope: the main graph, the only one whose inputs are observed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import insert_after, remark, remarks_on
from ..weight_only.blocks import kernel_bytes
from ..weight_only.nbits import DOMAIN, Operands, for_kernel, matmul_nbits
from ..weight_only.stored import every_name
from .chain import Chain
from .expand import add_row_scales
from .expand_e8 import add_e8_codes, add_e8_table
from .incoherent import Incoherent
from .notes import incoherent_of
from .spread_nodes import SpreadNodes

__all__ = ["PackIncoherent"]


@dataclass(frozen=True, kw_only=True)
class PackIncoherent(Pass):
    """Multiply by matrices that were rounded behind a change of their inputs."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        writer = _Writer(model)
        found = [(value, incoherent_of(value)) for value in tuple(model.graph.initializers.values())]
        done = [weight for weight, codes in found if codes is not None and writer.pack(weight, codes)]
        if done:
            model.graph.opset_imports.setdefault(DOMAIN, 1)
        return ir.passes.PassResult(model, modified=bool(done))


class _Writer:
    """Products of one graph."""

    def __init__(self, model: ir.Model) -> None:
        self._graph, self._taken = model.graph, every_name(model)
        self._nodes = SpreadNodes(self._graph, self._taken)
        self._changed: dict[tuple[ir.Value, int], tuple[ir.Value, ir.Value]] = {}
        self._table: ir.Value | None = None

    def pack(self, weight: ir.Value, found: Incoherent) -> bool:
        """Replace every product by a weight."""
        operands = self._operands(str(weight.name), found)
        shift = self._nodes.constant(f"{weight.name}_shift", found.shift)
        for node, _ in tuple(weight.uses()):
            self._replace(node, found, operands, shift)
        del self._graph.initializers[str(weight.name)]
        return True

    def _operands(self, stem: str, found: Incoherent) -> Operands:
        if found.kind == "e8" and self._table is None:
            self._table = add_e8_table(Chain(self._graph, "e8", self._taken))
        chain, blocks = Chain(self._graph, stem, self._taken, behind=self._table), for_kernel(found.blocks)
        form, (rows, columns) = blocks.form, blocks.codes.shape
        count = form.blocks_of(columns)
        if self._table is not None:
            codes = add_e8_codes(chain, self._table, found.codes, form.size)
        else:
            middle = 1 << form.bits - 1
            whole = np.pad(blocks.codes, ((0, 0), (0, count * form.size - columns)), constant_values=middle)
            laid = kernel_bytes(whole.reshape(rows, count, form.size), form.bits, middle)
            # Not plain constants: the 2-bit kernel of ONNX Runtime 1.31.1 lays out codes that are, with scales that are
            # not, wrongly, as they would be where nothing is folded.
            codes = chain.reshape(chain.constant("quantized", laid.reshape(-1)), "codes", laid.shape)
        scales = add_row_scales(chain, blocks.scale[:, 0], count)
        return Operands(blocks=blocks, codes=codes, scales=scales, zeros=None)

    def _replace(self, node: ir.Node, found: Incoherent, operands: Operands, shift: ir.Value) -> None:
        x, (old,) = node.inputs[0], node.outputs
        assert x is not None
        changed, total = self._change(x, found)
        made: list[ir.Node] = []
        product = matmul_nbits(changed, operands, name=str(node.name or ""))
        product.outputs[0].name = f"{old.name}_product"
        remark(product, *remarks_on(node))
        made.append(product)
        dims = () if old.shape is None else tuple(old.shape)
        risen = self._nodes.add("Mul", [total, shift], dims, made)
        value = self._nodes.add("Add", [product.outputs[0], risen], dims, made)
        if found.outputs is not None:
            value = self._nodes.change(value, found.outputs, made, back=True)
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if bias is not None:
            value = self._nodes.add("Add", [value, bias], dims, made)
        value.name, value.type, value.shape = old.name, old.type, old.shape
        ir.convenience.replace_nodes_and_values(self._graph, node, [node], made, [old], [value])

    def _change(self, x: ir.Value, found: Incoherent) -> tuple[ir.Value, ir.Value]:
        """The changed x P and its sum, right behind x, for all that read x."""
        key = (x, found.inputs.size)
        if key not in self._changed:
            made: list[ir.Node] = []
            assert x.shape is not None
            changed = self._nodes.change(x, found.inputs, made)
            axes = self._nodes.constant("spread_axes", np.array([-1], np.int64))
            total = self._nodes.add("ReduceSum", [changed, axes], (*tuple(x.shape)[:-1], 1), made)
            insert_after(self._graph, x, made)
            self._changed[key] = (changed, total)
        return self._changed[key]
