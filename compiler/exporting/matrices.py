"""The weights of a model, as they are stored: blocks of MatMulNBits and GatherBlockQuantized, floats of all else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...passes.edit import FOLDED_AT_LOAD, constant_array
from ...passes.fuse.pack_gates import part_gates
from ...passes.fuse.pack_queries import part_queries
from ...passes.normalize.fold_constants import FoldConstants
from ...passes.weight_only.blocks import BlockForm, Blocks, codes_in
from ...passes.weight_only.long_inputs import keep_few

__all__ = ["Weight", "unpack", "weights_of"]

_SOURCES = re.compile(r".+?\.(?:weight|bias)(?=[_/]|$)")
# What constants that a weight is made of are called behind it, and what folding calls its results.
_MADE_OF = re.compile(r"(_(codes|expanded|folded|quantized))+$")
# What is left of a GGUF type with minima is no weight of its own.
_REST = re.compile(r"_rest(_|/|$)")
_MATRIX = 2
_NORMS = (("RMSNormalization", 1), ("SkipSimplifiedLayerNormalization", 2))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Weight:
    """One weight.

    Attributes:
        name: As the source called it, where the graph still says so.
        value: Blocks, (N, K); or floats, those of products as (N, K) too.
        reader: The node that reads it.
    """

    name: str
    value: Blocks | np.ndarray
    reader: ir.Node


def unpack(model: ir.Model) -> None:
    """Undo what was done for the kernels: what is folded at load is folded, one form is kept, matrices are parted."""
    for node in model.graph:
        node.metadata_props.pop(FOLDED_AT_LOAD, None)
    FoldConstants(limit=1 << 62, several=True)(model)
    keep_few(model)
    part_queries(model)
    part_gates(model)


def weights_of(model: ir.Model) -> Iterator[Weight]:
    """The weights of the main graph of an unpacked model, each once."""
    seen: set[str] = set()
    for node in model.graph:
        for weight in _read_by(node):
            if weight.name not in seen:
                seen.add(weight.name)
                yield weight


def _read_by(node: ir.Node) -> Iterator[Weight]:
    if node.op_type in ("MatMulNBits", "GatherBlockQuantized"):
        product = node.op_type == "MatMulNBits"
        codes, scale = node.inputs[1 if product else 0], node.inputs[2]
        zero = node.inputs[3] if len(node.inputs) > 3 else None
        blocks = _blocks(node, codes, scale, zero, product=product)
        if blocks is not None:
            yield Weight(name=_stem(codes), value=blocks, reader=node)
        others: tuple[int, ...] = (5,) if product else ()
    else:
        others = tuple(range(len(node.inputs)))
    for k in others:
        value = node.inputs[k] if k < len(node.inputs) else None
        array = None if value is None or value.is_graph_input() else constant_array(value)
        if array is None or value is None or array.dtype.kind != "f" or array.ndim == 0:
            continue
        transposed = array.ndim == _MATRIX and k == 1 and _stored_transposed(node)
        # Equal vectors are stored once, under the name of the first: their readers tell them apart.
        name = (_called(node, k) if array.ndim == 1 else "") or _stem(value)
        yield Weight(name=name, value=np.ascontiguousarray(array.T) if transposed else array, reader=node)


def _stored_transposed(node: ir.Node) -> bool:
    """Whether the second operand of a product is (K, N)."""
    return node.op_type == "MatMul" or (node.op_type == "Gemm" and not node.attributes.get_int("transB", 0))


def _blocks(
    node: ir.Node, codes: ir.Value | None, scale: ir.Value | None, zero: ir.Value | None, *, product: bool
) -> Blocks | None:
    """The operands of a node as blocks; None where one is no constant, or zero points are floats."""
    data, scales = constant_array(codes), constant_array(scale)
    zeros = constant_array(zero)
    if data is None or scales is None or data.dtype != np.uint8 or (zero is not None and zeros is None):
        return None
    if zeros is not None and zeros.dtype != np.uint8:
        return None
    get = node.attributes
    bits, size = get.get_int("bits", 4), get.get_int("block_size", 0)
    rows = len(data)
    unpacked = codes_in(data.reshape(rows, -1), bits)
    columns = get.get_int("K", 0) if product else unpacked.shape[1]
    groups = -(-columns // size)
    return Blocks(
        form=BlockForm(bits=bits, size=size, symmetric=zeros is None),
        codes=unpacked[:, :columns],
        scale=scales.reshape(rows, groups).astype(np.float32),
        zero=None if zeros is None else codes_in(zeros.reshape(rows, -1), bits)[:, :groups],
    )


def _called(node: ir.Node, index: int) -> str:
    """What a decoder's node, `/model/layers.0/input_layernorm/RMSNormalization`, calls the vector it reads."""
    name = str(node.name)
    if not name.startswith("/model/"):
        return ""
    norm = (node.op_type, index) in _NORMS
    return f"{name.strip('/').rpartition('/')[0].replace('/', '.')}.{'weight' if norm else 'bias'}"


def _stem(value: ir.Value | None) -> str:
    """The name of the weight that a constant holds: what it is made of follows the source's name for it."""
    name = "" if value is None else str(value.name)
    found = _SOURCES.match(name)
    if found is not None and not _REST.search(name):
        return found[0]
    return _MADE_OF.sub("", name)
