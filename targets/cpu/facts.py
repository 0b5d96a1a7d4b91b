"""What holds on every processor: facts of ONNX Runtime's CPU provider, and the target that they make."""

from __future__ import annotations

from ..spec import Fact, TargetSpec
from .rules import cpu_rules

__all__ = ["GEMM", "PER_CHANNEL", "RUNTIME", "cpu_target"]

RUNTIME = Fact(
    statement="ONNX Runtime 1.31.1 loads opset ≤ 26 and IR version ≤ 13; onnx 1.23 writes newer ones by default",
    source="ONNX Runtime 1.31.1, loading files of each version",
    date="2026-11-20",
)
PER_CHANNEL = Fact(
    statement="DequantizeLinear has an axis from opset 13 on, which per-channel weights need",
    source="ONNX operator changelog, DequantizeLinear-13",
    date="2021-01-01",
)
GEMM = Fact(
    statement="QGemm writes float; MatMul + Add(bias) around Q/DQ is re-fused to a float Gemm (MatMulAddFusion)",
    source="ONNX Runtime 1.31.1, optimized graphs of both forms",
    date="2026-11-20",
)


def cpu_target(
    name: str, isa: str, description: str, *facts: Fact, proof: tuple[str, ...], reduce_range: bool = False
) -> TargetSpec:
    """A processor that ONNX Runtime's CPU provider runs on; they differ in their int8 instructions.

    Args:
        name: What the user types.
        isa: Its instruction set.
        description: One line.
        *facts: What is true of it alone.
        proof: The runtimes that can prove a bundle for it.
        reduce_range: 7-bit weights.
    """
    return TargetSpec(
        name=name,
        family="cpu",
        description=description,
        runtime="onnxruntime-cpu",
        isa=isa,
        opset=13,
        max_opset=26,
        max_ir_version=13,
        rules=cpu_rules(reduce_range=reduce_range),
        proof=proof,
        facts=(RUNTIME, PER_CHANNEL, GEMM, *facts),
    )
