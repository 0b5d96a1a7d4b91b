"""MatMul(x, W) -> MatMulNBits(x, codes, scales): weights in few bits, multiplied as they are stored.

1. MatMul with a decided matrix on its right.
2. Gemm(x, W, C) with transA 0, alpha and beta 1, W as it is or transposed; C goes along where it is a row of N numbers,
   else it is added behind.
3. What adds a constant row of N numbers to 1: the kernel adds it.

What the kernels have no fast form for is widened (`nbits.py`), with a note. Left to others, with a reason: weights read
in another way too, forms that nothing fast holds, and, unless `always`, matrices that float kernels multiply as fast.

Float against 4 bits, one thread, ratio of times (ONNX Runtime 1.31.1, AVX512-VNNI, 2026-11), rows 1, 16, 64, 256::

                  blocks of 32              blocks of 128
     256 x  256   .93  1.33  1.58  1.31     .90  1.16  1.11  1.15
     512 x  512   .57  1.09  1.23  1.24     .52   .86   .97   .95
     384 x 1536   .38  1.17  1.24  1.27     .33   .79  1.00  1.01
    1024 x 1024   .32   .88   .86   .94     .25   .65   .54   .66

Scope: the main graph and bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..codebook.operands import folded_operands
from ..edit import add_initializer, constant_array, fresh_name, is_op, remark, remarks_on, skip, sole_consumer
from .nbits import DOMAIN, INT8, Operands, add_operands, kernel_form, matmul_nbits, set_operands
from .sites import known_rows
from .storage import Storage, blocks_of, stored_values
from .stored import every_name

__all__ = ["PackProducts", "pays"]

# See the table above: elements of a matrix, elements of a block, and rows that smaller blocks still pay for.
_ELEMENTS, _BLOCK, _ROWS = 1 << 18, 128, 16


@dataclass(frozen=True, kw_only=True)
class PackProducts(Pass):
    """Multiply by matrices as they are stored.

    Attributes:
        always: Whatever their size; else where that is no slower than float.
        share: Fewest of all decided elements that must be in matrices so multiplied, or none are.
        accuracy_level: 4 rounds activations to int8 in blocks; 0 multiplies floats.
        biased: The kernel takes a bias; else it is added behind.
    """

    always: bool = False
    share: float = 0.0
    accuracy_level: int = INT8
    biased: bool = True

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        decided = tuple(stored_values(model))
        fits = [(weight, storage) for weight, storage in decided if self._fits(weight, storage)]
        if sum(_size(weight) for weight, _ in fits) < self.share * sum(_size(weight) for weight, _ in decided):
            return ir.passes.PassResult(model, modified=False)
        taken = every_name(model)
        done = [weight for weight, storage in fits if self._try_pack(weight, storage, taken)]
        if done:
            model.graph.opset_imports.setdefault(DOMAIN, 1)
        return ir.passes.PassResult(model, modified=bool(done))

    def _fits(self, weight: ir.Value, storage: Storage) -> bool:
        """Whether a weight has blocks that only products and tables read, and multiplying them so pays."""
        readers = tuple(weight.uses())
        products = [node for node, index in readers if index == 1 and is_op(node, "MatMul", "Gemm")]
        if blocks_of(weight) is None or not products:
            return False
        reason = next((why for node in products if (why := _unfit(node, storage))), None)
        others = len(products) + sum(is_op(node, "Gather") and index == 0 for node, index in readers) < len(readers)
        if reason is None and others:
            reason = f"its weights {weight.name!r} are read in another way, too"
        columns = _shape(weight)[storage.summed[0]]
        if reason is None and kernel_form(storage.form, columns) is None:
            reason = f"no fast kernel multiplies blocks of {storage.form.size}"
        if reason is not None:
            for node in products:
                skip(node, reason)
            return False
        return self.always or pays(_size(weight), storage, products)

    def _try_pack(self, weight: ir.Value, storage: Storage, taken: set[str]) -> bool:
        graph, blocks = weight.graph, blocks_of(weight)
        assert graph is not None
        assert blocks is not None
        operands = folded_operands(graph, weight, taken) or add_operands(graph, str(weight.name), blocks, taken)
        set_operands(weight, operands)
        for node in [node for node, index in weight.uses() if index == 1 and is_op(node, "MatMul", "Gemm")]:
            _note(self._replace(node, operands, taken), storage, operands)
        if not tuple(weight.uses()):
            del graph.initializers[str(weight.name)]
        return True

    def _replace(self, node: ir.Node, operands: Operands, taken: set[str]) -> ir.Node:
        graph, x = node.graph, node.inputs[0]
        assert isinstance(graph, ir.Graph)
        assert x is not None
        rows = operands.blocks.codes.shape[0]
        added, old = _added(node, rows) if self.biased else (None, [node])
        bias = added if len(node.inputs) < 3 or node.inputs[2] is None else node.inputs[2]
        along = self.biased and bias is not None and _is_row(bias, rows)
        product = matmul_nbits(
            x,
            operands,
            bias=_flat(graph, bias, taken) if along and bias is not None else None,
            name=str(node.name or ""),
            accuracy_level=self.accuracy_level,
        )
        remark(product, *remarks_on(node))
        made, (end,) = [product], old[-1].outputs
        (new,) = product.outputs
        if bias is not None and not along:
            new.name = fresh_name(f"{end.name}_product", taken)
            made.append(ir.node("Add", [new, bias], name=fresh_name(f"{node.name or end.name}_Add", taken)))
            (new,) = made[-1].outputs
        new.name, new.type, new.shape = end.name, end.type, end.shape
        ir.convenience.replace_nodes_and_values(graph, old[-1], old, made, [end], [new])
        return product


def pays(elements: int, storage: Storage, products: Sequence[ir.Node]) -> bool:
    """Whether multiplying a matrix so is no slower than float, as far as shapes say."""
    if elements < _ELEMENTS:
        return False
    return not 0 < storage.form.size < _BLOCK or all(known_rows(node.inputs[0]) <= _ROWS for node in products)


def _unfit(node: ir.Node, storage: Storage) -> str | None:
    """Why a product has another form than the kernel's, or None."""
    if node.inputs[0] is node.inputs[1]:
        return "multiplies its weights by themselves"
    if node.inputs[0] is None or (node.inputs[0].shape is not None and len(node.inputs[0].shape) < 2):
        return "multiplies a vector, which the kernel has no form for"
    get, turned = node.attributes, False
    if node.op_type == "Gemm":
        if get.get_int("transA", 0) or get.get_float("alpha", 1.0) != 1.0 or get.get_float("beta", 1.0) != 1.0:
            return "is scaled or transposed, which the kernel has no form for"
        turned = get.get_int("transB", 0) == 1
    if storage.summed != (1 if turned else 0,) or len(_shape(node.inputs[1])) != 2:
        return "multiplies its weights along another axis than they are stored"
    return None


def _note(node: ir.Node, storage: Storage, operands: Operands) -> None:
    """Say on a node that its weights take more bits than asked."""
    asked, bits = storage.form, operands.blocks.form.bits
    if bits != asked.bits:
        blocks = f" in blocks of {asked.size}" if asked.size else ""
        remark(node, f"holds its {asked.bits}-bit weights{blocks} in {bits} bits, which a fast kernel multiplies")


def _added(node: ir.Node, rows: int) -> tuple[ir.Value | None, list[ir.Node]]:
    """The constant row added to a MatMul, and the nodes that one product replaces."""
    reader = sole_consumer(node.outputs[0])
    if not is_op(node, "MatMul") or reader is None or not is_op(reader, "Add") or reader.graph is not node.graph:
        return None, [node]
    other = next(value for value in reader.inputs if value is not node.outputs[0])
    if other is None or not _is_row(other, rows) or other.shape is None or node.inputs[0] is None:
        return None, [node]
    rank = 1 if node.inputs[0].shape is None else len(node.inputs[0].shape)
    return (other, [node, reader]) if len(other.shape) <= rank else (None, [node])


def _is_row(value: ir.Value, rows: int) -> bool:
    array = constant_array(value)
    return (
        array is not None and array.dtype == np.float32 and array.size == rows and max(array.shape, default=0) == rows
    )


def _flat(graph: ir.Graph, bias: ir.Value, taken: set[str]) -> ir.Value:
    """A bias with one axis."""
    array = constant_array(bias)
    assert array is not None
    if array.ndim == 1:
        return bias
    return add_initializer(graph, fresh_name(f"{bias.name}_flat", taken), array.reshape(-1))


def _shape(value: ir.Value | None) -> tuple[int, ...]:
    assert value is not None
    assert value.const_value is not None
    return tuple(value.const_value.shape.numpy())


def _size(weight: ir.Value) -> int:
    assert weight.const_value is not None
    return int(weight.const_value.size)
