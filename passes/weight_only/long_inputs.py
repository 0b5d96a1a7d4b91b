"""MatMulNBits(x, W) -> If(rows of x ≥ 16, int8 product, MatMulNBits(x, W)): long inputs take int8 kernels.

    y = s_x s_w (X W8),  X = round(x / s_x) per row of x,  W8 = round(W / s_w) per row of W

A prompt is multiplied row by row of many, where MLAS' int8 product (MatMulInteger) takes .85 to .52 of the time of
`MatMulNBits` at accuracy level 4; a token that is decoded is one row, where it takes 1.4 to 1.7 of it. Ratios of times
with the rounding of x, one thread, 4 bits in blocks of 128 (the first: 32), AVX512-VNNI (ONNX Runtime 1.31.1, 2026-11;
`make bench-long-inputs`)::

    rows               1     4     8    16    32    64   256
     256 x  256     1.41  1.23  1.03   .85   .72   .64   .58
     768 x  768     1.62   .98   .88   .70   .64   .58   .56
     768 x 2048     1.62   .79   .64   .53   .52   .53   .54
    2048 x 2048     1.74   .71   .65   .61   .66   .61   .54

The file and the memory hold both forms: with 4 bits in blocks of 128, 12.3 bits for a weight instead of 4.3. Int8 made
of the 4-bit codes by nodes that ONNX Runtime folds when it opens the model would spare the file and not the memory:
folding holds every step of every matrix at once (134 M weights: 12 s and 2.3 GB to open, not 0.7 s and 0.2 GB).

Rows of x are rounded one by one, as Dettmers et al. 2022 do (LLM.int8, arXiv 2208.07339, section 2.1): one token with a
large value does not spend the steps of the others. Scope: the main graph; constants in the kernel's layout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, opset_of, remark, remarks_on
from .blocks import codes_in
from .nbits import DOMAIN
from .stored import every_name

__all__ = ["LongInputs", "keep_few", "rows_in_int8"]

# ReduceMax takes its axes as an input, Shape its end as an attribute.
_OPSET = 18
_CHUNK = 1 << 22
# The largest code of a weight; 2 * 255 * 63 is less than 2^15.
_EIGHT_BITS, _SEVEN_BITS = 127, 63


@dataclass(frozen=True, kw_only=True)
class LongInputs(Pass):
    """Give products by weights in blocks a second form, for many rows.

    Attributes:
        rows: From how many rows of the input on int8 is multiplied.
        reduce_range: Weights have 7 bits, for kernels that add two products in 16 bits.
    """

    rows: int = 16
    reduce_range: bool = False

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = []
        for node in model.graph:
            if node.op_type == "MatMulNBits" and node.domain == DOMAIN:
                reason = _unfit(node, model)
                if reason is None:
                    found.append(node)
                else:
                    remark(node, reason)
        writer = _Writer(model, self.rows, _SEVEN_BITS if self.reduce_range else _EIGHT_BITS)
        for node in found:
            writer.branch(node)
        return ir.passes.PassResult(model, modified=bool(found))


def keep_few(model: ir.Model) -> bool:
    """Take the forms for many rows out again, also where one If is around all of them; whether there were some."""
    graph = model.graph
    found = [node for node in graph if is_op(node, "If") and _counts_rows(node.inputs[0])]
    for node in found:
        body = node.attributes["else_branch"].as_graph()
        nodes, made, names = list(body), list(body.outputs), [value.name for value in node.outputs]
        body.outputs.clear()
        body.remove(nodes)
        ir.convenience.replace_nodes_and_values(graph, node, [node], nodes, node.outputs, made)
        for value, name in zip(made, names, strict=True):
            value.name = name
    return bool(found)


def _counts_rows(value: ir.Value | None) -> bool:
    """Whether a condition is one that `LongInputs` writes."""
    for op in ("GreaterOrEqual", "ReduceProd", "Shape"):
        node = None if value is None else value.producer()
        if node is None or not is_op(node, op):
            return False
        value = node.inputs[0]
    return True


def rows_in_int8(node: ir.Node, largest: int = _EIGHT_BITS) -> tuple[np.ndarray, np.ndarray]:
    """The matrix of a MatMulNBits in int8 with one scale per row, to the nearest.

    Args:
        node: The product.
        largest: Of the codes.

    Returns:
        int8, (K, N), as MatMulInteger reads it; scales, float32, (N,).
    """
    size, bits = node.attributes.get_int("block_size", 0), node.attributes.get_int("bits", 4)
    columns, rows = node.attributes.get_int("K", 0), node.attributes.get_int("N", 0)
    packed, scale, zero = (constant_array(node.inputs[k]) if k < len(node.inputs) else None for k in (1, 2, 3))
    assert packed is not None
    assert scale is not None
    blocks = -(-columns // size)
    scale = scale.reshape(rows, blocks, 1)
    middle = np.full((rows, blocks, 1), 1 << bits - 1, np.uint8)
    zeros = middle if zero is None else codes_in(zero.reshape(rows, -1), bits)[:, :blocks, None]
    made, scales = np.empty((columns, rows), np.int8), np.empty(rows, np.float32)
    each = max(1, _CHUNK // columns)
    for start in range(0, rows, each):
        some = slice(start, start + each)
        codes = codes_in(packed.reshape(rows, blocks, -1)[some], bits)
        w = ((codes.astype(np.float32) - zeros[some]) * scale[some]).reshape(len(codes), -1)[:, :columns]
        s = np.abs(w).max(axis=1) / np.float32(largest)
        scales[some] = s = np.where(s < np.finfo(np.float32).tiny, np.float32(1), s)
        made[:, some] = np.rint(w / s[:, None]).astype(np.int8).T
    return made, scales


def _unfit(node: ir.Node, model: ir.Model) -> str | None:
    """Why a product keeps its one form, or None."""
    if opset_of(model) < _OPSET:
        return f"is of operator set {opset_of(model)}, and int8 products of long inputs take {_OPSET}"
    x, *rest = node.inputs
    if x is None or x.shape is None or x.dtype != ir.DataType.FLOAT:
        return "multiplies an input of unknown shape, or not of float32"
    if len(node.inputs) > 4 and node.inputs[4] is not None:
        return "multiplies columns in another order (g_idx)"
    if any(constant_array(value) is None for value in rest[:3] if value is not None):
        return "its codes are expanded when the model opens: long inputs are multiplied as short ones"
    leading = list(x.shape)[:-1]
    return "multiplies so many rows always" if all(isinstance(dim, int) for dim in leading) else None


class _Writer:
    """Writes branches and what they share: constants, and one condition for each count of rows."""

    def __init__(self, model: ir.Model, rows: int, largest: int) -> None:
        self._graph = model.graph
        self._taken = every_name(model)
        self._rows = rows
        self._largest = largest
        self._conditions: dict[tuple[object, ...], ir.Value] = {}
        self._shared: dict[str, ir.Value] = {}
        self._stored: dict[ir.Value, tuple[ir.Value, ir.Value]] = {}

    def branch(self, node: ir.Node) -> None:
        """Put an If in the place of a product; the product, under its name, is what it does with few rows."""
        (old,) = node.outputs
        stem = node.name or str(old.name)
        long, short = self._long(node, f"{stem}/long"), self._short(node)
        choice = ir.node(
            "If",
            [self._condition(node)],
            {"then_branch": long, "else_branch": short},
            name=fresh_name(f"{stem}/If", self._taken),
        )
        (new,) = choice.outputs
        new.type, new.shape = old.type, old.shape
        name = old.name
        ir.convenience.replace_nodes_and_values(self._graph, node, [node], [choice], [old], [new])
        new.name = name

    def _short(self, node: ir.Node) -> ir.Graph:
        attributes = list(node.attributes.values())
        same = ir.Node(node.domain, node.op_type, list(node.inputs), attributes, name=node.name)
        remark(same, *remarks_on(node))
        return self._body([same], node)

    def _long(self, node: ir.Node, stem: str) -> ir.Graph:
        """X = Cast(Round(x / s_x) + 128), s_x = max |x| / 127 by row; Cast(MatMulInteger(X, W8)) s_w s_x + bias."""
        nodes: list[ir.Node] = []
        x = node.inputs[0]
        assert x is not None
        codes, scales = self._int8(node)

        def add(op: str, inputs: list[ir.Value | None], **attributes: int) -> ir.Value:
            made = ir.node(op, inputs, attributes or None, name=f"{stem}/{op}_{len(nodes)}")
            nodes.append(made)
            made.outputs[0].name = fresh_name(f"{made.name}_output_0", self._taken)
            return made.outputs[0]

        middle = self._constant("long_middle", np.float32(128))
        largest = add(
            "ReduceMax", [add("Abs", [x]), self._constant("long_axes", np.asarray([-1], np.int64))], keepdims=1
        )
        step = add("Mul", [largest, self._constant("long_seventh_bit", np.float32(1) / np.float32(127))])
        step = add("Max", [step, self._constant("long_tiny", np.finfo(np.float32).tiny)])
        rounded = add("Round", [add("Div", [x, step])])
        rounded = add("Cast", [add("Add", [rounded, middle])], to=ir.DataType.UINT8.value)
        sums = add("MatMulInteger", [rounded, codes, self._constant("long_zero_point", np.uint8(128))])
        y = add("Mul", [add("Cast", [sums], to=ir.DataType.FLOAT.value), scales])
        y = add("Mul", [y, step])
        if len(node.inputs) > 5 and node.inputs[5] is not None:
            add("Add", [y, node.inputs[5]])
        return self._body(nodes, node)

    def _body(self, nodes: list[ir.Node], node: ir.Node) -> ir.Graph:
        (last,) = nodes[-1].outputs
        (old,) = node.outputs
        last.name = fresh_name(f"{old.name}_chosen", self._taken)
        last.type, last.shape = old.type, old.shape
        return ir.Graph([], [last], nodes=nodes, name=last.name)

    def _int8(self, node: ir.Node) -> tuple[ir.Value, ir.Value]:
        packed = node.inputs[1]
        assert packed is not None
        if packed not in self._stored:
            codes, scales = rows_in_int8(node, self._largest)
            stem = str(packed.name).removesuffix("_quantized")
            self._stored[packed] = (
                add_initializer(self._graph, fresh_name(f"{stem}_int8", self._taken), codes),
                add_initializer(self._graph, fresh_name(f"{stem}_int8_scale", self._taken), scales),
            )
        return self._stored[packed]

    def _constant(self, name: str, number: np.ndarray | np.generic) -> ir.Value:
        if name not in self._shared:
            array = np.asarray(number)
            self._shared[name] = add_initializer(self._graph, fresh_name(name, self._taken), array)
        return self._shared[name]

    def _condition(self, node: ir.Node) -> ir.Value:
        """Whether the input of a product has many rows; asked once for inputs with the same names of sizes."""
        x = node.inputs[0]
        assert x is not None
        assert x.shape is not None
        leading = list(x.shape)[:-1]
        sizes = [dim if isinstance(dim, int) else dim.value for dim in leading]
        key: tuple[object, ...] = (x,) if None in sizes else tuple(sizes)
        if key not in self._conditions:
            self._conditions[key] = self._ask(node, x)
        return self._conditions[key]

    def _ask(self, node: ir.Node, x: ir.Value) -> ir.Value:
        limit = self._constant("long_rows", np.asarray(self._rows, np.int64))
        x, rank = self._as_long(x)
        sizes = ir.node("Shape", [x], {"end": rank})
        count = ir.node("ReduceProd", sizes.outputs, {"keepdims": 0})
        many = ir.node("GreaterOrEqual", [count.outputs[0], limit])
        for each in (sizes, count, many):
            each.name = fresh_name(f"{x.name}/long/{each.op_type}", self._taken)
            each.outputs[0].name = fresh_name(f"{each.name}_output_0", self._taken)
        for each, kind in ((sizes, ir.DataType.INT64), (count, ir.DataType.INT64), (many, ir.DataType.BOOL)):
            each.outputs[0].type = ir.TensorType(kind)
        many.outputs[0].shape = ir.Shape([])
        self._graph.insert_before(node if x.producer() is not None else self._graph[0], [sizes, count, many])
        return many.outputs[0]

    def _as_long(self, x: ir.Value) -> tuple[ir.Value, int]:
        """What has the rows of x among its first sizes, and how many they are: an input of the graph, or x itself."""
        assert x.shape is not None
        rows = [dim if isinstance(dim, int) else dim.value for dim in list(x.shape)[:-1]]
        for given in self._graph.inputs:
            sizes = [] if given.shape is None else list(given.shape)[: len(rows)]
            if None not in rows and [dim if isinstance(dim, int) else dim.value for dim in sizes] == rows:
                return given, len(rows)
        return x, -1
