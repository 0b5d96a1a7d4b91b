"""Every operator computes what ONNX Runtime computes, over attributes, shapes and operator sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from support.one_node import OneNode, node

from edgec.compiler.training.graph import as_module

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
pytestmark = pytest.mark.torch

_RNG = np.random.default_rng(7)
_INT64 = np.int64


def f(*shape: int) -> np.ndarray:
    """Normal numbers."""
    return _RNG.standard_normal(shape).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    return (np.abs(f(*shape)) + 0.5).astype(np.float32)


def within(*shape: int) -> np.ndarray:
    """From -0.9 to 0.9."""
    return np.asarray(_RNG.uniform(-0.9, 0.9, shape), np.float32)


def whole(most: int, *shape: int, least: int = 0, kind: Any = np.int64) -> np.ndarray:
    return np.asarray(_RNG.integers(least, most, shape), kind)


def truth(*shape: int) -> np.ndarray:
    return np.asarray(_RNG.integers(0, 2, shape), bool)


_PLAIN = "Abs Atan Cos Cosh Erf Exp Neg Relu Sigmoid Sin Sinh Softplus Softsign".split()  # noqa: SIM905 - a list of names
_UNARY = [
    *(node(op, f(2, 3)) for op in _PLAIN),
    *(node(op, f(2, 3) * 3) for op in ("Ceil", "Floor", "Round", "Sign", "Tan", "Tanh", "Selu", "HardSwish", "Asinh")),
    *(node(op, within(2, 3)) for op in ("Acos", "Asin", "Atanh")),
    *(node(op, positive(2, 3)) for op in ("Log", "Reciprocal", "Sqrt")),
    node("Acosh", positive(4) + np.float32(1)),
    node("IsNaN", np.array([1, np.nan], np.float32)),
    *(node("IsInf", np.array([1, np.inf, -np.inf], np.float32), **how) for how in ({}, {"detect_negative": 0})),
    node("Not", truth(4)),
    *(node(op, f(2, 3)) for op in ("Elu", "LeakyRelu", "Celu", "HardSigmoid", "ThresholdedRelu")),
    *(node(op, f(2, 3), alpha=0.3) for op in ("Elu", "LeakyRelu", "Celu", "HardSigmoid", "ThresholdedRelu")),
    node("Selu", f(5), alpha=1.5, gamma=0.9),
    node("HardSigmoid", f(5), alpha=0.3, beta=0.4),
    node("Shrink", f(8) * 2, bias=0.5, lambd=1.0),
    node("Mish", f(5), opset=18),
    node("Swish", f(5), opset=24, alpha=0.5),
    node("Gelu", f(5), opset=20),
    node("Gelu", f(5), opset=20, approximate="tanh"),
    node("Clip", f(8), opset=6, min=-0.5, max=0.5),
    node("Clip", f(8), opset=6),
    node("Clip", f(8), np.float32(-0.5), np.float32(0.5)),
    node("Clip", f(8), None, np.float32(0.5)),
    node("Clip", f(8), np.float32(-0.5)),
    node("Clip", f(8)),
    node("Clip", whole(9, 8), np.int64(2), np.int64(5)),
    node("com.microsoft.Gelu", f(5)),
    node("com.microsoft.FastGelu", f(2, 5)),
    node("com.microsoft.FastGelu", f(2, 5), f(5)),
    node("com.microsoft.BiasGelu", f(2, 5), f(5)),
    node("com.microsoft.QuickGelu", f(5)),
    node("com.microsoft.QuickGelu", f(5), alpha=1.0),
]

_BINARY = [
    *(node(op, f(2, 1, 3), f(4, 1)) for op in ("Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean")),
    *(node(op, f(3), f(3), f(1)) for op in ("Max", "Min", "Sum", "Mean")),
    node("Div", f(2, 3), positive(3)),
    node("Div", whole(40, 6, least=-40), whole(7, 6, least=2)),
    node("Pow", positive(3), f(3)),
    node("Pow", f(3), np.float32(2)),
    node("Pow", f(3), np.float32(3), constants=[1]),
    node("Pow", f(2, 3), np.array([2], np.int64), constants=[1]),
    node("Mod", whole(40, 6, least=-40), whole(7, 6, least=2)),
    node("Mod", f(6) * 9, positive(6), fmod=1),
    *(node(op, truth(2, 3), truth(3)) for op in ("And", "Or", "Xor")),
    *(node(op, whole(3, 6), whole(3, 6)) for op in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")),
    node("Where", truth(2, 1), f(2, 3), f(3)),
    node("PRelu", f(2, 3, 4), f(3, 1), constants=[1]),
    node("PRelu", f(2, 3), f(1), constants=[1]),
    *(node(op, whole(9, 5), whole(9, 5), opset=18) for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")),
    node("BitwiseNot", whole(9, 5), opset=18),
    *(node("BitShift", np.arange(5, dtype=np.uint8), np.ones(5, np.uint8), direction=d) for d in ("LEFT", "RIGHT")),
]

_PRODUCTS = [
    node("MatMul", f(2, 3), f(3, 4)),
    node("MatMul", f(2, 3), f(3, 4), constants=[1]),
    node("MatMul", f(2, 5, 3), f(3, 4), constants=[1]),
    node("MatMul", f(3), f(3, 4), constants=[1]),
    node("MatMul", f(2, 5, 3), f(2, 3, 4)),
    node("MatMul", f(2, 3), f(3, 4), constants=[0]),
    node("Gemm", f(2, 3), f(3, 4)),
    node("Gemm", f(2, 3), f(3, 4), f(4), constants=[1, 2]),
    node("Gemm", f(2, 3), f(4, 3), f(4), constants=[1, 2], transB=1),
    node("Gemm", f(2, 3), f(4, 3), f(2, 1), constants=[1], transB=1),
    node("Gemm", f(3, 2), f(4, 3), f(1, 4), constants=[1], transA=1, transB=1, alpha=0.5, beta=2.0),
    node("Einsum", f(2, 3, 4), f(2, 4, 5), equation="bij,bjk->bik"),
    node("Einsum", f(2, 3, 4), equation="b i j -> b j"),
    node("com.microsoft.FusedMatMul", f(2, 3, 4), f(2, 5, 4), transB=1, alpha=0.25),
]

_SQUARE = {"kernel_shape": [3, 3]}
_CONVOLUTIONS = [
    node("Conv", f(2, 3, 9), f(4, 3, 3), constants=[1]),
    node("Conv", f(2, 3, 7, 8), f(4, 3, 3, 3), f(4), constants=[1, 2], pads=[1, 1, 1, 1], strides=[2, 1]),
    node("Conv", f(1, 4, 7, 8), f(4, 1, 3, 3), constants=[1], group=4, pads=[0, 1, 2, 0]),
    node("Conv", f(1, 4, 9, 9), f(6, 2, 3, 3), constants=[1], group=2, dilations=[2, 2]),
    *(
        node("Conv", f(1, 2, 7, 8), f(3, 2, 3, 2), constants=[1], auto_pad=how, strides=[2, 2])
        for how in ("SAME_UPPER", "SAME_LOWER", "VALID")
    ),
    node("Conv", f(1, 2, 5, 6, 4), f(3, 2, 2, 3, 2), constants=[1], pads=[1, 0, 1, 0, 1, 0]),
    node("ConvTranspose", f(1, 3, 5), f(3, 2, 3), f(2), constants=[1, 2], strides=[2]),
    node("ConvTranspose", f(1, 4, 5, 4), f(4, 2, 3, 3), constants=[1], strides=[2, 2], pads=[1, 1, 1, 1], group=2),
    node(
        "ConvTranspose",
        f(1, 2, 4, 4),
        f(2, 3, 3, 3),
        constants=[1],
        strides=[2, 2],
        output_padding=[1, 1],
        pads=[1, 0, 0, 1],
    ),
    node("ConvTranspose", f(1, 2, 4, 4), f(2, 3, 3, 3), constants=[1], strides=[2, 2], dilations=[2, 1]),
    node("ConvTranspose", f(1, 2, 4, 4), f(2, 3, 3, 3), constants=[1], strides=[2, 2], output_shape=[8, 8]),
    *(
        node("ConvTranspose", f(1, 2, 4, 4), f(2, 3, 3, 3), constants=[1], strides=[2, 2], auto_pad=how)
        for how in ("SAME_UPPER", "SAME_LOWER")
    ),
]

_POOLS = [
    *(
        node(op, f(2, 3, 8, 9), **_SQUARE, **how)
        for op in ("MaxPool", "AveragePool", "LpPool")
        for how in (
            {},
            {"strides": [2, 2]},
            {"pads": [1, 0, 1, 2], "strides": [2, 1]},
            {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
            {"auto_pad": "SAME_LOWER"},
        )
    ),
    *(
        node(op, f(1, 2, 8, 9), opset=19, **_SQUARE, **how)
        for op in ("MaxPool", "AveragePool")
        for how in (
            {"strides": [2, 2], "ceil_mode": 1},
            {"strides": [3, 3], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
            {"dilations": [2, 2]},
        )
    ),
    node("AveragePool", f(1, 2, 8, 9), **_SQUARE, pads=[1, 1, 1, 1], count_include_pad=1),
    node(
        "AveragePool",
        f(1, 2, 8, 9),
        opset=19,
        **_SQUARE,
        pads=[1, 1, 1, 1],
        strides=[2, 2],
        count_include_pad=1,
        ceil_mode=1,
    ),
    node("MaxPool", f(1, 2, 9), kernel_shape=[2], strides=[2]),
    node("AveragePool", f(1, 2, 4, 5, 6), kernel_shape=[2, 2, 3]),
    *(node(op, f(2, 3, 4, 5)) for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")),
]

_SHAPES = [
    node("Reshape", f(2, 3, 4), [0, -1], constants=[1]),
    node("Reshape", f(2, 3, 4), [4, 6]),
    node("Reshape", f(0, 3), [0, 3], allowzero=1),
    node("Reshape", f(2, 0, 3), [0, 0, 3]),
    *(node("Flatten", f(2, 3, 4), axis=axis) for axis in (0, 1, 2, 3, -1)),
    node("Transpose", f(2, 3, 4)),
    node("Transpose", f(2, 3, 4), perm=[1, 0, 2]),
    node("Squeeze", f(2, 1, 3, 1), opset=11, axes=[1, -1]),
    node("Squeeze", f(2, 1, 3, 1), [1]),
    node("Squeeze", f(2, 1, 3, 1)),
    node("Unsqueeze", f(2, 3), opset=11, axes=[0, 3]),
    node("Unsqueeze", f(2, 3), [-1, 0]),
    node("Shape", f(2, 3, 4)),
    node("Shape", f(2, 3, 4), start=1, end=-1),
    node("Size", f(2, 3)),
    node("Expand", f(2, 1), [3, 1, 4]),
    node("Expand", f(3), [1]),
    node("Tile", f(2, 3), [2, 2]),
    node("Identity", f(2)),
    node("Dropout", f(2, 3)),
    *(node("Cast", f(4) * 3, to=kind) for kind in (6, 7, 9, 10, 11)),
    node("Cast", whole(3, 4), to=1),
    node("CastLike", whole(3, 4), f(1)),
    *(node("DepthToSpace", f(1, 8, 2, 3), blocksize=2, mode=mode) for mode in ("DCR", "CRD")),
    node("SpaceToDepth", f(1, 2, 4, 6), blocksize=2),
]

_BIG = 2**62
_JOINS = [
    node("Concat", f(2, 3), f(2, 1), axis=1),
    node("Concat", f(2, 3), f(1, 3), axis=-2),
    node("Split", f(6, 2), outputs=3),
    node("Split", f(2, 6), opset=11, axis=1, split=[1, 5], outputs=2),
    node("Split", f(2, 6), [1, 2, 3], axis=-1, outputs=3),
    node("Split", f(7, 2), opset=18, num_outputs=3, outputs=3),
    node("Slice", f(4, 5), opset=9, starts=[1, -3], ends=[3, _BIG]),
    node("Slice", f(4, 5), opset=9, starts=[0], ends=[-1], axes=[1]),
    *(
        node("Slice", f(4, 9), [start], [end], [1], [step])
        for start, end, step in (
            (1, 7, 2),
            (-1, -_BIG, -1),
            (7, 1, -2),
            (0, 100, 3),
            (5, 2, 1),
            (-100, 4, 1),
            (100, -100, -3),
        )
    ),
    node("Slice", f(4, 9), [1, 2], [3, 8]),
    node("Pad", f(2, 3), opset=2, pads=[0, 1, 2, 0], value=0.5),
    node("Pad", f(2, 3), [0, 1, 2, 0]),
    node("Pad", f(2, 3), [0, -1, 2, 0], np.float32(9)),
    node("Pad", f(2, 3), [1, 2], None, [1], opset=18),
    *(node("Pad", f(4, 5), [2, 1, 1, 3], mode=mode) for mode in ("reflect", "edge")),
    node("Pad", f(4, 5), [2, 1, 1, 3], mode="wrap", opset=19),
]

_INDICES = [
    node("Gather", f(4, 3), [[0, -1], [2, 1]]),
    node("Gather", f(4, 3), np.int64(1), axis=1),
    node("Gather", f(4, 3), np.array([1, 2], np.int32), axis=-1),
    node("GatherElements", f(4, 3), whole(4, 2, 3), axis=0),
    node("GatherElements", f(4, 3), whole(3, 4, 2, least=-3), axis=1),
    node("GatherND", f(4, 3, 2), [[0, 1], [-1, 2]]),
    node("GatherND", f(2, 3, 4), [[1], [0]], batch_dims=1),
    node("GatherND", f(2, 3, 4), whole(3, 2, 5, 1), batch_dims=1),
    node("ScatterElements", f(3, 3), [[1, 0, 2]], f(1, 3)),
    node("ScatterElements", f(3, 3), [[1, 0], [0, 2], [2, -1]], f(3, 2), axis=1),
    *(
        node("ScatterElements", f(3, 3), [[1, 1, 2]], f(1, 3), opset=18, reduction=how, axis=1)
        for how in ("add", "mul", "max", "min")
    ),
    node("ScatterND", f(4, 3), [[1], [-1]], f(2, 3)),
    node("ScatterND", f(4, 3), [[1, 2], [0, 0]], f(2)),
    node("ScatterND", f(4, 3), [[1], [1]], f(2, 3), opset=16, reduction="add"),
    node("TopK", f(3, 6), [2], outputs=2),
    node("TopK", f(3, 6), [2], outputs=2, axis=0, largest=0),
    *(node(op, f(3, 4), axis=axis, keepdims=kept) for op in ("ArgMax", "ArgMin") for axis, kept in ((0, 1), (-1, 0))),
    node("ArgMax", np.array([[1, 2, 2]], np.float32), axis=1, select_last_index=1),
    node("NonZero", truth(3, 4)),
    *(node("CumSum", f(3, 4), np.int64(1), exclusive=e, reverse=r) for e in (0, 1) for r in (0, 1)),
    node("Trilu", f(3, 4)),
    node("Trilu", f(3, 4), np.int64(1), upper=0),
    node("OneHot", [0, 2, -1], np.int64(4), np.array([0, 5], np.float32)),
    node("OneHot", [[0, 2]], np.int64(3), np.array([1, 5], np.float32), axis=1),
    node("ConstantOfShape", [2, 3]),
    node("Range", np.int64(1), np.int64(9), np.int64(3)),
    node("Range", np.float32(0), np.float32(1), np.float32(0.25)),
    node("EyeLike", f(3, 4), k=1),
]

_REDUCTIONS = [
    *(
        node(op, positive(2, 3, 4), opset=opset, **how)
        for op in (
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSum",
            "ReduceLogSumExp",
            "ReduceMax",
            "ReduceMean",
            "ReduceMin",
            "ReduceProd",
            "ReduceSumSquare",
        )
        for opset, how in ((13, {}), (13, {"axes": [1, -1], "keepdims": 0}), (11, {"axes": [0]}))
    ),
    *(node(op, positive(2, 3, 4), [0, -1], opset=18) for op in ("ReduceMean", "ReduceMax", "ReduceL2", "ReduceProd")),
    node("ReduceSum", f(2, 3), opset=11, axes=[1]),
    node("ReduceSum", f(2, 3), [1], keepdims=0),
    node("ReduceSum", f(2, 3), np.zeros(0, np.int64), noop_with_empty_axes=1),
    node("ReduceSum", whole(9, 2, 3)),
]

_NORMS = [
    node("BatchNormalization", f(2, 3, 4, 5), f(3), f(3), f(3), positive(3), constants=[1, 2, 3, 4]),
    node("BatchNormalization", f(2, 3), f(3), f(3), f(3), positive(3), constants=[1, 2, 3, 4], epsilon=0.01),
    node("InstanceNormalization", f(2, 3, 4, 5), f(3), f(3)),
    node("GroupNormalization", f(2, 6, 4), f(2), f(2), opset=18, num_groups=2),
    node("GroupNormalization", f(2, 6, 4), f(6), f(6), opset=21, num_groups=3),
    node("LayerNormalization", f(2, 3, 4), f(4), f(4)),
    node("LayerNormalization", f(2, 3, 4), f(3, 4), None, axis=1, epsilon=0.01),
    node("LayerNormalization", f(2, 3, 4), f(4), f(4), outputs=3),
    node("RMSNormalization", f(2, 3, 4), f(4), opset=23),
    node("SimplifiedLayerNormalization", f(2, 3, 4), f(4), epsilon=1e-6),
    node("com.microsoft.SkipLayerNormalization", f(2, 3, 4), f(2, 3, 4), f(4), f(4), f(4), outputs=4, unnamed=[1, 2]),
    node("com.microsoft.SkipSimplifiedLayerNormalization", f(2, 3, 4), f(2, 3, 4), f(4), outputs=4, unnamed=[1, 2]),
    node("LRN", f(1, 6, 3, 3), size=3),
    node("LRN", f(1, 6, 3, 3), size=5, alpha=0.1, beta=0.5, bias=2.0),
    *(node("LpNormalization", f(3, 4), p=p, axis=axis) for p in (1, 2) for axis in (0, -1)),
    node("MeanVarianceNormalization", f(2, 3, 4, 5)),
    *(
        node(op, f(2, 3, 4), opset=opset, **how)
        for op in ("Softmax", "LogSoftmax", "Hardmax")
        for opset, how in ((13, {}), (13, {"axis": 1}), (11, {}), (11, {"axis": 2}))
    ),
]

_RESIZES = [
    *(
        node("Resize", f(1, 2, 5, 6), None, None, [1, 2, 8, 9], mode=mode, coordinate_transformation_mode=how)
        for mode in ("nearest", "linear", "cubic")
        for how in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
    ),
    *(
        node("Resize", f(1, 1, 7, 5), None, np.array([1, 1, 2, 1.6], np.float32), mode="nearest", nearest_mode=how)
        for how in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
    ),
    *(
        node("Resize", f(1, 1, 8, 9), None, np.array([1, 1, 0.5, 0.6], np.float32), mode=mode)
        for mode in ("linear", "cubic")
    ),
    *(
        node("Resize", f(1, 1, 8, 9), None, np.array([1, 1, 0.5, 0.6], np.float32), opset=18, mode=mode, antialias=1)
        for mode in ("linear", "cubic")
    ),
    node("Resize", f(1, 1, 8, 9), None, np.array([2, 1.5], np.float32), opset=18, mode="linear", axes=[2, 3]),
    node(
        "Resize",
        f(1, 1, 4, 4),
        None,
        np.array([1, 1, 2, 2], np.float32),
        mode="cubic",
        cubic_coeff_a=-0.5,
        exclude_outside=1,
    ),
    node(
        "Resize",
        f(1, 1, 4, 4),
        np.array([0, 0, 0.2, 0.1, 1, 1, 0.9, 1.2], np.float32),
        None,
        [1, 1, 5, 6],
        mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=7.0,
    ),
    node("Resize", f(1, 1, 4, 4), np.array([1, 1, 2, 2], np.float32), opset=10, mode="nearest"),
    node("Upsample", f(1, 1, 4, 4), np.array([1, 1, 2, 2], np.float32), opset=9, mode="linear", constants=[1]),
]


def _recurrent(op: str, gates: int, **how: Any) -> OneNode:
    size, inputs, directions = 4, 3, 2 if how.get("direction") == "bidirectional" else 1
    first = bool(how.get("layout"))
    x = f(2, 5, inputs) if first else f(5, 2, inputs)
    lengths = np.array([5, 3], np.int32) if how.pop("lengths", False) else None
    states = [f(2, directions, size) if first else f(directions, 2, size)] * (2 if op == "LSTM" else 1)
    states = states if how.pop("states", False) else [None] * len(states)
    bias = f(directions, 2 * gates * size) if how.pop("bias", True) else None
    peephole = [f(directions, 3 * size)] if how.pop("peephole", False) else []
    weights = [f(directions, gates * size, inputs), f(directions, gates * size, size)]
    outputs = 3 if op == "LSTM" else 2
    return node(op, x, *weights, bias, lengths, *states, *peephole, outputs=outputs, hidden_size=size, **how)


_RECURRENT = [
    *(
        _recurrent(op, gates, **how)
        for op, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4))
        for how in (
            {},
            {"bias": False},
            {"direction": "reverse"},
            {"direction": "bidirectional", "states": True},
            {"direction": "bidirectional", "lengths": True},
        )
    ),
    _recurrent("GRU", 3, linear_before_reset=1),
    _recurrent("LSTM", 4, peephole=True, states=True),
]


def _turns(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    angles = np.asarray(_RNG.uniform(0, 3, shape), np.float32)
    return np.cos(angles), np.sin(angles)


def _grouped(**how: Any) -> OneNode:
    past, tokens, window = how.pop("past", 0), how.pop("tokens", 5), how.pop("window", -1)
    heads, kv_heads, size = 4, 2, 16
    q, k, v = f(2, tokens, heads * size), f(2, tokens, kv_heads * size), f(2, tokens, kv_heads * size)
    caches = [f(2, kv_heads, past, size), f(2, kv_heads, past, size)]
    total = past + tokens
    operands = [np.concatenate([q, k, v], -1), None, None] if how.pop("packed", False) else [q, k, v]
    tables = list(_turns(32, size // 2)) if how.get("do_rotary") else []
    lengths, whole_ = np.full(2, total - 1, np.int32), np.array(total, np.int32)
    heads_ = {"num_heads": heads, "kv_num_heads": kv_heads, "local_window_size": window}
    return node(
        "com.microsoft.GroupQueryAttention", *operands, *caches, lengths, whole_, *tables, outputs=3, **heads_, **how
    )


_ATTENTION = [
    *(
        node(
            "RotaryEmbedding",
            f(2, 3, 2, 8) if il else f(2, 2, 3, 8),
            *_turns(2, 2 if il else 3, 4),
            opset=23,
            interleaved=il,
        )
        for il in (0, 1)
    ),
    node("RotaryEmbedding", f(2, 3, 16), *_turns(9, 4), whole(9, 2, 3), opset=23, num_heads=2),
    node("RotaryEmbedding", f(2, 2, 3, 8), *_turns(9, 2), whole(9, 2, 3), opset=23, rotary_embedding_dim=4),
    *(
        node("com.microsoft.RotaryEmbedding", f(2, 3, 16), at, *_turns(9, 4), interleaved=il, num_heads=2)
        for il in (0, 1)
        for at in (whole(9, 2, 3), np.array([2]))
    ),
    node("com.microsoft.RotaryEmbedding", f(2, 2, 3, 8), np.array([0]), *_turns(9, 4)),
    *(
        _grouped(**how)
        for how in (
            {},
            {"past": 4, "tokens": 1},
            {"do_rotary": 1},
            {"do_rotary": 1, "rotary_interleaved": 1, "past": 3, "tokens": 1},
            {"packed": True},
            {"scale": 0.5},
            {"window": 2},
            {"softcap": 5.0},
            {"causal": 0},
        )
    ),
    node("com.microsoft.MultiHeadAttention", f(2, 3, 16), f(2, 5, 16), f(2, 5, 16), num_heads=2, scale=0.3),
    node("com.microsoft.MultiHeadAttention", f(2, 3, 16), f(2, 5, 16), f(2, 5, 16), f(48), num_heads=4),
    node(
        "com.microsoft.MultiHeadAttention",
        f(2, 3, 16),
        f(2, 5, 16),
        f(2, 5, 16),
        None,
        np.asarray([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32),
        f(1, 2, 3, 5),
        num_heads=2,
    ),
    node("Attention", f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 4), opset=23),
    node("Attention", f(2, 4, 3, 4), f(2, 2, 3, 4), f(2, 2, 3, 4), opset=23, is_causal=1, scale=0.3),
    node("Attention", f(2, 3, 8), f(2, 3, 4), f(2, 3, 4), opset=23, q_num_heads=4, kv_num_heads=2, is_causal=1),
    node("Attention", f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 4), f(3, 5), opset=23, softcap=2.0),
    node("Attention", f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 4), np.tril(np.ones((3, 5), bool), 1), opset=23),
    node(
        "Attention",
        f(2, 2, 1, 4),
        f(2, 2, 1, 4),
        f(2, 2, 1, 4),
        None,
        f(2, 2, 3, 4),
        f(2, 2, 3, 4),
        opset=23,
        outputs=3,
    ),
]

_STORED = [
    *(
        node(
            "com.microsoft.MatMulNBits",
            f(3, columns),
            whole(256, 5, -(-columns // 16), 16 * bits // 8, kind=np.uint8),
            positive(5, -(-columns // 16)) / np.float32(9),
            whole(256, 5, (-(-columns // 16) * bits + 7) // 8, kind=np.uint8) if zeros else None,
            None,
            f(5) if zeros else None,
            constants=[1, 2, 3, 5],
            K=columns,
            N=5,
            bits=bits,
            block_size=16,
            accuracy_level=1,
        )
        for bits in (2, 4, 8)
        for columns in (32, 40)
        for zeros in (False, True)
    ),
    node(
        "com.microsoft.GatherBlockQuantized",
        whole(256, 6, 16, kind=np.uint8),
        [[0, 5]],
        positive(6, 2),
        bits=4,
        block_size=16,
        quantize_axis=1,
        gather_axis=0,
    ),
    node(
        "com.microsoft.GatherBlockQuantized",
        whole(256, 6, 16, kind=np.uint8),
        [3],
        positive(6, 2),
        whole(256, 6, 1, kind=np.uint8),
        bits=4,
        block_size=16,
        quantize_axis=1,
        gather_axis=0,
    ),
    node("DequantizeLinear", whole(256, 3, 4, kind=np.uint8), np.float32(0.1), np.uint8(7)),
    node("DequantizeLinear", whole(127, 3, 4, kind=np.int8), positive(4), axis=1),
    node(
        "DequantizeLinear",
        whole(127, 6, 4, kind=np.int8),
        positive(3, 4),
        whole(5, 3, 4, kind=np.int8),
        axis=0,
        block_size=2,
        opset=21,
    ),
]

_CASES = [
    *_UNARY,
    *_BINARY,
    *_PRODUCTS,
    *_CONVOLUTIONS,
    *_POOLS,
    *_SHAPES,
    *_JOINS,
    *_INDICES,
    *_REDUCTIONS,
    *_NORMS,
    *_RESIZES,
    *_RECURRENT,
    *_ATTENTION,
    *_STORED,
]


@pytest.mark.parametrize("case", _CASES, ids=str)
def test_computes_what_onnx_runtime_computes(case: OneNode) -> None:
    module = as_module(ir.from_proto(case.model))
    with torch.no_grad():
        made = module(**{name: torch.from_numpy(np.array(x)) for name, x in case.feeds.items()})
    made = made if isinstance(made, tuple) else (made,)
    expected = case.expected()
    assert len(made) == len(expected)
    for ours, theirs in zip(made, expected, strict=True):
        assert ours.numpy().dtype == theirs.dtype
        assert tuple(ours.shape) == theirs.shape
        np.testing.assert_allclose(
            ours.numpy(), theirs, rtol=1e-4, atol=1e-4 * max(1e-3, float(np.abs(theirs).max(initial=0)))
        )


def test_every_operator_has_a_case() -> None:
    from edgec.compiler.training.graph.ops import OPERATORS

    assert set(OPERATORS) - {case.op for case in _CASES} == set()
