"""Movers: where labels lie behind Reshape, Transpose, Concat, Split, Slice and their kin (see `carry`).

Sizes that are written down among the constants of a node shrink with the labels. Where a shape is put together at run
time, its parts are looked at: one that is a constant shrinks, one that is 0 or -1 need not, any other stops it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, is_constant, is_op
from .edits import Counted, Cut, Parted, Sliced
from .followed import Followed
from .reshaped import is_image, reshaped
from .tracks import Track

__all__ = ["concat", "expand", "gather", "reshape", "shifted", "slice_", "split", "transpose"]

_RUN_TIME = "is given a shape that is computed at run time"


def transpose(node: ir.Node, found: Followed) -> Sequence[Track | None] | str:
    """The axis goes where it is put."""
    track, rank = found.track_of(node.inputs[0]), _rank(node.inputs[0])
    if track is None or rank is None:
        return "moves axes of a value of unknown rank"
    order = node.attributes.get_ints("perm", tuple(reversed(range(rank))))
    return [Track(axis=list(order).index(track.axis), labels=track.labels)]


def shifted(node: ir.Node, found: Followed) -> Sequence[Track | None] | str:
    """Squeeze and Unsqueeze."""
    track, before, after = found.track_of(node.inputs[0]), _rank(node.inputs[0]), _rank(node.outputs[0])
    axes = _axes(node)
    if track is None or before is None or after is None or axes is None:
        return "moves axes that are not known"
    if node.op_type == "Unsqueeze":
        new = {axis % after for axis in axes}
        left = [axis for axis in range(after) if axis not in new]
        return [Track(axis=left[track.axis], labels=track.labels)]
    gone = {axis % before for axis in axes}
    if track.axis in gone:
        return "drops their axis"
    return [Track(axis=track.axis - sum(axis < track.axis for axis in gone), labels=track.labels)]


def reshape(node: ir.Node, found: Followed) -> Sequence[Track | None] | str:
    """Reshape and Flatten."""
    track, x, y = found.track_of(node.inputs[0]), node.inputs[0], node.outputs[0]
    if track is None or x is None or x.shape is None or y.shape is None:
        return "is given a shape that nobody knows"
    before, after = list(x.shape), list(y.shape)
    made = reshaped(before, after, track.axis, track.labels)
    if made is None:
        return "moves them in a way that is not followed"
    axis, labels, lines = made
    if node.op_type == "Reshape":
        reason = _resized(node, 1, axis, labels, found, copied=axis == track.axis and before[axis] == after[axis])
        if reason is not None:
            return reason
    for other in lines.T[1:]:
        found.labels.join(labels, other, f"{node.op_type} {node.name!r} cuts them into heads, parts of which stay")
    if not is_image(before, track.axis) and len(before) < len(after) and (lines != lines[:, :1]).any():
        found.labels.heads.update(labels.tolist())
    return [Track(axis=axis, labels=labels)]


def expand(node: ir.Node, found: Followed) -> Sequence[Track | None] | str:
    """An axis of its full length stays."""
    track, before, after = found.track_of(node.inputs[0]), _rank(node.inputs[0]), node.outputs[0].shape
    if track is None or before is None or after is None:
        return _RUN_TIME
    axis = track.axis + len(after) - before
    if after[axis] != track.labels.size:
        return "spreads them"
    reason = _resized(node, 1, axis, track.labels, found)
    return [Track(axis=axis, labels=track.labels)] if reason is None else reason


def concat(node: ir.Node, found: Followed) -> Sequence[Track | None] | str:
    """Along their axis labels lie side by side; along others they become one."""
    rank, tracks = _rank(node.outputs[0]), [found.track_of(value) for value in node.inputs]
    axes = {track.axis for track in tracks if track is not None}
    if rank is None or len(axes) > 1:
        return "joins them along two axes"
    axis, own = axes.pop(), node.attributes.get_int("axis", 0) % rank
    parts = []
    for index, (value, track) in enumerate(zip(node.inputs, tracks, strict=True)):
        size = None if value is None or value.shape is None else value.shape[axis]
        if track is not None:
            parts.append(track.labels)
        elif not isinstance(size, int):
            return "joins them with a value of unknown size"
        else:
            parts.append(np.zeros(size, np.int64))
            if axis != own:
                if not is_constant(value):
                    return "joins them with a value that keeps its own"
                known = next(track.labels for track in tracks if track is not None)
                parts[-1] = known
                found.edits.append(Sliced(node=node, index=index, axis=axis, labels=known))
    if axis == own:
        return [Track(axis=axis, labels=np.concatenate(parts))]
    if len({part.size for part in parts}) > 1:
        return "joins them with others in number"
    for other in parts[1:]:
        found.labels.join(parts[0], other, f"{node.op_type} {node.name!r} joins them with others that stay")
    return [Track(axis=axis, labels=parts[0])]


def split(node: ir.Node, found: Followed) -> Sequence[Track | None] | str:
    """A share of the labels for each output, where it is their axis that is split."""
    track, rank = found.track_of(node.inputs[0]), _rank(node.inputs[0])
    if track is None or rank is None:
        return "splits a value of unknown rank"
    axis = node.attributes.get_int("axis", 0) % rank
    if axis != track.axis:
        return [track] * len(node.outputs)
    sizes = [None if value.shape is None else value.shape[axis] for value in node.outputs]
    known = [size for size in sizes if isinstance(size, int)]
    if len(known) != len(sizes) or sum(known) != track.labels.size or "split" in node.attributes:
        return "splits them into sizes that are not known"
    parts = tuple(np.split(track.labels, np.cumsum(known)[:-1]))
    found.edits.append(Parted(node=node, parts=parts))
    return [Track(axis=axis, labels=part) for part in parts]


def slice_(node: ir.Node, found: Followed) -> Sequence[Track | None] | str:
    """The labels inside, where it is their axis that is sliced."""
    track, rank = found.track_of(node.inputs[0]), _rank(node.inputs[0])
    axes = _given(node, "axes", 3)
    if track is None or rank is None:
        return "slices a value of unknown rank"
    if axes is None:
        if len(node.inputs) > 3 and node.inputs[3] is not None:
            return "slices along axes that are computed at run time"
        first = _given(node, "starts", 1)
        axes = tuple(range(rank if first is None else len(first)))
    places = [k for k, axis in enumerate(axes) if axis % rank == track.axis]
    if not places:
        return [track]
    starts, ends, steps = _given(node, "starts", 1), _given(node, "ends", 2), _given(node, "steps", 4)
    if starts is None or ends is None or len(places) > 1 or (steps is not None and steps[places[0]] != 1):
        return "slices them by steps, or as computed at run time"
    count = track.labels.size
    start, end, _ = slice(starts[places[0]], ends[places[0]]).indices(count)
    inside = track.labels[start:end]
    found.edits.append(Cut(node=node, position=places[0], before=track.labels[:start], inside=inside))
    return [Track(axis=track.axis, labels=inside)]


def gather(node: ir.Node, found: Followed) -> Sequence[Track | None] | str:
    """One index, or several, of another axis."""
    track, rank, more = found.track_of(node.inputs[0]), _rank(node.inputs[0]), _rank(node.inputs[1])
    if track is None or rank is None or more is None:
        return "gathers from a value of unknown rank"
    axis = node.attributes.get_int("axis", 0) % rank
    if axis == track.axis:
        return "picks some of them"
    return [Track(axis=track.axis if track.axis < axis else track.axis - 1 + more, labels=track.labels)]


def _resized(
    node: ir.Node, index: int, position: int, labels: np.ndarray, found: Followed, *, copied: bool = False
) -> str | None:
    """Let the size at a position of a shape shrink with labels; why it cannot.

    Args:
        node: Who reads the shape.
        index: As which input.
        position: In the shape.
        labels: What the size counts.
        found: Where the edit goes.
        copied: Whether a 0 there copies this very size.
    """
    shape = node.inputs[index]
    given = constant_array(shape)
    holder = node
    if given is None:
        holder = shape.producer() if shape is not None else None  # type: ignore[assignment]
        if holder is None or not is_op(holder, "Concat"):
            return _RUN_TIME
        for at, part in enumerate(holder.inputs):
            size = None if part is None or part.shape is None else part.shape[0]
            if not isinstance(size, int):
                return _RUN_TIME
            if position < size:
                given, index = constant_array(part), at
                break
            position -= size
        if given is None:
            return _RUN_TIME
    entry = int(given[position])
    if entry == labels.size:
        found.edits.append(Counted(node=holder, index=index, position=position, labels=labels))
        return None
    return None if entry == -1 or (entry == 0 and copied) or (entry == 1 and node.op_type == "Expand") else _RUN_TIME


def _given(node: ir.Node, attribute: str, index: int) -> tuple[int, ...] | None:
    """A list of an attribute, or of a constant input."""
    found = node.attributes.get_ints(attribute, None)
    if found is None and len(node.inputs) > index:
        array = constant_array(node.inputs[index])
        found = None if array is None else [int(each) for each in array.reshape(-1)]
    return None if found is None else tuple(found)


def _axes(node: ir.Node) -> tuple[int, ...] | None:
    return _given(node, "axes", 1)


def _rank(value: ir.Value | None) -> int | None:
    return None if value is None or value.shape is None else len(value.shape)
