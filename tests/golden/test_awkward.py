"""What is decided for every awkward graph, and why the rest stays float. `make golden` rewrites the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import onnx_ir as ir
from support.awkward import AWKWARD, build
from support.graphs import feeds_of
from support.recipes import compiled

from edgec.passes.edit import why_skipped
from edgec.passes.quantize.decide import nothing_to_do
from edgec.passes.quantize.decision import decided_nodes, decision_of
from edgec.passes.spec import PerAxis


def test_awkward(golden: Callable[[str, str], None]) -> None:
    golden("awkward", "\n".join("\n".join([f"[{name}]", *lines(name)]) + "\n" for name in AWKWARD))


def lines(name: str) -> Iterator[str]:
    """One line for each node that was decided or refused: its operator, its name, what it runs on or why not."""
    model = build(name)
    shipped = compiled(model, "a8w8", [feeds_of(model)])
    if not any(decided_nodes(shipped.graph)):
        yield nothing_to_do(shipped).problem
        return
    for node in ir.traversal.RecursiveGraphIterator(shipped.graph):
        decision, reason = decision_of(node), why_skipped(node)
        if decision is not None:
            yield f"{node.op_type:20} {node.name:24} {operands(node)} -> {written(node)}"
        elif reason is not None:
            yield f"{node.op_type:20} {node.name:24} float: {reason}"


def operands(node: ir.Node) -> str:
    """`u8`, `s8/0` with a scale per index of axis 0, `s32`, or `-` for an operand that is not quantized."""
    decision = decision_of(node)
    assert decision is not None
    found = ["-"] * len(node.inputs)
    for index in decision.activations:
        found[index] = "u8"
    if decision.weight is not None:
        index, spec = decision.weight
        along = f"/{spec.granularity.axis}" if isinstance(spec.granularity, PerAxis) else ""
        found[index] = f"{spec.dtype[0].replace('i', 's')}{spec.bits}{along}"
    if decision.bias is not None:
        found[decision.bias[0]] = "s32"
    return ", ".join(found)


def written(node: ir.Node) -> str:
    decision = decision_of(node)
    assert decision is not None
    if decision.output is None:
        return "float"
    if decision.clamp is None:
        return "u8"
    return "u8, clamp absorbed" if decision.clamp.graph is None else "u8, clamp stays"
