"""What a graph does, node by node, worked out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from ....errors import ModelError
from .call import Call, call_of

__all__ = ["Operator", "Step", "needed", "steps_of"]

# Called with the call and the operands, absent ones None; gives a tensor, or a tuple where there are several outputs.
Operator = Callable[..., Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A node to run.

    Attributes:
        call: Its attributes.
        inputs, outputs: Names of values, None for an absent one.
        done: Values that no later node reads.
        linear: The matrix of a product that is a module of its own; None for the rest.
    """

    call: Call
    inputs: tuple[str | None, ...]
    outputs: tuple[str | None, ...]
    done: tuple[str, ...] = ()
    linear: str | None = None


def steps_of(
    graph: ir.Graph,
    opsets: Mapping[str, int],
    operators: Mapping[str, Operator],
    refusals: Mapping[str, Callable[[Call], str | None]],
    linears: Mapping[ir.Node, str],
    origin: str,
) -> list[Step]:
    """The steps of a graph in order; Constant nodes are none.

    Args:
        graph: In topological order.
        opsets: Versions of operator sets by domain.
        operators: What computes each operator, by name, with the domain where it is not ONNX's.
        refusals: Says by operator what in a call cannot be computed, None where all can.
        linears: By node: the matrix of its module.
        origin: For messages.

    Raises:
        ModelError: A node cannot be trained.
    """
    made = []
    for node in graph:
        call = call_of(node, opsets)
        if call.op == "Constant":
            continue
        operator = operators.get(call.op)
        reason = "it is not among the operators that can be trained" if operator is None else None
        if operator is not None and call.op in refusals:
            reason = refusals[call.op](call)
        if operator is None or reason is not None:
            raise ModelError(
                origin,
                f"node {call.name!r} ({call.op}): {reason}",
                affects="The graph cannot be made a PyTorch module.",
                remedy="Write the model without it, or cut the graph before it.",
            )
        step = Step(
            call=call,
            inputs=tuple(value.name if value is not None and value.name else None for value in node.inputs),
            outputs=tuple(value.name or None for value in node.outputs),
            linear=linears.get(node),
        )
        made.append(step)
    return made


def needed(steps: Sequence[Step], wanted: Sequence[str], given: Sequence[str] = ()) -> list[Step]:
    """The steps that some values are made by, where others are given, each with what can be let go after it."""
    alive, kept = set(wanted), list[Step]()
    for step in reversed(steps):
        if not alive.intersection(name for name in step.outputs if name and name not in given):
            continue
        read = {name for name in step.inputs if name}
        done = (read | {name for name in step.outputs if name}) - alive
        alive |= read
        kept.append(
            Step(
                call=step.call,
                inputs=step.inputs,
                outputs=step.outputs,
                done=tuple(sorted(done)),
                linear=step.linear,
            )
        )
    return kept[::-1]
