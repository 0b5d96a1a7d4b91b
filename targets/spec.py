"""What a target *is*: facts with their sources, the rules its runtime really fuses, its limits.

Policy (which passes run, in which order) is the neighbour `pipeline.py` of each family.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..passes.spec import OpRule

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
class TargetSpec:
    """A device to compile for.

    Attributes:
        name: What the user types.
        description: One line.
        runtime: Name of the runtime that executes the bundle (`onnxruntime-cpu`).
        isa: Instruction set the kernels are chosen for (`x86_64+avx512_vnni`).
        providers: ONNX Runtime execution providers wanted, in order.
        opset: Operator set floor: an older model is raised to it, a newer one keeps its own.
        max_opset, max_ir_version: The newest the runtime loads.
        rules: First match wins.
        limits: What the device holds.
        facts: Everything above with its source.
    """

    name: str
    family: str
    description: str
    runtime: str
    isa: str
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    opset: int
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
