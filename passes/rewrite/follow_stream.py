"""The residual stream of a pre-norm transformer: every constant that writes it, every one that reads it.

From one sum of a layer and another value, the stream is followed to where it begins and ends. Every value of it must
turn along its last axis if all that writes it turns:

1. Written by the rows of a table (Gather), by MatMul and Gemm with a constant, by constants added to it.
2. Carried by sums, by Concat, Reshape, Transpose, Slice, means and their kin along other axes, by factors of one number
   per row.
3. Read by MatMul and Gemm with a constant; by squares and magnitudes that are summed over the last axis, whatever
   they are for; by means over it, and by what takes them away, which asks for a rotation that keeps the mean.
4. Read through a normalization, of one node or many, whose gain and offset only such products read: the gain goes
   into them, the offset into their biases.

Anything else stops it, with the reason: a graph input or output, a nonlinearity, a normalization whose output is added
to the stream, as in a post-norm transformer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, constant_scalar, is_constant, is_op
from .matrices import matrix_of
from .norms import Norm, norm_of
from .rows import MOVERS, is_square, is_table, keeps_rows, reduces_last, width_of
from .stream import Shifted, Stopped, Stream, Turned

__all__ = ["follow", "streams_of"]

_JOINERS = ("Add", "Sub", "Sum", "Concat")
_POST_NORM = "is where a normalized state is added up, as in post-norm transformers"


def streams_of(model: ir.Model) -> Iterator[tuple[ir.Value, Stream | Stopped]]:
    """One value of each residual stream of the main graph, and what was found from there, in the order of the graph."""
    seen: set[ir.Value] = set()
    for node in tuple(model.graph):
        value = _summed(node)
        if value is None or value in seen or is_constant(value) or (width_of(value) or 1) == 1:
            continue
        search = _Search(graph=model.graph, stream=Stream(width=width_of(value) or 1))
        found = search.result(value)
        seen |= search.values
        yield value, found


def follow(graph: ir.Graph, value: ir.Value) -> Stream | Stopped:
    """The stream that a value of the main graph belongs to."""
    return _Search(graph=graph, stream=Stream(width=width_of(value) or 1)).result(value)


def _summed(node: ir.Node) -> ir.Value | None:
    """A value of the stream, where a node adds something to it."""
    norm = norm_of(node)
    if norm is not None:
        return node.inputs[norm.data[0]] if norm.total is not None else None
    sums = is_op(node, "Add") and any(map(_is_written, node.inputs))
    return node.outputs[0] if sums and not any(value is None or is_constant(value) for value in node.inputs) else None


def _is_written(value: ir.Value | None) -> bool:
    """Whether a value is what a product with a constant writes, perhaps with a constant added."""
    node = None if value is None else value.producer()
    if is_op(node, "Add") and node is not None:
        return any(map(is_constant, node.inputs)) and any(map(_is_written, node.inputs))
    if is_op(node, "Reshape") and node is not None:
        return _is_written(node.inputs[0])
    return node is not None and matrix_of(node) is not None


class _CannotTurnError(Exception):
    """The stream cannot be rotated, because of this node."""

    def __init__(self, node: ir.Node, reason: str) -> None:
        super().__init__(reason)
        self.node = node


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Normalized:
    """A value behind the gain, and perhaps the offset, of a normalization; arrays (C,) in float64."""

    gain: np.ndarray
    offset: np.ndarray | None = None


@dataclass(kw_only=True, slots=True, eq=False)
class _Search:
    graph: ir.Graph
    stream: Stream
    values: set[ir.Value] = field(default_factory=set)
    pending: list[ir.Value] = field(default_factory=list)
    edges: set[tuple[ir.Node, int, int]] = field(default_factory=set)

    def result(self, value: ir.Value) -> Stream | Stopped:
        """Follow the stream through this value in both directions, to all its ends."""
        self._turns(value)
        try:
            while self.pending:
                value = self.pending.pop()
                self._written(value)
                for node, index in _readers(value, self.graph):
                    self._read(node, index, value)
        except _CannotTurnError as stop:
            return Stopped(node=stop.node, reason=str(stop))
        return self.stream

    def _turns(self, value: ir.Value | None) -> None:
        if value is not None and value not in self.values:
            self.values.add(value)
            self.pending.append(value)

    def _constant(self, node: ir.Node, index: int, axis: int, gain: np.ndarray | None = None) -> None:
        value = node.inputs[index]
        if value is None or not is_constant(value) or value.dtype != ir.DataType.FLOAT:
            raise _CannotTurnError(node, "reads or writes the hidden state with a weight that is not constant FLOAT")
        if (node, index, axis) not in self.edges:
            self.edges.add((node, index, axis))
            self.stream.constants.append(Turned(node=node, index=index, axis=axis, gain=gain))

    def _written(self, value: ir.Value) -> None:
        """What writes a value of the stream."""
        node = value.producer()
        if node is None:
            readers = tuple(value.uses())
            raise _CannotTurnError(readers[0][0], f"reads {value.name!r}, which enters the hidden state from outside")
        matrix, norm = matrix_of(node), norm_of(node)
        if matrix is not None:
            self._constant(matrix.holder, matrix.index, matrix.outputs)
            if matrix.bias is not None:
                self._constant(node, matrix.bias, -1)
        elif is_op(node, "Gather") and is_constant(node.inputs[0]):
            if not is_table(node, self.stream.width):
                raise _CannotTurnError(node, "looks up its rows along the axis of the hidden state")
            self._constant(node, 0, -1)
        elif norm is not None and norm.total is not None and value is node.outputs[norm.total]:
            self._through_norm(node, norm)
        elif norm is not None:
            raise _CannotTurnError(node, _POST_NORM)
        elif is_op(node, *_JOINERS):
            self._joined(node)
        elif is_op(node, "Mul", "Div"):
            self._by_row(node)
        elif is_op(node, "LpNormalization"):
            self._unit_rows(node)
        elif is_op(node, *MOVERS):
            self._moved(node, node.inputs[0])
        else:
            raise _CannotTurnError(node, f"writes the hidden state by {node.op_type}, which does not turn with it")

    def _read(self, node: ir.Node, index: int, value: ir.Value) -> None:
        """What one node does with a value of the stream."""
        matrix, norm = matrix_of(node), norm_of(node)
        if matrix is not None and index == 0:
            self._constant(matrix.holder, matrix.index, matrix.inputs)
        elif norm is not None and index in (*norm.data, norm.bias):
            self._through_norm(node, norm)
        elif is_op(node, *_JOINERS):
            self._joined(node)
            self._turns(node.outputs[0])
        elif is_square(node, value):
            self._squared(node.outputs[0])
        elif is_op(node, "ReduceL2", "ReduceSumSquare") and reduces_last(node):
            return
        elif is_op(node, "ReduceMean", "ReduceSum") and reduces_last(node):
            self.stream.keeps_mean = True
        elif is_op(node, "LpNormalization"):
            self._unit_rows(node)
            self._turns(node.outputs[0])
        elif is_op(node, "Mul") and (gain := self._vector(node, 1 - index)) is not None:
            self.stream.gains.append(node)
            self._normalized(node.outputs[0], _Normalized(gain=gain))
        elif is_op(node, "Mul", "Div"):
            self._by_row(node)
            self._turns(node.outputs[0])
        elif is_op(node, *MOVERS) and index == 0:
            self._moved(node, value)
            for moved in node.outputs:
                self._turns(moved)
        elif is_op(node, "Shape"):
            return
        else:
            raise _CannotTurnError(node, f"reads the hidden state by {node.op_type}, which does not turn with it")

    def _through_norm(self, node: ir.Node, norm: Norm) -> None:
        if node in self.stream.norms:
            return
        self.stream.norms[node] = norm
        self.stream.keeps_mean |= norm.centred
        rank = len(node.inputs[norm.data[0]].shape or ())  # type: ignore[union-attr]
        if node.attributes.get_int("axis", -1) not in (-1, rank - 1):
            raise _CannotTurnError(node, "normalizes over more than the hidden state")
        for k in norm.data:
            self._turns(node.inputs[k])
        if norm.bias is not None and norm.bias < len(node.inputs) and node.inputs[norm.bias] is not None:
            self._constant(node, norm.bias, -1)
        gain, offset = (
            None if k is None or k >= len(node.inputs) or node.inputs[k] is None else self._vector(node, k)
            for k in (norm.gain, norm.offset)
        )
        if gain is None:
            raise _CannotTurnError(node, "has a gain that is not one constant number per channel")
        self._normalized(node.outputs[0], _Normalized(gain=gain, offset=offset))
        for k, value in enumerate(node.outputs):
            if k == norm.total:
                self._turns(value)
            elif k and (value.is_graph_output() or tuple(value.uses())):
                continue  # means and deviations stay what they were

    def _normalized(self, value: ir.Value, state: _Normalized) -> None:
        """What reads a value behind a gain; only products may."""
        self.values.add(value)
        for node, index in _readers(value, self.graph):
            matrix = matrix_of(node)
            if matrix is not None and index == 0:
                self._constant(matrix.holder, matrix.index, matrix.inputs, state.gain)
                if state.offset is not None and state.offset.any():
                    weight = constant_array(matrix.holder.inputs[matrix.index])
                    assert weight is not None
                    through = np.tensordot(state.offset, weight, (0, matrix.inputs))
                    self.stream.shifted.append(Shifted(matrix=matrix, through=through))
            elif is_op(node, "Add") and state.offset is None and (found := self._vector(node, 1 - index)) is not None:
                self.stream.offsets.append(node)
                self._normalized(node.outputs[0], _Normalized(gain=state.gain, offset=found))
            elif is_op(node, *MOVERS) and index == 0:
                self._moved(node, value)
                for moved in node.outputs:
                    self._normalized(moved, state)
            elif is_op(node, *_JOINERS):
                raise _CannotTurnError(node, _POST_NORM)
            elif not is_op(node, "Shape"):
                raise _CannotTurnError(
                    node, f"reads the normalized state by {node.op_type}: only products with constants may"
                )

    def _joined(self, node: ir.Node) -> None:
        """Every operand of a sum turns; one number per row asks for a rotation that keeps the mean."""
        if is_op(node, "Concat") and not keeps_rows(node, self.stream.width):
            raise _CannotTurnError(node, "moves the channels of the hidden state by Concat")
        for k, value in enumerate(node.inputs):
            if value is None:
                raise _CannotTurnError(node, "leaves out an operand")
            if is_constant(value):
                self._constant(node, k, -1)
            elif width_of(value) == 1:
                self.stream.keeps_mean = True
            elif width_of(value) == self.stream.width:
                self._turns(value)
            else:
                raise _CannotTurnError(node, f"adds {value.name!r}, whose last axis is not the hidden state")

    def _by_row(self, node: ir.Node) -> None:
        """A factor of one number per row, or one for all."""
        wide = [k for k, value in enumerate(node.inputs) if width_of(value) == self.stream.width]
        numbers = [
            k for k, value in enumerate(node.inputs) if width_of(value) == 1 or constant_scalar(value) is not None
        ]
        if len(wide) != 1 or len(numbers) != 1 or (node.op_type == "Div" and wide != [0]):
            raise _CannotTurnError(node, f"scales the hidden state channel by channel by {node.op_type}")
        self._turns(node.inputs[wide[0]])

    def _unit_rows(self, node: ir.Node) -> None:
        """Rows divided by their lengths."""
        x = node.inputs[0]
        axis, rank = node.attributes.get_int("axis", -1), 0 if x is None else len(x.shape or ())
        if node.attributes.get_int("p", 2) != 2 or axis not in (-1, rank - 1):
            raise _CannotTurnError(node, "divides the hidden state by a norm that turning changes")
        self._turns(x)

    def _moved(self, node: ir.Node, value: ir.Value | None) -> None:
        """The node moves whole rows of the stream."""
        if value is None or not keeps_rows(node, self.stream.width):
            raise _CannotTurnError(node, f"moves the channels of the hidden state by {node.op_type}")
        if is_constant(value):
            self._constant(node, 0, -1)
        elif value not in self.values:
            self._turns(value)

    def _squared(self, squares: ir.Value) -> None:
        """Squares may only be summed up over the last axis."""
        for node, _ in _readers(squares, self.graph):
            if not (is_op(node, "ReduceMean", "ReduceSum") and reduces_last(node)):
                raise _CannotTurnError(node, f"reads squares of the hidden state by {node.op_type}")

    def _vector(self, node: ir.Node, index: int) -> np.ndarray | None:
        """A constant of one number per channel, (C,), float64; or None."""
        value = node.inputs[index] if 0 <= index < len(node.inputs) else None
        if value is None or not is_constant(value) or value.dtype != ir.DataType.FLOAT or value.shape is None:
            return None
        array = constant_array(value)
        assert array is not None
        return array.reshape(-1).astype(np.float64) if array.size == self.stream.width == array.shape[-1] else None


def _readers(value: ir.Value, graph: ir.Graph) -> Iterator[tuple[ir.Node, int]]:
    """The uses of a value that turns, all of them in the main graph."""
    for node, index in tuple(value.uses()):
        if node.graph is not graph:
            raise _CannotTurnError(node, "reads the hidden state from a body of If, Loop or Scan")
        yield node, index
    if value.is_graph_output():
        producer = value.producer()
        assert producer is not None
        raise _CannotTurnError(producer, f"hands the hidden state out as {value.name!r}")
