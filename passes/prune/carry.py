"""What operators do to the axis along which channels can be left out.

1. Element by element, constants and normalizations per channel among them: labels of all operands become one.
2. Pooling, resizing, padding and reductions along other axes.
3. Transpose, Reshape, Flatten, Squeeze, Unsqueeze, Expand, Concat, Split, Slice, Gather move labels as they move
   elements; sizes among their constants shrink with them. A Reshape into heads makes the labels of a head one.
4. Softmax and normalizations along other axes; products of two values whose heads are labelled.

Each rule returns tracks of the outputs, or why what the node reads has to stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, is_constant, is_op
from .edits import Padded, Sliced
from .followed import Followed
from .move import concat, expand, gather, reshape, shifted, slice_, split, transpose
from .read_sizes import computes_with_size
from .tracks import Track

__all__ = ["carry"]

Carried: TypeAlias = "Sequence[Track | None] | str"

_ELEMENTWISE = (
    "Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "HardSigmoid", "Tanh", "Elu", "Selu", "Celu", "Softplus",
    "Softsign", "HardSwish", "Mish", "Gelu", "Erf", "Exp", "Log", "Sqrt", "Reciprocal", "Neg", "Abs", "Sign", "Floor",
    "Ceil", "Round", "Sin", "Cos", "Identity", "Cast", "Dropout", "ThresholdedRelu", "Add", "Sub", "Mul", "Div", "Pow",
    "Min", "Max", "Sum", "Mean", "Where", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "And", "Or",
    "Not", "Swish",
)  # fmt: skip
_POOLS = (
    "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool",
)  # fmt: skip
_REDUCTIONS = (
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceProd",
    "ReduceLogSumExp",
)  # fmt: skip
_BY_ROW = ("Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization", "LpNormalization")
_MICROSOFT = ("Gelu", "QuickGelu", "FastGelu", "BiasGelu")


def carry(node: ir.Node, found: Followed) -> Carried:
    """Tracks behind a node that multiplies by no constant; some input of it is tracked."""
    if node.domain == "com.microsoft" and node.op_type in _MICROSOFT:
        return _elementwise(node, found)
    rule = _RULES.get(node.op_type) if is_op(node, node.op_type) else None
    return "reads them all at once" if rule is None else rule(node, found)


def _elementwise(node: ir.Node, found: Followed) -> Carried:
    rank = rank_of(node.outputs[0])
    tracks = [found.track_of(value) for value in node.inputs]
    if rank is None:
        return "writes a value of unknown rank"
    axes = {t.axis + rank - (rank_of(v) or 0) for t, v in zip(tracks, node.inputs, strict=True) if t is not None}
    if len(axes) > 1:
        return "combines them along two axes"
    axis = axes.pop()
    labels = next(track.labels for track in tracks if track is not None)
    if node.outputs[0].shape is None or node.outputs[0].shape[axis] != labels.size:
        return "spreads them"
    for index, (value, track) in enumerate(zip(node.inputs, tracks, strict=True)):
        if value is None:
            continue
        if track is not None:
            found.labels.join(labels, track.labels, f"{node.op_type} {node.name!r} combines them with others that stay")
            continue
        own = rank_of(value)
        if own is None or value.shape is None:
            return "combines them with a value of unknown rank"
        at = axis - (rank - own)
        if at < 0 or value.shape[at] == 1:
            continue
        if not is_constant(value):
            return "combines them with a value that keeps its own"
        found.edits.append(Sliced(node=node, index=index, axis=at, labels=labels))
    return [Track(axis=axis, labels=labels)] * len(node.outputs)


def _per_channel(node: ir.Node, found: Followed) -> Carried:
    track = found.track_of(node.inputs[0])
    if track is None or track.axis != 1 or not all(is_constant(value) for value in node.inputs[1:]):
        return "normalizes along another axis"
    for index in range(1, len(node.inputs)):
        found.edits.append(Sliced(node=node, index=index, axis=0, labels=track.labels))
    return [track]


def _pool(node: ir.Node, found: Followed) -> Carried:
    track = found.track_of(node.inputs[0])
    return [track] * len(node.outputs) if track is not None and track.axis == 1 else "pools along them"


def _resize(node: ir.Node, found: Followed) -> Carried:
    track = found.track_of(node.inputs[0])
    scales = constant_array(node.inputs[2]) if len(node.inputs) > 2 else None
    if track is None or scales is None or scales.size == 0:
        return "is resized to sizes, not by scales"
    axes = node.attributes.get_ints("axes", tuple(range(scales.size)))
    return (
        "resizes along them" if any(s != 1 and a == track.axis for s, a in zip(scales, axes, strict=True)) else [track]
    )


def _pad(node: ir.Node, found: Followed) -> Carried:
    track, rank = found.track_of(node.inputs[0]), rank_of(node.inputs[0])
    given = node.attributes.get_ints("pads", None)
    pads = constant_array(node.inputs[1]) if given is None and len(node.inputs) > 1 else given
    if track is None or rank is None or pads is None or (len(node.inputs) > 3 and node.inputs[3] is not None):
        return "pads by what is computed at run time"
    before, behind = int(pads[track.axis]), int(pads[track.axis + rank])
    if before == behind == 0:
        return [track]
    fill = constant_array(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else np.zeros(1)
    mode = node.attributes.get_string("mode", "constant")
    if mode != "constant" or min(before, behind) < 0 or fill is None:
        return "pads along them"
    zeros = found.labels.fresh(before), found.labels.fresh(behind)
    found.edits.append(Padded(node=node, before=(track.axis, zeros[0]), behind=(track.axis + rank, zeros[1])))
    return [Track(axis=track.axis, labels=np.concatenate([zeros[0], track.labels, zeros[1]]))]


def _reduced(node: ir.Node, found: Followed) -> Carried:
    track, rank = found.track_of(node.inputs[0]), rank_of(node.inputs[0])
    axes = node.attributes.get_ints("axes", None)
    if axes is None and len(node.inputs) > 1:
        given = constant_array(node.inputs[1])
        axes = None if given is None else tuple(int(each) for each in given.reshape(-1))
    if track is None or rank is None or not axes:
        return "reduces along them"
    gone = {axis % rank for axis in axes}
    if track.axis in gone:
        return "reduces along them"
    keeps = node.attributes.get_int("keepdims", 1)
    return [track if keeps else Track(axis=track.axis - sum(a < track.axis for a in gone), labels=track.labels)]


def _by_row(node: ir.Node, found: Followed) -> Carried:
    track, rank = found.track_of(node.inputs[0]), rank_of(node.inputs[0])
    if track is None or rank is None:
        return "reads them all at once"
    axis = node.attributes.get_int("axis", -1) % rank
    whole = is_op(node, "LayerNormalization", "RMSNormalization")
    apart = track.axis < axis if whole else track.axis != axis
    return [track, *[None] * (len(node.outputs) - 1)] if apart else "normalizes along them"


def _attended(node: ir.Node, found: Followed) -> Carried:
    """MatMul of two values: batches of both, rows of the first, columns of the second."""
    rank, behind = rank_of(node.outputs[0]), []
    if rank is None:
        return "writes a value of unknown rank"
    for index, value in enumerate(node.inputs):
        track, own = found.track_of(value), rank_of(value)
        if track is None:
            continue
        if own is None or own < 2:
            return "reads a value of unknown rank"
        at = track.axis - own
        if at == (-1, -2)[index]:
            return "sums them up"
        behind.append((rank + at, track.labels, index))
    if len({axis for axis, _, _ in behind}) > 1:
        return "combines them along two axes"
    axis, labels, _ = behind[0]
    if len(behind) == 2:
        found.labels.join(labels, behind[1][1], f"{node.op_type} {node.name!r} multiplies them with others that stay")
    elif axis < rank - 2:
        other = node.inputs[1 - behind[0][2]]
        own = rank_of(other)
        at = axis - rank + (own or 0)
        if other is None or own is None or other.shape is None or (at >= 0 and other.shape[at] != 1):
            return "multiplies them with a value that keeps its own"
    return [Track(axis=axis, labels=labels)]


def _sizes(node: ir.Node, found: Followed) -> Carried:
    """Sizes follow what they are taken of, where values are laid out by them."""
    track, rank = found.track_of(node.inputs[0]), rank_of(node.inputs[0])
    if track is None or rank is None:
        return "tells sizes of a value of unknown rank"
    return "tells how many there are" if computes_with_size(node, track.axis, rank) else [None] * len(node.outputs)


def rank_of(value: ir.Value | None) -> int | None:
    """The number of axes of a value, where it is known."""
    return None if value is None or value.shape is None else len(value.shape)


_RULES: dict[str, Callable[[ir.Node, Followed], Carried]] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(_POOLS, _pool),
    **dict.fromkeys(_REDUCTIONS, _reduced),
    **dict.fromkeys(_BY_ROW, _by_row),
    **dict.fromkeys(("BatchNormalization", "InstanceNormalization"), _per_channel),
    **dict.fromkeys(("Squeeze", "Unsqueeze"), shifted),
    **dict.fromkeys(("Reshape", "Flatten"), reshape),
    "Resize": _resize,
    "Pad": _pad,
    "MatMul": _attended,
    "Shape": _sizes,
    "Size": _sizes,
    "Transpose": transpose,
    "Expand": expand,
    "Concat": concat,
    "Split": split,
    "Slice": slice_,
    "Gather": gather,
}
