"""Operators that move elements: reshape_, squeeze_, concat_, split_, slice_, pad_, tile_, gather_, …_op_builder.cc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from ..support import SUPPORTED, Verdict, refused
from .asked import FLOATS, Asked, Builder, dtypes, dtypes_of

__all__ = ["MOVES"]

_FLOAT, _INT32, _INT64, _BOOL = ir.DataType.FLOAT, ir.DataType.INT32, ir.DataType.INT64, ir.DataType.BOOL
# What CoreML holds in a tensor of indices.
_INDICES = (_INT32, _INT64)


def _reshape(asked: Asked) -> Verdict:
    shape, wanted = asked.shape(0), asked.constant(1)
    if wanted is None:
        return refused("the shape of Reshape is not constant", "fix the model's shapes, so that it folds")
    if not wanted.size:
        return refused("Reshape to a scalar is not taken", "Squeeze")
    if shape is None or None in shape:
        return refused("the input of Reshape has a dynamic shape", "fix the model's shapes")
    if not shape:
        return refused("Reshape of a scalar is not taken", "Unsqueeze")
    if wanted.size > 5:
        return refused(f"Reshape to {wanted.size} dimensions, CoreML has 5")
    if asked.integer("allowzero", 0) == 1 and 0 in wanted:
        return refused("Reshape with allowzero makes a tensor of no elements")
    return SUPPORTED


def _squeeze(asked: Asked) -> Verdict:
    if asked.since >= 13 and asked.has(1) and not asked.is_constant(1):
        return refused(f"the axes of {asked.node.op_type} are not constant")
    return SUPPORTED


def _unsqueeze(asked: Asked) -> Verdict:
    if not (verdict := _squeeze(asked)).supported:
        return verdict
    shape = asked.shape(0)
    axes = asked.constant(1) if asked.since >= 13 else asked.integers("axes")
    rank = 6 if shape is None or axes is None else len(shape) + len(axes)
    return refused(f"Unsqueeze to {rank} dimensions, CoreML has 5") if rank > 5 else SUPPORTED


def _flatten(asked: Asked) -> Verdict:
    return SUPPORTED if asked.shape(0) else refused("Flatten of a scalar is not taken")


def _shape(asked: Asked) -> Verdict:
    start, end = asked.integer("start", 0), asked.node.attributes.get_int("end", None)
    if not asked.options.mlprogram:
        if end is not None:
            return refused("attribute end of Shape is not taken in NeuralNetwork format", "MLProgram format")
        if start:
            return refused(f"start {start} of Shape is not taken in NeuralNetwork format", "MLProgram format")
        return SUPPORTED
    rank = len(asked.shape(0) or ())
    first, last = (each + rank if each < 0 else each for each in (start, rank if end is None else end))
    return refused("Shape of no dimension is not taken") if first == last else SUPPORTED


def _concat(asked: Asked) -> Verdict:
    if len(asked.node.inputs) < 2:
        return refused("Concat of one input is not taken", "drop it")
    shape = asked.shape(0)
    if shape is None:
        return refused("the shape of the first input of Concat is not known")
    if asked.options.mlprogram:
        return SUPPORTED
    if len(shape) != 4:
        return refused(f"Concat is of {len(shape)} dimensions, taken are 4 in NeuralNetwork format", "MLProgram format")
    axis = asked.integer("axis", 1) % 4
    if axis != 1:
        return refused(f"Concat along axis {axis}, taken is 1 in NeuralNetwork format", "MLProgram format")
    return SUPPORTED


def _split(asked: Asked) -> Verdict:
    shape = asked.shape(0)
    if not shape:
        return refused("the shape of the input of Split is not known")
    axis = asked.integer("axis", 0) % len(shape)
    size = shape[axis]
    given: Sequence[int] | np.ndarray | None = asked.integers("split")
    if asked.has(1):
        given = asked.constant(1)
        if given is None:
            return refused("the sizes of Split are not constant")
    if given is not None:
        if len(given) < 2:
            return refused("Split into one output is not taken", "drop it")
        if size is None:
            return refused("the axis of Split has no known size")
        if min(given) <= 0 or int(sum(given)) != size:
            return refused(f"the sizes of Split are {list(map(int, given))} of {size}")
        return SUPPORTED
    outputs = asked.integer("num_outputs", 0) if asked.since >= 18 else len(asked.node.outputs)
    if outputs < 2:
        return refused("Split into one output is not taken", "drop it")
    if size is None:
        return refused("the axis of Split has no known size")
    if asked.since >= 18:
        fits = outputs == len(asked.node.outputs) and outputs <= size
        return SUPPORTED if fits else refused(f"num_outputs of Split is {outputs} of {size}")
    return SUPPORTED if size % outputs == 0 else refused(f"Split of {size} into {outputs} is uneven", "give its sizes")


def _slice(asked: Asked) -> Verdict:
    shape = asked.shape(0)
    if shape is None or None in shape:
        return refused("the input of Slice has a dynamic shape", "fix the model's shapes")
    operands = [asked.constant(index) for index in (1, 2, 3, 4)]
    for index, name in enumerate(("starts", "ends", "axes", "steps")):
        if operands[index] is None and (index < 2 or asked.has(index + 1)):
            return refused(f"{name} of Slice are not constant")
        if asked.dtype(index + 1) not in (*_INDICES, None):
            return refused(f"{name} of Slice have a type other than INT32 and INT64")
    starts, ends, axes, steps = (None if each is None else [int(v) for v in np.atleast_1d(each)] for each in operands)
    assert starts is not None
    assert ends is not None
    axes = list(range(len(starts))) if axes is None else [axis % len(shape) for axis in axes]
    if len(set(axes)) < len(axes):
        return refused("axes of Slice name one twice")
    for axis, start, end, step in zip(axes, starts, ends, steps or [1] * len(starts), strict=True):
        dim = shape[axis] or 0
        first = min(max(start + dim if start < 0 else start, 0), dim - 1 if step < 0 else dim)
        last = min(max(end + dim if end < 0 else end, -1 if step < 0 else 0), dim)
        if (last - first) * step <= 0:
            return refused(f"Slice takes nothing of axis {axis}")
    return SUPPORTED


def _pad(asked: Asked) -> Verdict:
    shape, mode, program = asked.shape(0), asked.text("mode", "constant"), asked.options.mlprogram
    if not shape:
        return refused("Pad of a scalar, or of an unknown shape, is not taken")
    if not program and len(shape) < 2:
        return refused("Pad of one dimension is not taken in NeuralNetwork format", "MLProgram format")
    if mode not in (("constant", "reflect") if program else ("constant",)):
        return refused(f"Pad of mode {mode}", "Slice and Concat")
    if mode == "constant":
        if asked.has(2) and not asked.is_constant(2):
            return refused("constant_value of Pad is not constant")
        if not program and asked.dtype(2) is not _FLOAT:
            return refused("constant_value of Pad is not given as FLOAT", "give it")
    pads = asked.constant(1)
    if pads is None:
        return refused("pads are not constant")
    if pads.size and pads.min() < 0:
        return refused("pads are negative", "Slice")
    if asked.has(3) and not asked.is_constant(3):
        return refused("axes of Pad are not constant")
    axes = asked.constant(3)
    named = range(len(shape)) if axes is None else [int(axis) % len(shape) for axis in axes]
    for axis, before, after in zip(named, pads, pads[len(pads) // 2 :], strict=False):
        if axis < len(shape) - 2 and (before or after) and not (program and mode == "constant"):
            return refused(f"Pad of axis {axis}, taken are the last two in mode {mode}", "MLProgram format")
        dim = shape[axis]
        if mode == "reflect" and dim is not None and max(before, after) >= dim:
            return refused(f"Pad reflects {max(before, after)} of axis {axis}, which has {dim}")
    return SUPPORTED


def _tile(asked: Asked) -> Verdict:
    shape, repeats = asked.shape(0), asked.constant(1)
    if repeats is None:
        return SUPPORTED if asked.options.mlprogram else refused("repeats of Tile are not constant", "MLProgram format")
    if shape is None or len(repeats) != len(shape):
        return refused("repeats of Tile are not one for each dimension")
    return SUPPORTED if min(repeats, default=1) >= 1 else refused("Tile repeats nothing")


def _gather_inputs(asked: Asked) -> Verdict:
    program = (*FLOATS, _INT64) if asked.options.version >= 6 else (_FLOAT, _INT64)
    return dtypes_of(asked, program if asked.options.mlprogram else (_FLOAT, _INT64))


def _gather(asked: Asked) -> Verdict:
    data, indices = asked.shape(0), asked.shape(1)
    if data is None or indices is None:
        return refused("the shape of data or indices of Gather is not known")
    if not (verdict := dtypes_of(asked, _INDICES, 1)).supported:
        return verdict
    if not indices and None in data:
        return refused("Gather of one index takes data of a static shape", "fix the model's shapes")
    if not indices and len(data) > 4:
        return refused(f"Gather of one index takes data of at most 4 dimensions, not {len(data)}", "Slice and Squeeze")
    rank = len(data) + len(indices) - 1
    return refused(f"Gather makes {rank} dimensions, CoreML has 5") if rank > 5 else SUPPORTED


def _gather_nd_inputs(asked: Asked) -> Verdict:
    verdict = dtypes_of(asked, (*FLOATS, _INT32, _INT64, _BOOL))
    return dtypes_of(asked, _INDICES, 1) if verdict.supported else verdict


def _gather_nd(asked: Asked) -> Verdict:
    if asked.integer("batch_dims", 0):
        return refused(f"batch_dims of GatherND is {asked.integer('batch_dims', 0)}, taken is 0")
    if not asked.is_constant(1):
        return refused("indices of GatherND are not constant, and CoreML then takes the first slice")
    data, indices = asked.shape(0), asked.shape(1)
    depth = None if not indices else indices[-1]
    if data is None or depth is None:
        return refused("the shape of data or indices of GatherND is not known")
    if depth > len(data) or None in data[:depth]:
        return refused("GatherND indexes dimensions that are not there, or not known")
    return SUPPORTED


def _depth_to_space(asked: Asked) -> Verdict:
    shape, mode = asked.shape(0), asked.text("mode", "DCR")
    if shape is None:
        return refused("the shape of the input of DepthToSpace is not known")
    if not asked.options.mlprogram:
        return SUPPORTED if mode == "DCR" else refused(f"DepthToSpace of mode {mode}", "MLProgram format")
    if mode == "CRD" and None in shape:
        return refused("DepthToSpace of mode CRD takes a static shape", "fix the model's shapes")
    if mode == "DCR" and asked.options.version < 7 and asked.dtype(0) is ir.DataType.FLOAT16:
        return refused(f"DepthToSpace of FLOAT16 needs CoreML 7, this is {asked.options.version}")
    return SUPPORTED


_SHAPE = Builder(takes=_shape, inputs=dtypes((*FLOATS, _INT32, _INT64), (_FLOAT,)))
_SLICE = Builder(takes=_slice, inputs=_gather_inputs, least=10)
_TILE_INPUTS = (_FLOAT, _INT32, _INT64, _BOOL)

MOVES: Mapping[str, Builder] = {
    "Identity": Builder(trivial=True),
    "Transpose": Builder(trivial=True),
    "Reshape": Builder(takes=_reshape, least=5, trivial=True),
    "Squeeze": Builder(takes=_squeeze, trivial=True),
    "Unsqueeze": Builder(takes=_unsqueeze, neural=False, trivial=True),
    "Flatten": Builder(takes=_flatten, program=False, trivial=True),
    "Shape": _SHAPE,
    "Concat": Builder(takes=_concat),
    "Split": Builder(takes=_split),
    "Slice": _SLICE,
    "Pad": Builder(takes=_pad, inputs=dtypes(FLOATS, (_FLOAT,)), least=11),
    "Tile": Builder(takes=_tile, inputs=dtypes((*_TILE_INPUTS, ir.DataType.FLOAT16), _TILE_INPUTS), trivial=True),
    "Gather": Builder(takes=_gather, inputs=_gather_inputs),
    "GatherND": Builder(takes=_gather_nd, inputs=_gather_nd_inputs, neural=False),
    "DepthToSpace": Builder(takes=_depth_to_space),
}
