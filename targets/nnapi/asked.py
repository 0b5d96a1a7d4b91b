"""What an op builder of the NNAPI provider looks at: a unit, the feature level, the operator's version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ...passes.edit import constant_array, is_constant
from ..node_io import operands
from ..support import SUPPORTED, Verdict, refused
from ..units import Operand, Unit, dims_of, since_version

__all__ = ["Asked", "Builder", "Rule", "dtype_name", "float_input", "ranks"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A unit, and what is asked of it.

    Attributes:
        unit: The node, or the Q/DQ group.
        level: NNAPI feature level of the device: 1 (Android 8.1) to 8; the provider tells 1 to 4 apart.
        since: The operator set in which its operator last changed, as far as the model's.
        inputs, outputs: What it reads and writes, through the group's DQ and Q.
    """

    unit: Unit
    level: int
    since: int
    inputs: tuple[Operand | None, ...]
    outputs: tuple[Operand, ...]

    @classmethod
    def of(cls, unit: Unit, model: ir.Model, level: int) -> Asked:
        """What is asked of a unit."""
        inputs, outputs = operands(unit)
        since = since_version(unit.node, model.graph)
        return cls(unit=unit, level=level, since=since, inputs=inputs, outputs=outputs)

    @property
    def op(self) -> str:
        """The operator."""
        return self.unit.node.op_type

    def has(self, index: int) -> bool:
        """Whether there is such an input."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> ir.Value | None:
        """The tensor an input reads; None where there is no such input."""
        operand = self.inputs[index] if index < len(self.inputs) else None
        return None if operand is None else operand.value

    def dtype(self, index: int) -> ir.DataType | None:
        """The type of the tensor an input reads."""
        value = self.value(index)
        return None if value is None else value.dtype

    def dims(self, index: int) -> tuple[int, ...]:
        """Dimensions of the tensor an input reads: all known, or the unit is refused before; () where there is none."""
        value = self.value(index)
        return () if value is None else dims_of(value) or ()

    def is_constant(self, index: int) -> bool:
        """Whether an input reads a constant initializer."""
        return is_constant(self.value(index))

    def constant(self, index: int) -> np.ndarray | None:
        """The array of a constant input; None for others."""
        return constant_array(self.value(index))

    def number(self, name: str, default: int) -> int:
        """An attribute."""
        return self.unit.node.attributes.get_int(name, default)

    def numbers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """An attribute."""
        return tuple(self.unit.node.attributes.get_ints(name, default))

    def text(self, name: str, default: str) -> str:
        """An attribute."""
        return self.unit.node.attributes.get_string(name, default)

    def real(self, name: str, default: float) -> float:
        """An attribute."""
        return self.unit.node.attributes.get_float(name, default)


Rule: TypeAlias = Callable[[Asked], Verdict]


def float_input(asked: Asked) -> Verdict:
    """`InputIsFloat`: what a builder asks of types that asks nothing else."""
    kind = asked.dtype(0)
    return SUPPORTED if kind == ir.DataType.FLOAT else refused(f"its input is {dtype_name(kind)}, taken is float32")


def _anything(asked: Asked) -> Verdict:
    del asked
    return SUPPORTED


@dataclass(frozen=True, kw_only=True, slots=True)
class Builder:
    """What the provider asks of one operator.

    Attributes:
        level: The NNAPI feature level it needs, by the unit.
        grouped: It takes a Q/DQ group.
        types: `HasSupportedInputOutputsImpl`.
        least: The oldest version of the operator it knows.
        rule: `IsOpSupportedImpl`.
    """

    level: Callable[[Asked], int] = lambda asked: 1  # noqa: ARG005  # a constant as a function
    grouped: bool = False
    types: Rule = float_input
    least: int = 1
    rule: Rule = _anything


def ranks(asked: Asked, least: int, most: int) -> Verdict:
    """Refuse an input with fewer or more dimensions."""
    rank = len(asked.dims(0))
    if least <= rank <= most:
        return SUPPORTED
    wanted = str(most) if least == most else f"{least} to {most}"
    return refused(f"its input has {rank} dimensions, taken are {wanted}")


def dtype_name(kind: ir.DataType | None) -> str:
    """`float32`, `int64`."""
    if kind is None:
        return "of unknown type"
    return {"FLOAT": "float32", "DOUBLE": "float64"}.get(kind.name, kind.name.lower())
