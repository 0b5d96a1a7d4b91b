"""What TensorRT's parser imports: operators and the types of their data. Facts only.

Source: onnx-tensorrt, docs/operators.md of TensorRT 10.15, operator sets 9 to 24 (read 2026-11-21). ONNX Runtime's
provider asks that parser node by node (TensorrtExecutionProvider::GetSupportedList).
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

__all__ = ["NEWEST_OPSET", "OLDEST_OPSET", "OPERATORS"]

OLDEST_OPSET, NEWEST_OPSET = 9, 24

_T = ir.DataType
# DOUBLE is cast to FLOAT, clamped to its range.
_FLOATS = frozenset((_T.FLOAT, _T.FLOAT16, _T.BFLOAT16, _T.DOUBLE))
_HALVES = frozenset((_T.FLOAT, _T.FLOAT16, _T.DOUBLE))
_INTEGERS = frozenset((_T.INT32, _T.INT64))
_BOOL = frozenset((_T.BOOL,))
_CODES = frozenset((_T.INT8, _T.INT4, _T.FLOAT8E4M3FN, _T.FLOAT4E2M1))

_GROUPS: tuple[tuple[frozenset[ir.DataType], str], ...] = (
    (
        _FLOATS,
        "Acos Acosh Asin Asinh Atan Atanh AveragePool BatchNormalization Ceil Celu Clip Conv ConvTranspose Cos Cosh "
        "CumSum Dropout Einsum Elu Erf Exp Floor GRU Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool "
        "GroupNormalization HardSigmoid HardSwish Hardmax InstanceNormalization IsInf LRN LSTM LayerNormalization "
        "LeakyRelu Log LogSoftmax LpNormalization LpPool MatMul MaxPool MeanVarianceNormalization PRelu "
        "QuantizeLinear RMSNormalization RNN RandomNormal RandomNormalLike RandomUniform RandomUniformLike Reciprocal "
        "Resize RotaryEmbedding Round Scan Selu Sigmoid Sin Sinh Softmax Softplus Softsign Sqrt Tan Tanh "
        "ThresholdedRelu Upsample",
    ),
    (
        _FLOATS | _INTEGERS,
        "Abs Add ArgMax ArgMin DepthToSpace Div Equal Greater GreaterOrEqual IsNaN Less LessOrEqual Max Min Mod Mul "
        "Neg Pad Pow Range ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
        "ReduceSum ReduceSumSquare Relu Scatter ScatterElements ScatterND Shrink Sign SpaceToDepth Sub Sum TopK",
    ),
    (
        _FLOATS | _INTEGERS | _BOOL,
        "Concat Expand EyeLike Flatten Gather GatherElements GatherND Identity If Loop OneHot Reshape ReverseSequence "
        "Shape Size Slice Split Squeeze Tile Transpose Trilu Unsqueeze Where",
    ),
    (
        _HALVES,
        "BlackmanWindow DeformConv GridSample HammingWindow HannWindow Mish NonMaxSuppression NonZero RoiAlign",
    ),
    (_BOOL, "And Not Or Xor"),
    (_FLOATS | {_T.INT8, _T.FLOAT8E4M3FN}, "Attention"),
    (_FLOATS | _INTEGERS | _BOOL | {_T.UINT8}, "Cast CastLike"),
    (_FLOATS | _INTEGERS | _BOOL | (_CODES - {_T.INT8}), "Constant ConstantOfShape"),
    (_CODES, "DequantizeLinear"),
    (_FLOATS | _INTEGERS | {_T.INT8}, "Gelu"),
    (_FLOATS | _INTEGERS | {_T.FLOAT8E4M3FN}, "Mean"),
    (frozenset((_T.FLOAT, _T.DOUBLE)), "STFT"),
    (_FLOATS | {_T.INT32}, "TensorScatter"),
)

OPERATORS: Mapping[str, frozenset[ir.DataType]] = {name: types for types, names in _GROUPS for name in names.split()}
