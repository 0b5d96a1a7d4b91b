"""Find the linears of a graph: products with constant weights, and the names of the modules they were.

======================= ============================================= =========
operator                weights                                       (K, N)
======================= ============================================= =========
MatMul                  (K, N), a constant or made of constants       its shape
Gemm, alpha 1, transA 0 (K, N); (N, K) with transB                    its shape
MatMulNBits, MatMulBnb4 in blocks (com.microsoft)                     attributes
======================= ============================================= =========

A module's name is looked for in the names of its weights (`model.layers.0.self_attn.q_proj.weight`), in its nodes'
(`/model/layers.0/self_attn/q_proj/MatMul`), and in what torch's exporter notes on nodes (`name_scopes`). Nodes that
read the same weights are one linear. Scope: the main graph.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from ...passes.edit import is_op, is_overridable

__all__ = ["Linear", "linears_of"]

_IN_BLOCKS = ("MatMulNBits", "MatMulBnb4")
_SCOPES = "pkg.torch.onnx.name_scopes"
# What exporters and quantizers put behind a module's name: `.weight`, `.MatMul.weight_Q4`, `.weight_quantized`.
_OF_WEIGHT = re.compile(r"(\.MatMul)?\.(weight|qweight|kernel)(_\w+)?$")
_OF_NODE = re.compile(r"\.(MatMul|Gemm|MatMulNBits|MatMulBnb4)(_\w+)?$")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Linear:
    """One linear of a graph.

    Attributes:
        nodes: Its products: several where a module is applied several times.
        weight: What they multiply by.
        rows, columns: K and N.
        names: Names its module may have, the likeliest first; the last is that of a node, as it is.
    """

    nodes: tuple[ir.Node, ...]
    weight: ir.Value
    rows: int
    columns: int
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """How messages and inputs call it."""
        return self.names[0]


def linears_of(graph: ir.Graph) -> list[Linear]:
    """The linears of a graph, in the order of their first products."""
    readers: dict[ir.Value, list[ir.Node]] = {}
    sizes: dict[ir.Value, tuple[int, int]] = {}
    for node in graph:
        weight = node.inputs[1] if len(node.inputs) > 1 else None
        size = None if weight is None else _size(node, weight)
        if weight is not None and size is not None:
            readers.setdefault(weight, []).append(node)
            sizes[weight] = size
    return [
        Linear(
            nodes=tuple(nodes),
            weight=weight,
            rows=sizes[weight][0],
            columns=sizes[weight][1],
            names=tuple(dict.fromkeys((*_of_weight(weight), *_of_nodes(nodes)))),
        )
        for weight, nodes in readers.items()
    ]


def _size(node: ir.Node, weight: ir.Value) -> tuple[int, int] | None:
    """(K, N) of a linear; None of any other node."""
    get = node.attributes
    if node.domain == "com.microsoft" and node.op_type in _IN_BLOCKS:
        k, n = get.get_int("K", 0), get.get_int("N", 0)
        return (k, n) if k and n else None
    if not is_op(node, "MatMul", "Gemm") or weight.shape is None or not _is_fixed(weight):
        return None
    dims = [dim for dim in weight.shape if isinstance(dim, int)]
    if len(dims) != 2 or len(weight.shape) != 2:
        return None
    if node.op_type == "Gemm" and (get.get_int("transA", 0) != 0 or get.get_float("alpha", 1.0) != 1.0):
        return None
    turned = node.op_type == "Gemm" and get.get_int("transB", 0) != 0
    return (dims[1], dims[0]) if turned else (dims[0], dims[1])


def _is_fixed(value: ir.Value) -> bool:
    return next(_roots(value), None) is not None


def _roots(value: ir.Value) -> Iterator[ir.Value]:
    """The initializers a value is made of; none where something else has a part in it."""
    found: list[ir.Value] = []
    pending, seen = [value], {value}
    while pending:
        each = pending.pop()
        producer = each.producer()
        if producer is None:
            if not each.is_initializer() or is_overridable(each):
                return
            found.append(each)
            continue
        for operand in producer.inputs:
            if operand is not None and operand not in seen:
                seen.add(operand)
                pending.append(operand)
    yield from found


def _of_weight(weight: ir.Value) -> Iterator[str]:
    for root in _roots(weight):
        name, known = _OF_WEIGHT.subn("", str(root.name))
        if known:
            yield name


def _of_nodes(nodes: list[ir.Node]) -> Iterator[str]:
    for node in nodes:
        scopes = node.metadata_props.get(_SCOPES)
        if scopes is not None:
            try:
                *_, module, _ = ast.literal_eval(scopes)
            except (ValueError, SyntaxError, TypeError):
                module = ""
            if module:
                yield str(module)
    for node in nodes:
        dotted = str(node.name).lstrip("/").replace("/", ".")
        name, known = _OF_NODE.subn("", dotted)
        if known:
            yield name
    yield from (str(node.name) for node in nodes)
