"""Kernels of a QNN graph, as the backend dumps it: what it really computes, in which types.

"On QNN" is not yet "integer": a node whose Q/DQ cannot be fused runs as Dequantize, float, Quantize. Types are those of
the backend's tensors; `QNN_DATATYPE_*` of QnnTypes.h, which the dump writes as the decimal digits of their hexadecimal
codes (0x0408, an unsigned fixed-point byte, is 1032).

============================================ =====================================
node                                         MACs
============================================ =====================================
Conv2d, Conv3d, DepthWiseConv2d              |Y| * |W| / channels out (W: k..., I/g, O)
TransposeConv2d                              |X| * |W| / channels in
FullyConnected                               |Y| * |W| / rows          (W: N, K)
MatMul                                       |Y| * K
============================================ =====================================
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from .base import Kernel
from .kernels import kernel_macs

__all__ = ["boundary_bytes", "qnn_kernels"]

_TYPES = {
    0x0008: "int8", 0x0016: "int16", 0x0032: "int32", 0x0064: "int64",
    0x0108: "uint8", 0x0116: "uint16", 0x0132: "uint32", 0x0164: "uint64",
    0x0216: "float16", 0x0232: "float", 0x0216 + 0x10000: "bfloat16",
    0x0304: "int4", 0x0308: "int8", 0x0316: "int16", 0x0332: "int32",
    0x0404: "uint4", 0x0408: "uint8", 0x0416: "uint16", 0x0432: "uint32", 0x0508: "bool",
}  # fmt: skip
_FIXED_POINT = (0x03, 0x04)
_BITS = {0x04: 4, 0x08: 8, 0x16: 16, 0x32: 32, 0x64: 64}
_TO_BACKEND, _FROM_BACKEND = 0, 1  # Qnn_TensorType_t: APP_WRITE, APP_READ
_RECURRENT = frozenset(("Lstm", "Gru"))


def qnn_kernels(dump: str, provider: str) -> tuple[Kernel, ...]:
    """One kernel per node of a graph, in an order in which they can run.

    Args:
        dump: The backend's JSON.
        provider: Name of the provider.
    """
    graph = json.loads(dump)["graph"]
    return tuple(_kernel(name, node, graph["tensors"], provider) for name, node in _in_order(graph))


def boundary_bytes(dump: str) -> int:
    """Bytes of one run that enter and leave a graph."""
    tensors = json.loads(dump)["graph"]["tensors"].values()
    crossing = [each for each in tensors if each["type"] in (_TO_BACKEND, _FROM_BACKEND)]
    return sum(prod(each["dims"]) * _BITS.get(each["data_type"] & 0xFF, 8) // 8 for each in crossing)


def _in_order(graph: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Nodes behind those that write what they read; the dump lists them by name."""
    waiting = dict(graph["nodes"])
    written = {name for node in waiting.values() for name in node["output_names"]}
    while waiting:
        ready = [name for name, node in waiting.items() if not written.intersection(node["input_names"])]
        for name in ready or list(waiting):  # a cycle would be no graph; it is shown all the same
            node = waiting.pop(name)
            written.difference_update(node["output_names"])
            yield name, node


def _kernel(name: str, node: Mapping[str, Any], tensors: Mapping[str, Any], provider: str) -> Kernel:
    read = [tensors[each] for each in node["input_names"]]
    made = [tensors[each] for each in node["output_names"]]
    multiplied = [each["data_type"] >> 8 in _FIXED_POINT for each in (*read[:2], *made[:1])]
    macs = _macs(str(node["type"]), read, made)
    return Kernel(
        name=name,
        op_type=str(node["type"]),
        provider=provider,
        inputs=tuple(map(_operand, read)),
        outputs=tuple(map(_operand, made)),
        macs=macs,
        integer=bool(macs) and all(multiplied),
    )


def _operand(tensor: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
    code = int(tensor["data_type"])
    return _TYPES.get(code, hex(code)), tuple(tensor["dims"])


def _macs(kind: str, read: list[Mapping[str, Any]], made: list[Mapping[str, Any]]) -> int | None:
    if kind in _RECURRENT:
        return None
    if kind not in ("Conv2d", "Conv3d", "DepthWiseConv2d", "TransposeConv2d", "FullyConnected", "MatMul"):
        return 0
    x, w, y = (tuple(int(dim) for dim in each["dims"]) for each in (read[0], read[1], made[0]))
    match kind:
        case "TransposeConv2d":
            return prod(x) * prod(w) // x[-1]
        case "FullyConnected":
            return prod(y) * prod(w[1:])
        case "MatMul":
            return kernel_macs("MatMul", [x, w], [y])
    return prod(y) * prod(w[:-1])
