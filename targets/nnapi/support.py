"""What ONNX Runtime's NNAPI provider takes of a model, without the provider, in its default layout (NHWC).

Source: onnxruntime/core/providers/nnapi/nnapi_builtin of microsoft/onnxruntime: base_op_builder.h at 0c8fc18 (operator
sets up to 28), dequantizelinear_op_builder.cc at 22e0180, the others as they were when they last changed in substance
(a copy of all at 3149122 of yanorepuser4/onnxruntime). The list of operators is the one in the wheel of 1.31.1
(tools/mobile_helpers/nnapi_supported_ops.md), and QLinearMul. Read 2026-11-21.

What the provider says it takes and then fails to build is refused here, since no session opens then: `quantized.py`,
`products.py` and `moves.py` say so, with where in model_builder.cc it fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import onnx_ir as ir

from ...passes.edit import is_constant, is_op
from ...passes.qdq_reach import CARRIED, reached_from_above, reached_from_below
from ..qdq_units import qdq_unit, qdq_units
from ..support import SupportRules, Verdict, refused
from ..units import Operand, Unit, dims_of
from .asked import Asked, Builder
from .mends import mend
from .moves import MOVES
from .pointwise import POINTWISE
from .products import PRODUCTS
from .windows import WINDOWS

__all__ = ["BUILDERS", "MAX_OPSET", "SOURCE", "nnapi_rules"]

SOURCE = "onnxruntime/core/providers/nnapi/nnapi_builtin of ONNX Runtime 1.31 (microsoft/onnxruntime 0c8fc18)"

# GetMaxSupportedOpSet of every builder: the last version of an operator it knows. 19 in ONNX Runtime 1.16 to 1.17.
MAX_OPSET = 28

BUILDERS: Mapping[str, Builder] = {**PRODUCTS, **POINTWISE, **MOVES, **WINDOWS}

# Those that take uint8 as it is, where another node of their partition wrote it (helper.cc).
_INTERNAL = ("Transpose", "Resize", "Concat", "MaxPool")
_STOP = "NonMaxSuppression"


def nnapi_rules(level: int) -> SupportRules:
    """The rules of the provider on a device of an NNAPI feature level.

    Args:
        level: 1 is Android 8.1, 2 Android 9, 3 Android 10, 4 Android 11, 5 Android 12; later ones add nothing that the
            provider asks for.
    """
    return SupportRules(
        provider="NnapiExecutionProvider",
        source=f"{SOURCE}, NNAPI feature level {level}",
        verdict=partial(_verdict, level=level),
        units=qdq_units,
        drops=_drops,
    )


def _verdict(unit: Unit, model: ir.Model, *, level: int) -> Verdict:
    found = _said(Asked.of(unit, model, level), model.graph)
    return found if found.supported or found.mend else replace(found, mend=mend(unit))


def _said(asked: Asked, graph: ir.Graph) -> Verdict:
    """`BaseOpBuilder::IsOpSupported`, and `IsNodeSupportedInGroup` around it, in their order."""
    unit, op = asked.unit, asked.op
    if _is_behind_stop(unit.node, graph):
        return refused(f"it depends on a {_STOP}, behind which the provider takes nothing")
    builder = BUILDERS.get(op)
    if builder is None:
        return refused(f"the provider has no builder for {op}")
    if (needed := builder.level(asked)) > asked.level:
        return refused(f"{op} needs NNAPI feature level {needed}, the device has {asked.level}")
    if unit.grouped and not builder.grouped:
        return refused(f"{op} has no integer form here, and the Q/DQ around it make it one")
    if not unit.grouped and is_op(unit.node, *CARRIED) and _is_carried(asked):
        return refused(
            f"ONNX Runtime carries the Q/DQ beside it past it when a session opens, and {op} has no integer form here",
            "a Max with the lowest number between",
        )
    unknown = next((each for each in asked.inputs if each is not None and dims_of(each.value) is None), None)
    if unknown is not None:
        return refused(
            f"the shape of {unknown.value.name!r} is not known before the model runs", "--shape for the inputs"
        )
    if not (verdict := builder.types(asked)).supported:
        return verdict
    if outside := _external(asked.inputs):
        return refused(f"{outside!r} lies in an external file", "a model in one file")
    if not builder.least <= asked.since <= MAX_OPSET:
        return refused(f"{op} is that of operator set {asked.since}, taken are {builder.least} to {MAX_OPSET}")
    if not (verdict := builder.rule(asked)).supported:
        return verdict
    return _internal(asked, graph)


def _is_carried(asked: Asked) -> bool:
    """`QDQPropagationTransformer`: the node makes a group with a Q/DQ when the provider is asked."""
    old = asked.op == "MaxPool" and asked.since < 12
    moves = asked.dtype(0) == ir.DataType.FLOAT and not old
    return moves and (reached_from_above(asked.unit.node) or reached_from_below(asked.unit.node))


def _external(inputs: Sequence[Operand | None]) -> str:
    """The name of an initializer that is kept in a file beside the model's; "" for none."""
    for operand in inputs:
        values = () if operand is None else (operand.value, operand.scale, operand.zero_point)
        for value in values:
            if value is not None and isinstance(value.const_value, ir.ExternalTensor):
                return str(value.name)
    return ""


def _internal(asked: Asked, graph: ir.Graph) -> Verdict:
    """`IsInternalQuantizationSupported`: uint8 without Q/DQ comes from a node the provider runs, not from a group."""
    unit = asked.unit
    plain = unit.grouped or asked.op not in _INTERNAL or asked.dtype(0) != ir.DataType.UINT8
    if plain or all(_is_inside(operand, graph) for operand in asked.inputs[: None if asked.op == "Concat" else 1]):
        return Verdict(supported=True)
    return refused("it reads uint8 that no single node of its partition writes, so that its scale is not known")


def _is_inside(operand: Operand | None, graph: ir.Graph) -> bool:
    """Whether a single node writes it that takes or makes uint8."""
    producer = None if operand is None else operand.value.producer()
    if producer is None:
        return False
    return producer.op_type in _INTERNAL or (is_op(producer, "QuantizeLinear") and not _is_grouped(producer, graph))


def _is_grouped(quantize: ir.Node, graph: ir.Graph) -> bool:
    """Whether a QuantizeLinear belongs to the operator before it, or before the clamp before it."""
    owners: list[ir.Node] = []
    value = quantize.inputs[0]
    for _ in range(2):
        producer = None if value is None else value.producer()
        if producer is not None:
            owners.append(producer)
            value = producer.inputs[0] if producer.inputs else None
    units = [qdq_unit(owner, graph) for owner in owners]
    return any(unit is not None and quantize in unit.quantize for unit in units)


def _is_behind_stop(node: ir.Node, graph: ir.Graph) -> bool:
    """`CreateExcludedNodeSet`: the node, or one it depends on, is a stop op."""
    if not any(each.op_type == _STOP for each in graph):
        return False
    seen: set[ir.Node] = set()
    todo = [node]
    while todo:
        each = todo.pop()
        if each.op_type == _STOP:
            return True
        if each not in seen:
            seen.add(each)
            todo += [producer for value in each.inputs if value and (producer := value.producer()) is not None]
    return False


def _drops(group: Sequence[Unit]) -> str:
    """`IsValidSupportedNodeGroup`, and partitions that read nothing but constants."""
    nodes = [node for unit in group for node in unit.nodes]
    if len(nodes) == 1 and nodes[0].op_type in ("Reshape", "Flatten", "Identity"):
        return f"a {nodes[0].op_type} alone is not worth a partition"
    written = {value for unit in group for value in unit.writes}
    if all(value in written or is_constant(value) for unit in group for value in unit.reads):
        return "its partition reads nothing but constants"
    return ""
