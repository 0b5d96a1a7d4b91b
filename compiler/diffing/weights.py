"""Weights of two models side by side, in real numbers: integers are read through what expands them.

That is a DequantizeLinear, or the Cast and the Mul that float kernels fold at load, or a Cast alone. Codes that integer
kernels read as they are compare with codes alone.

A weight stored as `conv.weight_quantized` or `conv.weight_float16` in one and as `conv.weight` in the other is the same
weight, so that bundles of different schemes compare. One weight of each side is in memory at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from ...passes.edit import constant_array, is_op
from ...runtimes.compare import Comparer

__all__ = ["WeightChange", "Weights", "compare_weights"]

_SUFFIX = "_quantized"


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightChange:
    """One weight that differs.

    Attributes:
        name: Its name, without the suffix of its integers.
        layer: The node that reads it.
        old, new: How either side stores it: `int8 [16, 3, 3, 3]`; "" where it has none.
        sqnr_db: The old one's signal to the difference, in dB; None where shapes differ, one is missing, or the scale
            of one is unknown.
        max_error: The largest difference; None as above.
        peak: The old one's largest magnitude; None as above.
    """

    name: str
    layer: str
    old: str
    new: str
    sqnr_db: float | None = None
    max_error: float | None = None
    peak: float | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values; a change of the stored type alone has no finite SQNR, and says null."""
        finite = None if self.sqnr_db is None or not math.isfinite(self.sqnr_db) else self.sqnr_db
        place = {name: getattr(self, name) for name in ("name", "layer", "old", "new")}
        return {**place, "sqnr_db": finite, "max_error": self.max_error, "peak": self.peak}


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """All weights of two models.

    Attributes:
        same: How many are stored alike, number for number.
        changed: Those that are not, in the order of the graph.
    """

    same: int
    changed: tuple[WeightChange, ...]


@dataclass(frozen=True, slots=True)
class _Weight:
    """A weight of one model: the value that holds it, what expands it if anything does, and who reads it."""

    value: ir.Value
    expand: ir.Node | None
    layer: str

    @property
    def form(self) -> str:
        tensor = self.value.const_value
        assert tensor is not None
        return f"{tensor.dtype.name.lower()} [{', '.join(map(str, tensor.shape.numpy()))}]"

    @property
    def coded(self) -> bool:
        """Whether its numbers are codes of an unknown scale."""
        tensor = self.value.const_value
        assert tensor is not None
        return self.expand is None and tensor.dtype.is_integer() and tensor.dtype.itemsize <= 1

    def real(self) -> np.ndarray:
        """The numbers it stands for, or its codes, float64."""
        codes = constant_array(self.value)
        assert codes is not None
        wide = codes.astype(np.float64)
        if self.expand is None or is_op(self.expand, "Cast"):
            return wide
        scale = constant_array(self.expand.inputs[1])
        if scale is None:
            return wide
        if is_op(self.expand, "Mul"):
            return np.asarray(wide * scale)
        zero = constant_array(self.expand.inputs[2]) if len(self.expand.inputs) > 2 else None
        axis = self.expand.attributes.get_int("axis", 1)
        block = self.expand.attributes.get_int("block_size", 0)
        steps = _along(scale, wide, axis, block)
        return np.asarray(steps * (wide if zero is None else wide - _along(zero, wide, axis, block)))


def compare_weights(old: Path, new: Path) -> Weights:
    """Compare the weights of two models, name by name.

    Args:
        old: The model of one bundle.
        new: That of the other.
    """
    left, right = (_weights(ir.load(path.absolute())) for path in (old, new))
    same, changed = 0, []
    for name in dict.fromkeys((*left, *right)):
        change = _compared(name, left.get(name), right.get(name))
        if change is None:
            same += 1
        else:
            changed.append(change)
    return Weights(same=same, changed=tuple(changed))


def _compared(name: str, old: _Weight | None, new: _Weight | None) -> WeightChange | None:
    layer = (old or new).layer  # type: ignore[union-attr]  # one of them is there
    forms: dict[str, Any] = {"old": "" if old is None else old.form, "new": "" if new is None else new.form}
    if old is None or new is None:
        return WeightChange(name=name, layer=layer, **forms)
    x, y = old.real(), new.real()
    if x.shape != y.shape or old.coded != new.coded:
        return WeightChange(name=name, layer=layer, **forms)
    if forms["old"] == forms["new"] and np.array_equal(x, y, equal_nan=True):
        return None
    comparer = Comparer()
    comparer.add(x, y)
    found = comparer.result()
    return WeightChange(
        name=name, layer=layer, sqnr_db=found.sqnr_db, max_error=found.max_error, peak=found.peak, **forms
    )


def _weights(model: ir.Model) -> Mapping[str, _Weight]:
    """Constants that layers read, by their name without suffix; scales and zero points count with what they scale."""
    found: dict[str, _Weight] = {}
    for value in model.graph.initializers.values():
        uses = tuple(value.uses())
        if value.const_value is None or not uses:
            continue
        readers = [node for node, _ in uses]
        if all(_scales(node, index) for node, index in uses):
            continue
        expand = next(filter(None, map(_expanding, readers)), None)
        if expand is not None:
            behind = [node for node, _ in expand.outputs[0].uses()]
            readers = behind or readers
        layer = str(readers[0].name or readers[0].op_type)
        suffix = f"_{value.const_value.dtype.numpy().name}" if expand is not None and is_op(expand, "Cast") else _SUFFIX
        found[str(value.name).removesuffix(suffix)] = _Weight(value, expand, layer)
    return found


def _scales(node: ir.Node, index: int) -> bool:
    """Whether an operand is a scale or a zero point."""
    if is_op(node, "QuantizeLinear", "DequantizeLinear"):
        return index > 0
    codes = node.inputs[0] if index == 1 and is_op(node, "Mul") else None
    cast = None if codes is None else codes.producer()
    return cast is not None and is_op(cast, "Cast") and _expanding(cast) is node


def _expanding(reader: ir.Node) -> ir.Node | None:
    """What makes the real numbers of what it reads: itself, or the Mul by a constant behind a Cast of integers."""
    if is_op(reader, "DequantizeLinear"):
        return reader
    if not is_op(reader, "Cast"):
        return None
    stored = reader.inputs[0].const_value if reader.inputs[0] is not None else None
    behind = [node for node, _ in reader.outputs[0].uses()]
    multiplies = len(behind) == 1 and is_op(behind[0], "Mul") and constant_array(behind[0].inputs[1]) is not None
    return behind[0] if multiplies and stored is not None and stored.dtype.is_integer() else reader


def _along(numbers: np.ndarray, like: np.ndarray, axis: int, block: int) -> np.ndarray:
    """Scales or zero points, one for each element they hold for."""
    wide = numbers.astype(np.float64)
    if wide.ndim == 0:
        return wide
    if block:
        return np.take(np.repeat(wide, block, axis), np.arange(like.shape[axis]), axis)
    return wide.reshape([-1 if each == axis % like.ndim else 1 for each in range(like.ndim)])
