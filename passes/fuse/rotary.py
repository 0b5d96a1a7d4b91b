"""Rotary positions, however they are written -> com.microsoft RotaryEmbedding.

    y_i = x_i c_i - x_j s_i,  y_j = x_j c_i + x_i s_i,  pairs (i, j) are (i, i + d/2) or (2i, 2i + 1)

J. Su et al., "RoFormer" (2021, arXiv 2104.09864), eq. 34. What y is is followed element by element (`lanes.py`), so
rotate_half, halves turned apart, pairs stacked and strided slices are all found; elements behind the pairs may pass as
they are (partial rotation). Cosines and sines may be constants, rows of them, or computed: each is brought to rows of
half a head's width, one per token, which positions 0, 1, … then read. A factor on both goes into the tables.

Exact but for the order of two products; one kernel in place of eight, none of which copies halves.

Scope: the main graph; heads in the third axis from behind or the second, their number known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import is_op, skip
from .lanes import Lane, Lanes, Sum
from .rotary_tables import Table, Tables
from .size import ONE, Dims, Size
from .sizes import Sizes
from .swap import swap

__all__ = ["FuseRotary"]

_MICROSOFT = "com.microsoft"
_KINDS = (ir.DataType.FLOAT, ir.DataType.FLOAT16)


@dataclass(frozen=True, kw_only=True)
class FuseRotary(Pass):
    """Make one node of a rotation of queries or keys by their positions."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        ends = [node for node in graph if _may_end(node)]
        if not ends:
            return ir.passes.PassResult(model, modified=False)
        sizes = Sizes(graph)
        lanes, done = Lanes(sizes), 0
        tables = Tables(graph, lanes)
        # From behind: a rotation ends in what has parts that look like its ends.
        for node in reversed(ends):
            if node.graph is graph and _try_fuse(graph, node, lanes, tables):
                done += 1
        if done:
            graph.opset_imports.setdefault(_MICROSOFT, 1)
        return ir.passes.PassResult(model, modified=bool(done))


@dataclass(frozen=True, slots=True)
class _Rotation:
    """What turns x into y: tables of one row per token, and how lanes are paired."""

    x: ir.Value
    cos: Table
    sin: Table
    interleaved: bool
    width: int


def _may_end(node: ir.Node) -> bool:
    if is_op(node, "Add", "Sub"):
        return all(value is not None and is_op(value.producer(), "Mul") for value in node.inputs)
    if is_op(node, "Concat"):
        return node.attributes.get_int("axis", 0) in (-1, len(node.outputs[0].shape or ()) - 1)
    return is_op(node, "Reshape") and node.inputs[0] is not None and is_op(node.inputs[0].producer(), "Concat")


def _try_fuse(graph: ir.Graph, node: ir.Node, lanes: Lanes, tables: Tables) -> bool:
    y = node.outputs[0]
    dims, found = lanes.sizes(y), lanes.of(y)
    if found is None or found.ndim != 1 or len(dims) not in (3, 4) or y.dtype not in _KINDS:
        return False
    rotation = _rotation(y, list(found), lanes)
    if rotation is None:
        return False
    heads = _heads_axis(node, rotation, lanes)
    if heads is None or dims[heads].number is None:
        skip(node, "is a rotation whose tokens and heads cannot be told apart")
        return False
    _write(graph, node, rotation, heads, lanes, tables)
    return True


def _rotation(y: ir.Value, sums: list[Sum], lanes: Lanes) -> _Rotation | None:
    """The rotation that sums of products are."""
    width = max((index + 1 for index, each in enumerate(sums) if len(each) == 2), default=0)
    dims = lanes.sizes(y)
    leaves = dict.fromkeys(lane.leaf for each in sums for key in each for lane in key if not lane.function)
    for x in leaves:
        behind = lanes.sizes(x)
        same = behind == dims or (len(behind) == 5 and behind[:-2] == dims[:-1])
        passed = all(each == {(Lane(x, index),): 1.0} for index, each in enumerate(sums[width:], width))
        if not (same and passed and width and not width % 2 and x.dtype == y.dtype):
            continue
        for interleaved in (False, True):
            found = _tables(x, sums[:width], interleaved, lanes)
            if found is not None:
                return _Rotation(x, *found, interleaved, width)
    return None


def _tables(x: ir.Value, sums: list[Sum], interleaved: bool, lanes: Lanes) -> tuple[Table, Table] | None:
    """The cosines and sines of all pairs."""
    half = len(sums) // 2
    made: tuple[list[Lane], ...] = ([], [], [], [])
    factors: set[tuple[float, float]] = set()
    for pair in range(half):
        one, other = (2 * pair, 2 * pair + 1) if interleaved else (pair, pair + half)
        first, second = (_by_lane(sums[index], x) for index in (one, other))
        if first is None or second is None or set(first) != {one, other} or set(second) != {one, other}:
            return None
        (cos, a), (sin, minus), (cos_too, a_too), (sin_too, b) = (
            first[one], first[other], second[other], second[one],
        )  # fmt: skip
        if a != a_too or minus != -b:
            return None
        factors.add((a, b))
        for lane, put in zip((cos, sin, cos_too, sin_too), made, strict=True):
            put.append(lane)
    if len(factors) != 1:
        return None
    [(a, b)] = factors
    cos_table, sin_table = (
        Table.of(made[0], made[2], a, lanes),
        Table.of(made[1], made[3], b, lanes),
    )
    return None if cos_table is None or sin_table is None else (cos_table, sin_table)


def _by_lane(sum_: Sum, x: ir.Value) -> dict[int, tuple[Lane, float]] | None:
    """Index of x → the table's lane and the coefficient it is multiplied by."""
    made = {}
    for key, factor in sum_.items():
        mine = [lane for lane in key if lane.leaf is x and not lane.function]
        others = [lane for lane in key if lane.leaf is not x]
        if len(mine) != 1 or len(others) != 1:
            return None
        made[mine[0].index] = (others[0], factor)
    return made if len(made) == len(sum_) else None


def _heads_axis(node: ir.Node, rotation: _Rotation, lanes: Lanes) -> int | None:
    """The axis of y that all tables are one row for; of rank three there is one head, before the tokens."""
    before = lanes.sizes(node.outputs[0])[:-1]
    if len(before) == 2:
        return None
    operands = _table_operands(node, rotation, lanes)
    fits = [heads for heads in (2, 1) if all(_turns(each, before, heads) for each in operands)]
    if len(fits) == 2 and is_op(rotation.x.producer(), "Transpose"):
        return 1
    return fits[0] if fits and operands else None


def _turns(leading: Dims, before: Dims, heads: int) -> bool:
    """Whether a table has a row per token, the same for all heads."""
    rows = (ONE,) * (3 - len(leading)) + leading
    tokens = 3 - heads
    return len(rows) == 3 and rows[heads] == ONE and rows[tokens] == before[tokens] and rows[0] in (ONE, before[0])


def _table_operands(node: ir.Node, rotation: _Rotation, lanes: Lanes) -> list[Dims]:
    """The sizes before the lanes of every table that is multiplied on the way from x to y."""
    found, seen, left = [], set(), [node]
    tables = {rotation.cos.leaf, rotation.sin.leaf}
    while left:
        each = left.pop()
        if each in seen:
            continue
        seen.add(each)
        for value in each.inputs:
            lane = None if value is None else lanes.of(value)
            if value is None or lane is None or value is rotation.x:
                continue
            leaves = {one.leaf for sum_ in lane.reshape(-1) for key in sum_ for one in key}
            if is_op(each, "Mul") and leaves and leaves <= tables:
                found.append(lanes.sizes(value)[: -lane.ndim])
            elif rotation.x in leaves and (producer := value.producer()) is not None:
                left.append(producer)
    return found


def _write(graph: ir.Graph, node: ir.Node, rotation: _Rotation, heads: int, lanes: Lanes, tables: Tables) -> None:
    """Put the operator in place of a rotation."""
    y = node.outputs[0]
    dims = lanes.sizes(y)
    count, size = dims[heads].number, dims[-1].number
    assert count is not None
    assert size is not None
    numbers: dict[str, int] = {"interleaved": int(rotation.interleaved)}
    if rotation.width < size:
        numbers |= {"num_heads": count, "rotary_embedding_dim": rotation.width}
    x, turned, tokens = rotation.x, False, dims[3 - heads]
    before = x.producer()
    if heads == 1 and before is not None and len(dims) == len(lanes.sizes(x)) and _exchanges(before):
        x, turned = before.inputs[0] or x, True
    nodes: list[ir.Node] = []
    flat = heads == 2 or turned
    if flat:
        joined = _joined(x, (dims[0], tokens, Size.of(count * size)), lanes)
        if joined is None:
            shape = tables.constant(f"{count}_heads_joined", np.asarray([0, 0, count * size], np.int64))
            nodes.append(ir.node("Reshape", [x, shape], name=f"{node.name}_joined"))
            joined = nodes[-1].outputs[0]
        x = joined
    cos, sin = tables.rows(rotation.cos), tables.rows(rotation.sin)
    positions = tables.positions(rotation.cos, cos, dims[0], tokens)
    inputs = [x, positions, cos, sin]
    made = ir.node("RotaryEmbedding", inputs, numbers, domain=_MICROSOFT, name=f"{node.name}_RotaryEmbedding")
    made.outputs[0].shape = x.shape
    nodes.append(made)
    if flat:
        shape = tables.constant(f"{count}_heads_of_{size}", np.asarray([0, 0, count, size], np.int64))
        nodes.append(ir.node("Reshape", [made.outputs[0], shape], name=f"{node.name}_parted"))
    if turned:
        nodes.append(ir.node("Transpose", [nodes[-1].outputs[0]], {"perm": (0, 2, 1, 3)}, name=f"{node.name}_turned"))
    swap(graph, y, nodes, tables.taken)


def _exchanges(node: ir.Node) -> bool:
    """Whether a node exchanges tokens and heads."""
    return is_op(node, "Transpose") and tuple(node.attributes.get_ints("perm", ())) == (0, 2, 1, 3)


def _joined(x: ir.Value, dims: Dims, lanes: Lanes) -> ir.Value | None:
    """What heads were parted of, where it has these sizes."""
    node = x.producer()
    joined = node.inputs[0] if node is not None and is_op(node, "Reshape") else None
    return joined if joined is not None and lanes.sizes(joined) == dims else None
