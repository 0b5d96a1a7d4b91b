"""What OpenVINO's low-precision transformations turn into oneDNN's integer kernels."""

from __future__ import annotations

from dataclasses import replace

from ...passes.spec import OpRule
from ..cpu.rules import cpu_rules

__all__ = ["openvino_rules"]

_WHY = {
    "Conv": "brgconv: u8 x s8, any number of channels; the Relu, Clip and Add behind it run inside",
    "Gemm": "brgemm inner product: u8 x s8, writes float",
    "MatMul": "brgemm: u8 x s8 with constant weights",
}


def openvino_rules() -> tuple[OpRule, ...]:
    """Rules of the CPU provider, u8 activations and s8 weights per output channel; first match wins."""
    return tuple(
        replace(rule, aligned_inputs=1, why=_WHY[rule.ops[0]]) if rule.role == "compute" else rule
        for rule in cpu_rules(reduce_range=False)
    )
