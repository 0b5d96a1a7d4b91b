"""What an op builder of the CoreML provider looks at: a node, the provider's options, and the operator's version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnx
import onnx_ir as ir

from ...passes.edit import constant_array, is_constant, opset_of
from ..support import SUPPORTED, Verdict, refused

__all__ = ["FLOATS", "Asked", "Builder", "Options", "Shape", "anything", "dtypes", "dtypes_of", "standard_inputs"]

# Dimensions; None for one that is only known at run time.
Shape: TypeAlias = tuple[int | None, ...]

FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16)


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Options of the provider that its support depends on.

    Attributes:
        mlprogram: `ModelFormat` is MLProgram, not NeuralNetwork.
        static: `RequireStaticInputShapes` is 1.
        version: CoreML's: 6 on iOS 16, 7 on iOS 17, 8 on iOS 18.
    """

    mlprogram: bool
    static: bool = True
    version: int = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A node, and what is known of what it reads.

    Attributes:
        node: The node.
        options: Of the provider.
        since: The operator set in which its operator last changed, as far as the model's.
    """

    node: ir.Node
    options: Options
    since: int

    @classmethod
    def of(cls, node: ir.Node, model: ir.Model, options: Options) -> Asked:
        """Look up the operator's version; 1 for one that ONNX does not define."""
        version = opset_of(model) if node.domain in ("", "ai.onnx") else 1
        try:
            since = onnx.defs.get_schema(node.op_type, version, node.domain).since_version
        except onnx.defs.SchemaError:
            since = 1
        return cls(node=node, options=options, since=since)

    def has(self, index: int) -> bool:
        """Whether there is such an input."""
        return index < len(self.node.inputs) and self.node.inputs[index] is not None

    def dtype(self, index: int) -> ir.DataType | None:
        """The type of an input; None where there is none, or it is not known."""
        value = self.node.inputs[index] if index < len(self.node.inputs) else None
        return None if value is None else value.dtype

    def shape(self, index: int) -> Shape | None:
        """The dimensions of an input; None where not even their number is known."""
        return shape_of(self.node.inputs[index] if index < len(self.node.inputs) else None)

    def is_constant(self, index: int) -> bool:
        """Whether an input is a constant initializer."""
        return self.has(index) and is_constant(self.node.inputs[index])

    def constant(self, index: int) -> np.ndarray | None:
        """The array of an input that is one."""
        return constant_array(self.node.inputs[index]) if self.has(index) else None

    def integer(self, name: str, default: int) -> int:
        """An attribute, or its default."""
        return self.node.attributes.get_int(name, default)

    def integers(self, name: str) -> tuple[int, ...] | None:
        """An attribute, or None."""
        found = self.node.attributes.get_ints(name, None)
        return None if found is None else tuple(found)

    def number(self, name: str, default: float) -> float:
        """An attribute, or its default."""
        return self.node.attributes.get_float(name, default)

    def text(self, name: str, default: str) -> str:
        """An attribute, or its default."""
        return self.node.attributes.get_string(name, default)


def shape_of(value: ir.Value | None) -> Shape | None:
    """The dimensions of a value; a constant tells them itself."""
    if value is None:
        return None
    if value.shape is None:
        array = constant_array(value)
        return None if array is None else array.shape
    return tuple(dim if isinstance(dim, int) else None for dim in value.shape)


Rule: TypeAlias = Callable[[Asked], Verdict]


def dtypes_of(asked: Asked, wanted: tuple[ir.DataType, ...], index: int = 0) -> Verdict:
    """Whether an input has one of these types."""
    found = asked.dtype(index)
    if found in wanted:
        return SUPPORTED
    names = ", ".join(each.name for each in wanted)
    return refused(f"input {index} is {'of no known type' if found is None else found.name}, taken are {names}")


def standard_inputs(asked: Asked) -> Verdict:
    """FLOAT in both formats, FLOAT16 and INT64, which CoreML stores as INT32, in ML Program."""
    wide = (*FLOATS, ir.DataType.INT64) if asked.options.mlprogram else (ir.DataType.FLOAT,)
    return dtypes_of(asked, wide)


def dtypes(program: tuple[ir.DataType, ...], neural: tuple[ir.DataType, ...]) -> Rule:
    """A rule for the type of input 0, by format."""
    return lambda asked: dtypes_of(asked, program if asked.options.mlprogram else neural)


def anything(asked: Asked) -> Verdict:
    """No further condition."""
    del asked
    return SUPPORTED


@dataclass(frozen=True, kw_only=True, slots=True)
class Builder:
    """What the provider's builder of one operator asks for.

    Attributes:
        takes: Its conditions on attributes, shapes and constants.
        inputs: Its conditions on types.
        least: The first version of the operator it knows.
        program, neural: Whether it makes an ML Program, a neural network.
        trivial: It only moves elements; a partition of nothing else is left to the CPU.
        empty_inputs: Inputs without elements are ignored, not refused.
    """

    takes: Rule = anything
    inputs: Rule = standard_inputs
    least: int = 1
    program: bool = True
    neural: bool = True
    trivial: bool = False
    empty_inputs: bool = False
