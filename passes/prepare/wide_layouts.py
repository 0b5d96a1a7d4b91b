"""Where each channel of a value lies once convolutions write more of them: planned for a whole graph, unedited."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, is_op
from .align_channels import comes_channels_last, keeps_zero

__all__ = ["Layout", "is_depthwise", "is_groupless", "layouts_of"]

_POOLS = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Layout:
    """The channels of one value among more.

    Attributes:
        width: Channels there will be.
        positions: Where each channel of now will be, int64, ascending; zeros lie between.
    """

    width: int
    positions: np.ndarray

    @property
    def is_plain(self) -> bool:
        """Whether nothing moves and nothing is added."""
        return self.width == self.positions.size

    def spread(self, array: np.ndarray, axis: int) -> np.ndarray:
        """An array with one entry per channel along `axis`, zeros where there is no channel."""
        moved = np.moveaxis(array, axis, 0)
        wide = np.zeros((self.width, *moved.shape[1:]), array.dtype)
        wide[self.positions] = moved
        return np.ascontiguousarray(np.moveaxis(wide, 0, axis))


def is_groupless(node: ir.Node) -> bool:
    """Whether a node is a Conv over images, without groups, its weights and biases float32 constants."""
    return _has_constants(node) and node.attributes.get_int("group", 1) == 1


def is_depthwise(node: ir.Node) -> bool:
    """The same with one filter for each channel."""
    if not _has_constants(node):
        return False
    weight = constant_array(node.inputs[1])
    assert weight is not None
    groups = node.attributes.get_int("group", 1)
    return groups > 1 and weight.shape[:2] == (groups, 1)


def layouts_of(graph: ir.Graph, *, multiple: int, least: int, depthwise: int) -> dict[ir.Value, Layout]:
    """The layouts of all values whose channels may be laid out anew, in graph order.

    Args:
        graph: Not changed.
        multiple: Output channels of a Conv become a multiple of this,
        least: and at least these; a Slice of a value of at most as many is laid out as the value is.
        depthwise: Where depthwise convolutions are joined, they become a multiple of this.
    """
    members = {
        node.outputs[0]: node
        for node in graph
        if len(node.outputs) == 1 and not node.outputs[0].is_graph_output() and _can_be_wide(node)
    }
    while True:
        _drop_unsupported(members)
        found = _laid_out(members, multiple=multiple, least=least, depthwise=depthwise)
        refused = [
            value
            for value, node in members.items()
            if value not in found or (is_op(node, "Slice") and found[value].width > least)
        ]
        if not refused:
            return found
        for value in refused:
            del members[value]


def _can_be_wide(node: ir.Node) -> bool:
    """Whether a node by itself can write zeros in more channels."""
    if is_op(node, "PRelu"):
        slopes = constant_array(node.inputs[1])
        return slopes is not None and (slopes.size == 1 or (slopes.ndim > 2 and slopes.size == slopes.shape[-3]))
    if is_op(node, "Concat"):
        return node.attributes.get_int("axis", 0) == 1
    if is_op(node, "Slice"):
        return _cut_of(node) is not None
    if is_groupless(node) and (x := node.inputs[0]) is not None and comes_channels_last(x):
        return False  # its inputs cannot be aligned: it stays float, where more channels only cost
    return keeps_zero(node) or is_op(node, "LeakyRelu", "Add", *_POOLS) or is_groupless(node) or is_depthwise(node)


def _drop_unsupported(members: dict[ir.Value, ir.Node]) -> None:
    """Keep the greatest set in which everybody finds wide what it needs wide, and no stranger reads what is wide."""

    def is_read_well(value: ir.Value) -> bool:
        # A Slice cuts the same channels out of more, as long as those added come last.
        straight = _is_straight(value, members)
        return all(
            node.graph is members[value].graph
            and (
                (index == 0 and (is_groupless(node) or (straight and _cut_of(node) is not None)))
                or node.outputs[0] in members
            )
            for node, index in value.uses()
        )

    def is_fed_well(value: ir.Value, node: ir.Node) -> bool:
        if is_groupless(node):
            return True
        if is_op(node, "Slice") and not all(is_groupless(each) and index == 0 for each, index in value.uses()):
            return False
        if is_op(node, "Concat"):
            return any(each in members for each in node.inputs)
        if is_op(node, "Add"):
            return all(each is not None and each in members and _is_straight(each, members) for each in node.inputs)
        return node.inputs[0] in members

    while True:
        lost = [value for value, node in members.items() if not (is_read_well(value) and is_fed_well(value, node))]
        if not lost:
            return
        for value in lost:
            del members[value]


def _is_straight(value: ir.Value, members: dict[ir.Value, ir.Node]) -> bool:
    """Whether a value has its own channels first and zeros behind, as convolutions write them."""
    node = members.get(value)
    while node is not None and not is_op(node, "Add") and not is_groupless(node):
        if is_op(node, "Concat", "Slice"):
            return False
        source = node.inputs[0]
        node = None if source is None else members.get(source)
    return node is not None


def _laid_out(members: dict[ir.Value, ir.Node], *, multiple: int, least: int, depthwise: int) -> dict[ir.Value, Layout]:
    """Layouts in graph order; a value that has none, for want of a known size, is left out."""
    deep = _joined_to_depthwise(members)
    found: dict[ir.Value, Layout] = {}
    for value, node in members.items():
        if is_groupless(node):
            weight = constant_array(node.inputs[1])
            assert weight is not None
            channels = int(weight.shape[0])
            step = depthwise if value in deep else multiple
            found[value] = Layout(width=max(least, -(-channels // step) * step), positions=np.arange(channels))
            continue
        parts = [found.get(each) or _as_it_is(each) for each in node.inputs if each is not None]
        if is_op(node, "Concat"):
            if any(part is None for part in parts):
                continue
            known = [part for part in parts if part is not None]
            starts = np.cumsum([0, *(part.width for part in known)])
            joined = np.concatenate([part.positions + start for part, start in zip(known, starts, strict=False)])
            found[value] = Layout(width=int(starts[-1]), positions=joined)
        elif is_op(node, "Add") and len({(part.width, part.positions.size) for part in parts if part is not None}) > 1:
            continue  # one is spread over the channels of the other
        elif (whole := parts[0]) is not None and node.inputs[0] in found:
            cut = _cut_of(node) if is_op(node, "Slice") else slice(None)
            assert cut is not None
            found[value] = Layout(width=whole.width, positions=whole.positions[cut])
    return found


def _joined_to_depthwise(members: dict[ir.Value, ir.Node]) -> set[ir.Value]:
    """Values that must have as many channels as what a depthwise convolution reads or writes."""
    near: dict[ir.Value, list[ir.Value]] = {value: [] for value in members}
    for value, node in members.items():
        if not is_groupless(node) and not is_op(node, "Concat", "Slice"):
            for each in node.inputs:
                if each is not None and each in members:
                    near[value].append(each)
                    near[each].append(value)
    todo = [value for value, node in members.items() if is_depthwise(node)]
    found = set(todo)
    while todo:
        more = [each for each in near[todo.pop()] if each not in found]
        found.update(more)
        todo.extend(more)
    return found


def _as_it_is(value: ir.Value) -> Layout | None:
    shape = value.shape
    channels = None if shape is None or len(shape) < 2 else shape[1]
    return Layout(width=channels, positions=np.arange(channels)) if isinstance(channels, int) else None


def _cut_of(node: ir.Node) -> slice | None:
    """The channels that a Slice cuts out, or None where it does anything else."""
    numbers = [None if value is None else constant_array(value) for value in node.inputs[1:]]
    if len(numbers) < 3 or any(number is None or number.size != 1 for number in numbers):
        return None
    start, end, axis, *step = (int(number.reshape(())) for number in numbers if number is not None)
    # Bounds from the end would count the channels that are added.
    return slice(start, end) if axis == 1 and step in ([], [1]) and 0 <= start < end else None


def _has_constants(node: ir.Node) -> bool:
    if not is_op(node, "Conv"):
        return False
    arrays = [constant_array(value) for value in node.inputs[1:] if value is not None]
    present = sum(value is not None for value in node.inputs[1:])
    known = [array for array in arrays if array is not None and array.dtype == np.float32]
    return len(known) == present and known[0].ndim == 4
