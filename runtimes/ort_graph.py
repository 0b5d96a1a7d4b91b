"""The nodes of a file in ORT format, those of subgraphs too, with the types their kernels are chosen by.

The file is a FlatBuffer (onnxruntime/core/flatbuffers/schema/ort.fbs; numbers are those of the fields)::

    InferenceSession           1 model
    Model                      7 graph
    Graph                      1 node_args   2 nodes   8 runtime_optimizations
    ValueInfo                  0 name   2 type
    TypeInfo                   1 value_type   2 value: 1 tensor_type   2 sequence_type   3 map_type
    TensorTypeAndShape         0 elem_type        SequenceType  0 elem_type
    Node                       2 domain   3 since_version   5 op_type   8 inputs   9 outputs   10 attributes
    Attribute                  7 g   12 graphs
    RuntimeOptimizations       0 records          RuntimeOptimizationRecordContainerEntry  1 records
    RuntimeOptimizationRecord  3 produced_op_ids
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .flatbuffer import Buffer, number, place, tables, target, text, texts

__all__ = ["OrtNode", "all_graphs", "ort_nodes", "saved_fusions"]

# fbs.TensorDataType in the words of C++. Complex numbers have none: type reduction does not know them.
_TYPES = {
    1: "float", 2: "uint8_t", 3: "int8_t", 4: "uint16_t", 5: "int16_t", 6: "int32_t", 7: "int64_t", 8: "std::string",
    9: "bool", 10: "MLFloat16", 11: "double", 12: "uint32_t", 13: "uint64_t", 16: "BFloat16", 17: "Float8E4M3FN",
    18: "Float8E4M3FNUZ", 19: "Float8E5M2", 20: "Float8E5M2FNUZ",
}  # fmt: skip
_TENSOR, _SEQUENCE = 1, 2

_Types = Mapping[bytes, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class OrtNode:
    """A node, as a session looks for its kernel.

    Attributes:
        domain: Its operator's domain; ONNX's own is `ai.onnx`.
        op: The operator.
        since: The opset in which this form of it begins.
        inputs: C++ types of the elements, one for each input; None where one is left out or has none of these types.
        outputs: The same of each output.
    """

    domain: str
    op: str
    since: int
    inputs: tuple[str | None, ...]
    outputs: tuple[str | None, ...]


def ort_nodes(data: Buffer) -> Iterator[OrtNode]:
    """Every node of a file in ORT format, each before those of its subgraphs.

    Args:
        data: The file.
    """
    return _nodes(data, _graph(data), {})


def saved_fusions(data: Buffer) -> Iterator[tuple[str, str, int]]:
    """Domain, operator and since version of every node that fusions kept beside the graph would make.

    Args:
        data: The file; style runtime has such, style fixed none.
    """
    for graph in all_graphs(data):
        where = place(data, graph, 8)
        for optimizer in tables(data, target(data, where), 0) if where else ():
            for record in tables(data, optimizer, 1):
                for made in texts(data, record, 3):
                    domain, op, since = made.decode().split(":")
                    yield domain or "ai.onnx", op, int(since)


def all_graphs(data: Buffer) -> Iterator[int]:
    """Where the graphs of a file lie, subgraphs behind their own.

    Args:
        data: The file.
    """
    return _graphs(data, _graph(data))


def _graph(data: Buffer) -> int:
    model = target(data, place(data, target(data, 0), 1))
    return target(data, place(data, model, 7))


def _graphs(data: Buffer, graph: int) -> Iterator[int]:
    yield graph
    for node in tables(data, graph, 2):
        for below in _below(data, node):
            yield from _graphs(data, below)


def _below(data: Buffer, node: int) -> Iterator[int]:
    """The subgraphs of a node."""
    for attribute in tables(data, node, 10):
        where = place(data, attribute, 7)
        if where:
            yield target(data, where)
        yield from tables(data, attribute, 12)


def _nodes(data: Buffer, graph: int, outside: _Types) -> Iterator[OrtNode]:
    named = ((text(data, value, 0), _type(data, place(data, value, 2))) for value in tables(data, graph, 1))
    known = {**outside, **{name: kind for name, kind in named if kind is not None}}
    for node in tables(data, graph, 2):
        yield OrtNode(
            domain=text(data, node, 2).decode() or "ai.onnx",
            op=text(data, node, 5).decode(),
            since=number(data, node, 3, "<i"),
            inputs=tuple(known.get(name) for name in texts(data, node, 8)),
            outputs=tuple(known.get(name) for name in texts(data, node, 9)),
        )
        for below in _below(data, node):
            yield from _nodes(data, below, known)


def _type(data: Buffer, where: int) -> str | None:
    """The type of a tensor's elements, of a sequence's tensors; None where it is neither."""
    while where:
        info = target(data, where)
        kind, value = number(data, info, 1, "<B"), place(data, info, 2)
        if kind == _TENSOR:
            return _TYPES.get(number(data, target(data, value), 0, "<i"))
        where = place(data, target(data, value), 0) if kind == _SEQUENCE else 0
    return None
