"""What runs faster as integers in ONNX Runtime's WebAssembly build, which has the CPU provider's kernels.

An integer kernel takes a third to half of a float kernel's time for each product. On top of that, each element costs
what brings its sum to 8 bits: 5 ns and more behind a convolution, whose code is scalar there, 1.3 ns behind a Gemm. So
integers pay where an element sums many products: a convolution's from some 140 on, a Gemm's from some 60 on. Depthwise
convolutions sum 9 or 25.

================== ======== ==================== ===================
kernel             products float, ns an element int8, ns an element
================== ======== ==================== ===================
depthwise 3 x 3    9        2.1                  11.1
Conv 1 x 1         16       1.2                  5.3
Conv 1 x 1         64       4.0                  9.4
Conv 1 x 1         128      8.0                  7.6
Conv 3 x 3         144      11.2                 8.9
Conv 3 x 3         288      21.7                 12.4
Conv 1 x 1         512      33.2                 17.4
Gemm, 128 rows     32       2.5                  2.5
Gemm, 128 rows     64       4.6                  3.1
Gemm, 128 rows     128      8.3                  4.3
Gemm, 128 rows     384      24.4                 9.9
================== ======== ==================== ===================

Source: onnxruntime-web 1.30.0, Node.js 20.20, one thread of a Zen 4, profiles, least of 12 to 32 runs, 2026-11-21.
"""

from __future__ import annotations

from dataclasses import replace

from ...passes.spec import OpRule
from ..cpu.rules import cpu_rules

__all__ = ["LEAST_PRODUCTS", "web_rules"]

# Fewest products an element sums for integers to pay, by operator.
LEAST_PRODUCTS = {"Conv": 144, "Gemm": 64, "MatMul": 64}

_WHY = {
    "Conv": "QLinearConv, any number of channels; 0.8x float's time with 144 products per element, 5x when depthwise",
    "Gemm": "QGemm; 0.7x float's time with 64 products per element, 0.5x with 128",
    "MatMul": "QLinearMatMul or MatMulIntegerToFloat, the kernels of QGemm",
}


def web_rules() -> tuple[OpRule, ...]:
    """Rules of the CPU provider, u8 activations and s8 weights per output channel, where they pay; first match wins."""
    return tuple(
        _paying(rule) if rule.role == "compute" else rule
        for rule in cpu_rules(reduce_range=False)
        if rule.only != "depthwise"
    )


def _paying(rule: OpRule) -> OpRule:
    (op,) = rule.ops
    return replace(rule, aligned_inputs=1, least_products=LEAST_PRODUCTS[op], why=_WHY[op])
