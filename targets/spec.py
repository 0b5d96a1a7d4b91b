"""What a target *is*: facts with their sources, the rules its runtime really fuses, its limits.

Policy (which passes run, in which order) is the neighbour `pipeline.py` of each family.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import onnx

from ..passes.spec import QuantSpec, Source

__all__ = ["Fact", "Limits", "OpRule", "TargetSpec"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One measured or documented property of a device or runtime."""

    statement: str
    source: str
    date: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What the device can hold. `None` means not known, never unlimited."""

    memory_bytes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpRule:
    """How one group of operators is quantized on a target.

    Attributes:
        ops: ONNX operator types of the default domain.
        role: `compute` asks for integer inputs (it carries the MACs). `follow` runs in integers
            only where its inputs already are and a consumer wants the result. `carry` moves
            elements and keeps the params of its first input.
        inputs: Spec of activation inputs; `None` keeps them float.
        weights: Spec of a constant second operand; `None` leaves the weight float.
        outputs: Where the output's params come from; `None` keeps the output float.
        output: `required` when the integer kernel exists only with a quantized output,
            `optional` when it can also write float.
        bias: An int32 bias is wanted.
        why: The kernel this rule aims at, with its source.
    """

    ops: tuple[str, ...]
    role: Literal["compute", "follow", "carry"]
    inputs: QuantSpec | None
    weights: QuantSpec | None = None
    outputs: Source | None = None
    output: Literal["required", "optional"] = "required"
    bias: bool = False
    why: str = ""

    def __post_init__(self) -> None:
        for op in self.ops:
            if not onnx.defs.has(op):
                raise ValueError(f"ops: {op!r} is not an ONNX operator")
        if self.output == "required" and self.outputs is None:
            raise ValueError(f"ops {self.ops}: output='required' needs an `outputs` source")


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetSpec:
    """A device to compile for.

    Attributes:
        name: What the user types.
        description: One line.
        runtime: Name of the runtime that executes the bundle (`onnxruntime-cpu`).
        isa: Instruction set the kernels are chosen for (`x86_64+avx512_vnni`).
        providers: ONNX Runtime execution providers wanted, in order.
        opset: Operator set written. `max_opset`, `max_ir_version`: the newest the runtime loads.
        rules: First match wins.
        proof: `executed` when this machine can run it with the target's own kernels, else `checked`.
        facts: Everything above with its source.
    """

    name: str
    family: str
    description: str
    runtime: str
    isa: str
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    opset: int
    ir_version: int
    max_opset: int
    max_ir_version: int
    rules: tuple[OpRule, ...]
    limits: Limits = field(default_factory=Limits)
    facts: tuple[Fact, ...] = ()

    def rule(self, op_type: str, domain: str = "") -> OpRule | None:
        """The rule for an operator, or `None` when the target keeps it float."""
        if domain not in ("", "ai.onnx"):
            return None
        return next((rule for rule in self.rules if op_type in rule.ops), None)
