"""What a target *is*: facts with their sources, the rules its runtime really fuses, its limits.

Policy (which passes run, in which order) is the neighbour `pipeline.py` of each family.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        runtime: What the bundle ships to (`onnxruntime-cpu`).
        isa: Instruction set the kernels are chosen for (`x86_64+avx512_vnni`).
        providers: ONNX Runtime execution providers wanted, in order.
        provider_options: What a session on the device gives the first of them; not said is left at its default.
        native: The scheme it computes in, which `auto` means here whatever samples there are; "" leaves it to them.
        opset: Operator set floor: an older model is raised to it, a newer one keeps its own.
        max_opset, max_ir_version: The newest the runtime loads.
        static_shapes: Every dimension of every input must be known before it runs.
        weights_alone: Stored weights are expanded at load: float kernels are as fast with them.
        wide_share: It multiplies 16-bit activations as integers, so a search gives them to what hurts, before float,
            and until scores of classes diverge by this share of what is taken for safe; None where they are no gain.
        golden_margin_db: How much nearer to the golden outputs than to float its answers must be: half of the noise of
            quantization is rounding, on which kernels of two libraries differ. Below 0 where all of it is.
        rules: First match wins.
        proof: Names of the runtimes that can prove a bundle without the device, the preferred one first.
        support: Names of the providers' rules (`checkers.py`) that check a bundle where nothing can execute it, in the
            order of the session's providers.
        limits: What the device holds.
        facts: Everything above with its source.
    """

    name: str
    family: str
    description: str
    runtime: str
    isa: str
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    provider_options: Mapping[str, str] = field(default_factory=dict)
    native: str = ""
    opset: int
    max_opset: int
    max_ir_version: int
    static_shapes: bool = False
    weights_alone: bool = True
    wide_share: float | None = None
    golden_margin_db: float = 3.0
    rules: tuple[OpRule, ...]
    proof: tuple[str, ...] = ()
    support: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    facts: tuple[Fact, ...] = ()

    def __post_init__(self) -> None:
        if not self.opset <= self.max_opset:
            raise ValueError(f"opset: {self.opset} is above max_opset, {self.max_opset}")
        if len(set(self.proof)) < len(self.proof):
            raise ValueError(f"proof: {', '.join(self.proof)} names a runtime twice")
        if self.wide_share is not None and not 0 < self.wide_share <= 1:
            raise ValueError(f"wide_share: {self.wide_share:g} is not above 0 and at most 1")

    def rule(self, op_type: str, domain: str = "") -> OpRule | None:
        """The rule for an operator, or `None` when the target keeps it float."""
        if domain not in ("", "ai.onnx"):
            return None
        return next((rule for rule in self.rules if op_type in rule.ops), None)
