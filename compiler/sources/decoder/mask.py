"""What every attention of a decoder reads beside its operands: how many tokens there are, and how they are turned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .config import DecoderConfig
from .rope import rotary_tables
from .writer import Writer

__all__ = ["Mask", "write_mask"]

# GroupQueryAttention turns heads of multiples of this only (ONNX Runtime 1.31.1: "shall be a multiple of 16").
_TURNED = 16
_INT64 = ir.DataType.INT64


@dataclass(frozen=True, slots=True)
class Mask:
    """What every attention reads.

    Attributes:
        lengths: Tokens before the last one, (batch,).
        total: Tokens in all, of the longest row.
        cos, sin: Rotary tables.
        positions: Of the tokens, (batch, tokens); None where the attention turns queries and keys itself.
    """

    lengths: ir.Value
    total: ir.Value
    cos: ir.Value
    sin: ir.Value
    positions: ir.Value | None


def write_mask(writer: Writer, config: DecoderConfig, ids: ir.Value, mask: ir.Value) -> Mask:
    """Write it for a graph.

    Args:
        writer: The graph.
        config: The decoder.
        ids: Tokens, (batch, tokens).
        mask: 1 for tokens, 0 for what fills a row up, (batch, tokens in all).
    """
    int32, rows = ir.DataType.INT32, ("batch_size",)
    axes, one = (writer.constant(name, np.asarray([1], np.int64)) for name in ("mask_axes", "mask_one"))
    which = writer.constant("mask_axis", np.asarray(1, np.int64))
    counts = writer.write(
        "ReduceSum", [mask, axes], name="/attention_mask/ReduceSum", dims=rows, dtype=_INT64, keepdims=0
    )
    before = writer.write("Sub", [counts, one], name="/attention_mask/Sub", dims=rows, dtype=_INT64)
    lengths = writer.write("Cast", [before], name="/attention_mask/Cast", dims=rows, dtype=int32, to=int(int32))
    shape = writer.write("Shape", [mask], name="/attention_mask/Shape", dims=(2,), dtype=_INT64)
    tokens = writer.write("Gather", [shape, which], name="/attention_mask/Gather", dims=(), dtype=_INT64)
    total = writer.write("Cast", [tokens], name="/attention_mask/total/Cast", dims=(), dtype=int32, to=int(int32))
    cos, sin = rotary_tables(config.rope, config.head_size, config.context)
    positions = _positions(writer, ids, before) if config.head_size % _TURNED else None
    return Mask(lengths, total, writer.constant("cos_cache", cos), writer.constant("sin_cache", sin), positions)


def _positions(writer: Writer, ids: ir.Value, last: ir.Value) -> ir.Value:
    """max(last - (S - 1), 0) + 0 … S - 1: as GroupQueryAttention counts them, rows of a first prompt from 0."""
    node, rows = "/positions", ("batch_size",)
    zero, one = (writer.constant(f"positions_{number}", np.asarray(number, np.int64)) for number in (0, 1))
    axes = writer.constant("mask_axes", np.asarray([1], np.int64))
    shape = writer.write("Shape", [ids], name=f"{node}/Shape", dims=(2,), dtype=_INT64)
    tokens = writer.write("Gather", [shape, one], name=f"{node}/Gather", dims=(), dtype=_INT64)
    steps = writer.write("Range", [zero, tokens, one], name=f"{node}/Range", dims=("sequence_length",), dtype=_INT64)
    new = writer.write("Sub", [tokens, one], name=f"{node}/Sub", dims=(), dtype=_INT64)
    first = writer.write("Sub", [last, new], name=f"{node}/Sub_1", dims=rows, dtype=_INT64)
    first = writer.write("Max", [first, zero], name=f"{node}/Max", dims=rows, dtype=_INT64)
    first = writer.write("Unsqueeze", [first, axes], name=f"{node}/Unsqueeze", dims=("batch_size", 1), dtype=_INT64)
    dims = ("batch_size", "sequence_length")
    return writer.write("Add", [first, steps], name=f"{node}/Add", dims=dims, dtype=_INT64)
