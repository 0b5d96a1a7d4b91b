"""Where the params of every value that carries Q/DQ come from: its rule first, then what its readers ask."""

from __future__ import annotations

import onnx_ir as ir

from ..edit import is_op, sole_consumer
from ..spec import Derived, Fixed, Given, Shared
from .clamps import bounds_of
from .decision import Decision, set_source, source_of
from .whole_bytes import bytes_behind

__all__ = ["assign_sources"]


def assign_sources(chosen: dict[ir.Node, Decision]) -> None:
    """Give every value that carries Q/DQ its source: rules first, then what their readers ask."""
    for node, decision in chosen.items():
        rule = decision.rule
        if decision.output is not None:
            match rule.outputs:
                case Shared(with_=int(index)):
                    operand = node.inputs[index]
                    assert operand is not None
                    set_source(decision.output, Shared(with_=str(operand.name)))
                case Fixed() | Given() as source:
                    set_source(decision.output, source)
                case None | Shared() | Derived():
                    raise ValueError(
                        f"{node.op_type}: an output's source is Given, Fixed or Shared with an input index"
                    )
    # Of readers of a float value the widest says how it is stored.
    for node, decision in sorted(chosen.items(), key=lambda each: -_bits(each[1])):
        for index in decision.activations:
            value = node.inputs[index]
            assert value is not None
            if source_of(value) is None and decision.rule.inputs is not None:
                known = bytes_behind(value)
                fixed = None if known is None else known.fixed(decision.rule.inputs)
                set_source(value, fixed or Given(decision.rule.inputs))
    _share_with_concats(chosen)


def _share_with_concats(chosen: dict[ir.Node, Decision]) -> None:
    """Operands that only a Concat reads take its params: rounded once, then only copied.

    Not an operand whose clamp is tighter than the Concat's range: saturation would no longer clamp it, and a
    Conv whose clamp stays runs in float (a Relu beside an operand with negative values).
    """
    clamps = {decision.output for decision in chosen.values() if decision.clamp is not None}
    ranges: dict[ir.Value, tuple[float, float]] = {}
    for node, decision in reversed(chosen.items()):
        if node.op_type != "Concat":
            continue
        output = decision.output
        assert output is not None
        # An outer Concat, seen before, may have lent its range.
        low, high = ranges.setdefault(output, _range_of(output))
        for value in (node.inputs[index] for index in decision.activations):
            if value is None or sole_consumer(value) is not node or not isinstance(source_of(value), Given):
                continue
            if _bits(decision) != source_of(value).spec.bits:  # type: ignore[union-attr]
                continue  # each is rounded in its own width
            bounds = bounds_of(value.producer())
            if value not in clamps or (bounds[0] <= low and bounds[1] >= high):
                set_source(value, Shared(with_=str(output.name)))
                ranges[value] = low, high


def _bits(decision: Decision) -> int:
    return 0 if decision.rule.inputs is None else decision.rule.inputs.bits


def _range_of(value: ir.Value) -> tuple[float, float]:
    """Bounds known from clamps alone, through Concat."""
    producer = value.producer()
    if not is_op(producer, "Concat"):
        return bounds_of(producer)
    assert producer is not None
    bounds = [_range_of(operand) for operand in producer.inputs if operand is not None]
    return min(low for low, _ in bounds), max(high for _, high in bounds)
