"""What a graph loses with a label: the constants, sizes and attributes that have one entry for each channel.

Each edit names the labels of the entries it stands for; `apply` takes the ones that stay. Constants that others read
too are copied first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, constant_array, fresh_name, is_overridable
from ..outside import outside

__all__ = ["Counted", "Cut", "Edit", "Grouped", "Padded", "Parted", "Sliced", "set_constant"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sliced:
    """A constant loses entries along an axis."""

    node: ir.Node
    index: int
    axis: int
    labels: np.ndarray

    def apply(self, keep: np.ndarray, taken: set[str]) -> None:
        kept = keep[self.labels]
        if not kept.all():
            array = _array(self.node, self.index)
            set_constant(self.node, self.index, np.compress(kept, array, axis=self.axis), taken)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Counted:
    """One number among whole ones is how many there are."""

    node: ir.Node
    index: int
    position: int
    labels: np.ndarray

    def apply(self, keep: np.ndarray, taken: set[str]) -> None:
        if not keep[self.labels].all():
            array = _array(self.node, self.index).copy()
            array[self.position] = keep[self.labels].sum()
            set_constant(self.node, self.index, array, taken)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Grouped:
    """A depthwise Conv has a group for each."""

    node: ir.Node
    labels: np.ndarray

    def apply(self, keep: np.ndarray, taken: set[str]) -> None:
        del taken
        self.node.attributes["group"] = ir.AttrInt64("group", int(keep[self.labels].sum()))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Padded:
    """A Pad puts so many before and behind."""

    node: ir.Node
    before: tuple[int, np.ndarray]
    behind: tuple[int, np.ndarray]

    def apply(self, keep: np.ndarray, taken: set[str]) -> None:
        _write(self.node, "pads", 1, {at: int(keep[labels].sum()) for at, labels in (self.before, self.behind)}, taken)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Parted:
    """A Split hands out so many to each output."""

    node: ir.Node
    parts: tuple[np.ndarray, ...]

    def apply(self, keep: np.ndarray, taken: set[str]) -> None:
        if all(keep[labels].all() for labels in self.parts):
            return
        sizes = np.array([int(keep[labels].sum()) for labels in self.parts], np.int64)
        self.node.attributes.pop("num_outputs", None)
        if len(self.node.inputs) < 2:
            self.node.resize_inputs(2)
        set_constant(self.node, 1, sizes, taken)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cut:
    """A Slice begins behind so many and ends so many later."""

    node: ir.Node
    position: int
    before: np.ndarray
    inside: np.ndarray

    def apply(self, keep: np.ndarray, taken: set[str]) -> None:
        start = int(keep[self.before].sum())
        _write(self.node, "starts", 1, {self.position: start}, taken)
        _write(self.node, "ends", 2, {self.position: start + int(keep[self.inside].sum())}, taken)


Edit: TypeAlias = Sliced | Counted | Grouped | Padded | Parted | Cut


def set_constant(node: ir.Node, index: int, array: np.ndarray, taken: set[str]) -> None:
    """Let one input of a node be this constant: under its old name where nobody else reads that."""
    old, graph = node.inputs[index], node.graph
    assert graph is not None
    alone = old is not None and old.is_initializer() and not old.is_graph_output() and not is_overridable(old)
    if alone and old is not None and len(tuple(old.uses())) == 1:
        keeper, name = outside().keeper, str(old.name)
        old.const_value = ir.Tensor(array, name=name) if keeper is None else keeper.put(array).tensor(name)
        old.shape = ir.Shape(array.shape)
        return
    name = fresh_name(f"{node.outputs[0].name}_sizes" if old is None else str(old.name), taken)
    assert isinstance(graph, ir.Graph)
    node.replace_input_with(index, add_initializer(graph, name, array))


def _write(node: ir.Node, attribute: str, index: int, entries: dict[int, int], taken: set[str]) -> None:
    """Entries of a list that older operator sets have as an attribute, newer ones as an input."""
    given = node.attributes.get_ints(attribute, None)
    array = _array(node, index).copy() if given is None else np.array(given)
    before = array.copy()
    for position, value in entries.items():
        array[position] = value
    if np.array_equal(before, array):
        return
    if given is None:
        set_constant(node, index, array, taken)
    else:
        node.attributes[attribute] = ir.AttrInt64s(attribute, array.tolist())


def _array(node: ir.Node, index: int) -> np.ndarray:
    array = constant_array(node.inputs[index])
    assert array is not None
    return array
