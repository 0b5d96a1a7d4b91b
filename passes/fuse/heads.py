"""Where queries, keys and values come from: axes of heads, tokens and sizes, followed back through what lays them out.

Transpose, Unsqueeze, Reshape, Expand and the Concat of a cache say nothing but where elements go. Every axis is a
product of parts, the first the slowest: a Reshape joins and divides parts, an Expand repeats one, and what remains is
where projections or rotations left off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import onnx_ir as ir

from ..edit import constant_scalar, is_op
from .size import ONE, Dims, Size
from .sizes import Sizes

__all__ = ["Cache", "Followed", "Laid", "Part", "follow"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an axis: its name (`h`, `h0` the slower part of it, `h1` the faster), and its size."""

    name: str
    size: Size


_Axes: TypeAlias = tuple[tuple[Part, ...], ...]


@dataclass(frozen=True, slots=True)
class Laid:
    """A value and what its axes are.

    Attributes:
        value: The value.
        axes: Parts of its axes, those of size 1 left out.
    """

    value: ir.Value
    axes: _Axes

    def names(self) -> tuple[str, ...]:
        """The names of the parts of each axis, joined."""
        return tuple("".join(part.name for part in axis) for axis in self.axes)


@dataclass(frozen=True, slots=True)
class Cache:
    """A Concat of what was before and of new tokens."""

    node: ir.Node
    past: Laid
    joined: Laid


@dataclass(kw_only=True, slots=True)
class Followed:
    """What was found of an operand.

    Attributes:
        places: Every value on the way, the last where the way ends.
        scale: What it was multiplied by.
        repeated: Names of parts that an Expand made.
        cache: Where tokens were appended to a cache.
    """

    places: list[Laid]
    scale: float = 1.0
    repeated: set[str] = field(default_factory=set)
    cache: Cache | None = None


def follow(value: ir.Value, names: str, sizes: Sizes) -> Followed | None:
    """Follow an operand back.

    Args:
        value: The operand.
        names: A letter for each of its axes; `t` are its tokens.
        sizes: Those of the graph.

    Returns:
        What it is made of; None where its sizes are not known.
    """
    dims = sizes.of(value)
    if dims is None or len(dims) != len(names):
        return None
    axes = tuple(() if size == ONE else (Part(name, size),) for name, size in zip(names, dims, strict=True))
    found = Followed(places=[Laid(value, axes)])
    while (step := _step(found, sizes)) is not None:
        found.places.append(step)
    return found


def _step(found: Followed, sizes: Sizes) -> Laid | None:
    """One operator back."""
    here = found.places[-1]
    node = here.value.producer()
    given = None if node is None or not node.inputs else node.inputs[0]
    before = sizes.of(given)
    if node is None or given is None or before is None:
        return None
    if found.cache is not None and is_op(node, "Mul", "Div", "Expand"):
        # A cache holds what this makes: the kernel is to append just that.
        return None
    if is_op(node, "Mul", "Div"):
        return _scaled(found, node)
    axes: _Axes | None = None
    if is_op(node, "Transpose"):
        order = node.attributes.get_ints("perm", tuple(reversed(range(len(before)))))
        axes = tuple(here.axes[list(order).index(axis)] for axis in range(len(before)))
    elif is_op(node, "Reshape", "Unsqueeze", "Squeeze"):
        axes = _regrouped([part for axis in here.axes for part in axis], before)
    elif is_op(node, "Expand"):
        axes = _unrepeated(found, here, before)
    elif is_op(node, "Identity"):
        axes = here.axes
    elif is_op(node, "Concat") and len(node.inputs) == 2 and found.cache is None:
        return _appended(found, here, node, sizes)
    return None if axes is None else Laid(given, axes)


def _scaled(found: Followed, node: ir.Node) -> Laid | None:
    one, other = node.inputs[:2]
    factor = constant_scalar(other)
    if factor is None and is_op(node, "Mul"):
        one, other, factor = other, one, constant_scalar(one)
    if factor is None or one is None or other is None or (other.shape is not None and len(other.shape) > 1):
        return None
    if is_op(node, "Div") and factor == 0:
        return None
    found.scale *= factor if is_op(node, "Mul") else 1 / factor
    return Laid(one, found.places[-1].axes)


def _regrouped(parts: Sequence[Part], dims: Dims) -> _Axes | None:
    """Parts in order, shared out to axes of these sizes; one that reaches over an end is divided."""
    left, axes = list(parts), []
    for size in dims:
        axis: list[Part] = []
        missing: Size | None = size
        while missing is not None and missing != ONE:
            if not left:
                return None
            part = left.pop(0)
            rest = missing.over(part.size)
            if rest is None:
                inner = part.size.over(missing)
                if inner is None:
                    return None
                left.insert(0, Part(f"{part.name}1", inner))
                part, rest = Part(f"{part.name}0", missing), ONE
            axis.append(part)
            missing = rest
        axes.append(tuple(axis))
    return None if left else tuple(axes)


def _unrepeated(found: Followed, here: Laid, before: Dims) -> _Axes | None:
    if len(before) != len(here.axes):
        return None
    axes = []
    for axis, size in zip(here.axes, before, strict=True):
        if size == ONE and axis:
            found.repeated.update(part.name for part in axis)
        axes.append(() if size == ONE else axis)
    return tuple(axes)


def _appended(found: Followed, here: Laid, node: ir.Node, sizes: Sizes) -> Laid | None:
    past, new = node.inputs
    if past is None or new is None or sizes.of(past) is None or sizes.of(new) is None:
        return None
    at = node.attributes.get_int("axis", 0) % len(here.axes)
    if [part.name for part in here.axes[at]] != ["t"]:
        return None

    def with_tokens(value: ir.Value) -> Laid:
        dims = sizes.of(value)
        assert dims is not None
        tokens = () if dims[at] == ONE else (Part("t", dims[at]),)
        return Laid(value, (*here.axes[:at], tokens, *here.axes[at + 1 :]))

    found.cache = Cache(node, with_tokens(past), here)
    return with_tokens(new)
