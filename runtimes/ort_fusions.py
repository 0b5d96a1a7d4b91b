"""Leaves out of a file in ORT format what cannot be fused as it opens.

Style runtime keeps beside the graph, for each fusion, which nodes it takes and which operators it makes; a session that
finds fewer of these than it makes refuses the whole file. ONNX Runtime writes none for a MatMul between Q/DQ, and so
does not open its own file ("Not enough produced nodes in the runtime optimization record",
optimizer/selectors_actions/selector_action_transformer.cc; 1.31.1, 2026-11). Without that fusion it opens, and such a
MatMul computes in float where it is left to the CPU.
"""

from __future__ import annotations

import struct

from .flatbuffer import place, tables, target, text, texts
from .ort_graph import all_graphs

__all__ = ["without_broken_fusions"]

_BROKEN = b"MatMul"


def without_broken_fusions(data: bytes) -> tuple[bytes, int]:
    """The file with the fusions that a session can make, and how many were left out.

    Args:
        data: As ONNX Runtime wrote it.
    """
    changed, count = bytearray(data), 0
    for graph in all_graphs(data):
        where = place(data, graph, 8)
        for optimizer in tables(data, target(data, where), 0) if where else ():
            records = tables(data, optimizer, 1)
            kept = [each for each in records if text(data, each, 0) != _BROKEN or texts(data, each, 3)]
            if len(kept) < len(records):
                count += len(records) - len(kept)
                start = target(data, place(data, optimizer, 1))
                offsets = (record - (start + 4 + 4 * at) for at, record in enumerate(kept))
                struct.pack_into(f"<{1 + len(kept)}I", changed, start, len(kept), *offsets)
    return bytes(changed), count
