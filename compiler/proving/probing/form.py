"""One form of a node: operator, attributes, operands and results with their types, apart from any graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

__all__ = [
    "INT8",
    "Form",
    "Operand",
    "Result",
    "Steps",
    "activations_of",
    "codes_of",
    "is_weight",
    "numbers_of",
    "steps_for",
]

INT8 = (ir.DataType.INT8, ir.DataType.UINT8)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Steps:
    """How integers stand for numbers: what QuantizeLinear and DequantizeLinear read beside them.

    Attributes:
        scale: () or one per slice of `attributes["axis"]`.
        zero: Of the codes' type, shaped as `scale`; None where the graph has none.
        dtype: Of the codes.
        attributes: `axis`, `block_size`, as written.
    """

    scale: np.ndarray
    zero: np.ndarray | None
    dtype: ir.DataType
    attributes: Mapping[str, ir.Attr]

    @property
    def symmetric(self) -> bool:
        """Whether 0 stands for 0."""
        return self.zero is None or not self.zero.any()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Operand:
    """What a node reads.

    Attributes:
        array: Codes where there are steps, else the values; of one real run.
        dtype: Of the array.
        dims: As declared; a symbol where a dimension is not known before it runs.
        constant: Whether it is a weight.
        steps: None where no DequantizeLinear stands in front.
    """

    array: np.ndarray
    dtype: ir.DataType
    dims: tuple[int | str, ...]
    constant: bool
    steps: Steps | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Result:
    """What a node writes; `steps` None where no QuantizeLinear stands behind, `absent` where nothing is wanted."""

    dtype: ir.DataType
    steps: Steps | None
    absent: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Form:
    """A node alone.

    Attributes:
        op, domain, attributes: The operator.
        inputs: In order; None where an optional one is left out.
        outputs: In order.
        opsets: Operator sets by domain.
        ir_version: Of the file.
    """

    op: str
    domain: str
    attributes: Mapping[str, ir.Attr]
    inputs: tuple[Operand | None, ...]
    outputs: tuple[Result, ...]
    opsets: Mapping[str, int]
    ir_version: int

    @property
    def present(self) -> tuple[Operand, ...]:
        """Its operands that are there."""
        return tuple(each for each in self.inputs if each is not None)

    def with_input(self, index: int, operand: Operand | None) -> Form:
        """The form with another operand at `index`."""
        return replace(self, inputs=(*self.inputs[:index], operand, *self.inputs[index + 1 :]))

    def with_attributes(self, **attributes: ir.Attr | None) -> Form:
        """The form with these attributes changed; None takes one away."""
        merged = {**self.attributes, **attributes}
        return replace(self, attributes={name: value for name, value in merged.items() if value is not None})


def activations_of(form: Form) -> list[Operand]:
    """Dequantized operands that change from run to run."""
    return [each for each in form.present if each.steps is not None and not each.constant]


def is_weight(operand: Operand) -> bool:
    """Whether an operand is a dequantized constant; a bias, in 32 bits, is none."""
    return operand.constant and operand.steps is not None and operand.dtype != ir.DataType.INT32


def steps_for(numbers: np.ndarray, dtype: ir.DataType) -> Steps:
    """One scale that covers these numbers; zero point in the middle of the type."""
    limits = np.iinfo(dtype.numpy())
    peak = float(np.abs(numbers).max(initial=0.0)) or 1.0
    middle = 0 if limits.min < 0 else (limits.max + 1) // 2
    zero = np.array(middle, dtype=dtype.numpy())
    return Steps(
        scale=np.array(2 * peak / (limits.max - limits.min), np.float32), zero=zero, dtype=dtype, attributes={}
    )


def codes_of(numbers: np.ndarray, steps: Steps) -> np.ndarray:
    """Numbers to codes: clip(round(x / scale) + zero), of one scale."""
    limits = np.iinfo(steps.dtype.numpy())
    zero = 0 if steps.zero is None else int(steps.zero.reshape(()))
    codes: np.ndarray = np.clip(np.rint(numbers / steps.scale.reshape(())) + zero, limits.min, limits.max)
    return codes.astype(steps.dtype.numpy())


def numbers_of(operand: Operand) -> np.ndarray:
    """What an operand stands for, in float32; of blocks the codes themselves, whose magnitude nobody looks at."""
    values = operand.array.astype(np.float32)
    steps = operand.steps
    if steps is None or "block_size" in steps.attributes:
        return values
    zero = np.zeros(1, np.float32) if steps.zero is None else steps.zero.astype(np.float32)
    numbers: np.ndarray = (values - _along(zero, steps, values.ndim)) * _along(steps.scale, steps, values.ndim)
    return numbers.astype(np.float32)


def _along(each: np.ndarray, steps: Steps, rank: int) -> np.ndarray:
    """One number, or one per slice, shaped to be combined with the codes."""
    if each.size == 1:
        return each.reshape(())
    shape = [1] * rank
    shape[steps.attributes["axis"].as_int() if "axis" in steps.attributes else 1] = -1
    return each.reshape(shape)
