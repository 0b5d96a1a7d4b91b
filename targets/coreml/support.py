"""What ONNX Runtime's CoreML provider takes of a model, in both formats, without the provider.

Source: onnxruntime/core/providers/coreml/builders of ONNX Runtime 1.31.1. The conditions were read in the repository
(microsoft/onnxruntime 08a3cf1, 1650d6f, 3df4235, f697469 and older versions of single files) and compared, builder by
builder, with the machine code of 1.31.1's macOS wheel (libonnxruntime.1.31.1.dylib, arm64), which has every builder's
name, messages, versions and types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from ..support import SUPPORTED, SupportRules, Verdict, refused
from ..units import Unit
from .arithmetic import ARITHMETIC
from .asked import Asked, Builder, Options, shape_of
from .layers import LAYERS
from .mends import MENDS
from .moves import MOVES
from .products import PRODUCTS

__all__ = ["BUILDERS", "MAX_OPSET", "MLPROGRAM", "NEURAL_NETWORK", "SOURCE", "coreml_rules"]

SOURCE = "onnxruntime 1.31.1, onnxruntime/core/providers/coreml/builders (sources, and the macOS wheel's machine code)"

# By operator type alone: the provider does not look at domains.
BUILDERS: Mapping[str, Builder] = {**ARITHMETIC, **PRODUCTS, **MOVES, **LAYERS}

# GetMaxSupportedOpSet of every builder: the last version of an operator it knows.
MAX_OPSET = 27
_RANK = 5


def coreml_rules(options: Options) -> SupportRules:
    """The rules of the provider under these options."""

    def verdict(unit: Unit, model: ir.Model) -> Verdict:
        return _verdict(Asked.of(unit.node, model, options))

    return SupportRules(provider="CoreMLExecutionProvider", source=SOURCE, verdict=verdict, drops=_drops)


def _verdict(asked: Asked) -> Verdict:
    """`BaseOpBuilder::IsOpSupported`: format, version, shapes of inputs, their types, then what the builder asks."""
    op = asked.node.op_type
    builder = BUILDERS.get(op)
    mend = MENDS.get(op, "")
    if builder is None:
        return refused(f"the provider has no builder for {op}", mend)
    if asked.options.mlprogram and not builder.program:
        return refused(f"{op} is not taken in MLProgram format", mend)
    if not asked.options.mlprogram and not builder.neural:
        return refused(f"{op} is not taken in NeuralNetwork format", "MLProgram format")
    if not builder.least <= asked.since <= MAX_OPSET:
        return refused(f"{op} is that of operator set {asked.since}, taken are {builder.least} to {MAX_OPSET}")
    for index, value in enumerate(asked.node.inputs):
        if value is not None and not (verdict := _input(asked, builder, index, value)).supported:
            return verdict
    for rule in (builder.inputs, builder.takes):
        if not (verdict := rule(asked)).supported:
            return verdict
    return SUPPORTED


def _input(asked: Asked, builder: Builder, index: int, value: ir.Value) -> Verdict:
    """`IsInputSupported`: the shape of one input."""
    shape = shape_of(value)
    if shape is None:
        return refused(f"input {index} has no known shape", "fix the model's shapes")
    if asked.options.static and None in shape:
        return refused(f"input {index} has a dynamic shape", "fix the model's shapes")
    if 0 in shape and not builder.empty_inputs:
        return refused(f"input {index} has no elements")
    if len(shape) > _RANK:
        return refused(f"input {index} has {len(shape)} dimensions, CoreML has {_RANK}")
    return SUPPORTED


def _drops(group: Sequence[Unit]) -> str:
    """The provider keeps no partition whose nodes only move elements (`IsTrivial`): copying costs more."""
    if all(BUILDERS[unit.node.op_type].trivial for unit in group):
        return "its partition would only move elements, and the provider leaves such to the CPU"
    return ""


MLPROGRAM = coreml_rules(Options(mlprogram=True))
NEURAL_NETWORK = coreml_rules(Options(mlprogram=False))
