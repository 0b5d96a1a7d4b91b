"""What an operator without a builder can be written as, where CoreML has the parts."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["MENDS"]

MENDS: Mapping[str, str] = {
    "Abs": "Max(x, -x)",
    "DequantizeLinear": "float weights and activations: the provider has no Q/DQ",
    "QuantizeLinear": "float weights and activations: the provider has no Q/DQ",
    "Expand": "Tile by constant repeats",
    "Flatten": "Reshape to a constant shape",
    "HardSwish": "Mul(x, HardSigmoid(x))",
    "Min": "-Max(-x, -y)",
    "Neg": "Mul(x, -1)",
    "Not": "swap the branches of the Where behind it",
    "ReduceL2": "Sqrt(ReduceSum(Mul(x, x)))",
    "ReduceSumSquare": "ReduceSum(Mul(x, x))",
    "RMSNormalization": "Mul, ReduceMean, Sqrt, Div",
    "Softsign": "Div(x, 1 + Max(x, -x))",
    "SpaceToDepth": "Reshape and Transpose of 5 dimensions",
    "Sum": "Add of two",
    "Swish": "Mul(x, Sigmoid(x))",
}
