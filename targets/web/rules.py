"""What runs faster as integers in ONNX Runtime's WebAssembly build, which has the CPU provider's kernels.

An integer kernel costs about 5 ns for each element it writes, whose sum is brought to 8 bits by scalar code, and half
of a float kernel's time for each product: it pays from some 140 products per element on. Depthwise ones sum 9 or 25.

================== ======== ==================== ====================
kernel             products float, ns per element int8, ns per element
================== ======== ==================== ====================
depthwise 3 x 3    9        2.3 to 3.1           11.8 to 12.0
Conv 1 x 1         16       1.2                  5.3
Conv 1 x 1         64       4.0                  9.4
Conv 1 x 1         128      8.2                  8.3
Conv 3 x 3         144      11.3                 9.5
Conv 3 x 3         288      21.7                 12.4
Conv 1 x 1         512      33.2                 17.4
Gemm, 128 rows     64       4.9                  9.2
Gemm, 128 rows     128      9.1                  4.6
Gemm, 128 rows     384      24.4                 9.9
================== ======== ==================== ====================

Source: onnxruntime-web 1.30.0, Node.js 20.20, one thread of a Zen 4, profiles, minimum of 12 runs, 2026-11-21.
"""

from __future__ import annotations

from dataclasses import replace

from ...passes.spec import OpRule
from ..cpu.rules import cpu_rules

__all__ = ["LEAST_PRODUCTS", "web_rules"]

LEAST_PRODUCTS = 144

_WHY = {
    "Conv": "QLinearConv, any number of channels; 0.84x float's time with 144 products per element, 5x when depthwise",
    "Gemm": "QGemm; 0.5x float's time with 128 products per element, 1.9x with 64",
    "MatMul": "QLinearMatMul or MatMulIntegerToFloat, the kernels of QGemm",
}


def web_rules() -> tuple[OpRule, ...]:
    """Rules of the CPU provider, u8 activations and s8 weights per output channel, where they pay; first match wins."""
    return tuple(
        replace(rule, aligned_inputs=1, least_products=LEAST_PRODUCTS, why=_WHY[rule.ops[0]])
        if rule.role == "compute"
        else rule
        for rule in cpu_rules(reduce_range=False)
        if rule.only != "depthwise"
    )
