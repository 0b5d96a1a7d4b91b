"""Nodes and Q/DQ groups, and what ONNX Runtime's NNAPI provider says of each, read off the builder it names.

Source: `edgec.targets.nnapi.support.SOURCE`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["CASES", "CONSTANTS", "LEVELS", "Case"]

CONSTANTS: dict[str, np.ndarray] = {
    name: np.asarray(array)
    for name, array in {
        # Scales and zero points.
        "sc": np.float32(0.1),
        "s2": np.float32(0.2),
        "s256": np.float32(1 / 256),
        "sv": np.full(4, 0.1, np.float32),
        "sv3": np.full(3, 0.1, np.float32),
        "zu": np.uint8(3),
        "z0": np.uint8(0),
        "zuv": np.zeros(4, np.uint8),
        "zs": np.int8(0),
        "zs1": np.int8(1),
        "zsv": np.zeros(4, np.int8),
        "zsv3": np.zeros(3, np.int8),
        "zi": np.int32(0),
        "zh": np.uint16(3),
        # Weights and biases.
        "w": np.ones((4, 3, 3, 3), np.float32),
        "w1": np.ones((3, 1, 3, 3), np.float32),
        "w3d": np.ones((4, 3, 3), np.float32),
        "wg": np.ones((4, 2, 3, 3), np.float32),
        "wu": np.zeros((4, 3, 3, 3), np.uint8),
        "ws": np.zeros((4, 3, 3, 3), np.int8),
        "wh": np.zeros((4, 3, 3, 3), np.uint16),
        "bi": np.zeros(4, np.int32),
        "m": np.ones((8, 4), np.float32),
        "mt": np.ones((4, 8), np.float32),
        "mu": np.zeros((8, 4), np.uint8),
        "ms": np.zeros((8, 4), np.int8),
        "mst": np.zeros((4, 8), np.int8),
        "mut": np.zeros((4, 8), np.uint8),
        "sq": np.zeros((4, 4), np.int8),
        "b4": np.zeros(4, np.float32),
        "b14": np.zeros((1, 4), np.float32),
        "b24": np.zeros((2, 4), np.float32),
        "b1": np.zeros(1, np.float32),
        "bs": np.float32(0),
        "n3": np.ones(3, np.float32),
        "au": np.zeros((1, 3, 8, 8), np.uint8),
        # Bounds, shapes, axes.
        "l0": np.float32(0),
        "l6": np.float32(6),
        "m1": np.float32(-1),
        "p1": np.float32(1),
        "d6": np.float64(6),
        "p2": np.array([1, 1], np.int64),
        "p3": np.array([1, 1, 2], np.int64),
        "to": np.array([1, 192], np.int64),
        "to0": np.array([0, 192], np.int64),
        "ax": np.array([1], np.int64),
        "a23": np.array([2, 3], np.int64),
        "i64": np.array([0, 1], np.int64),
        "up": np.array([1, 1, 2, 2], np.float32),
        "upc": np.array([1, 2, 2, 2], np.float32),
        "up2": np.array([2, 2], np.float32),
        "pad": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "cut": np.array([0, 0, -1, -1, 0, 0, 0, 0], np.int64),
        "st": np.array([0], np.int64),
        "en": np.array([2], np.int64),
    }.items()
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One operator, and the provider's word on it.

    Attributes:
        id: What it shows.
        graph: `inputs -> outputs: nodes`; the node asked about writes `y`, or is named in `node`.
        why: Why not, whole; "" where it is taken.
        node: What the node asked about writes.
        level: NNAPI feature level.
        opset: Operator set.
    """

    id: str
    graph: str
    why: str
    node: str = "y"
    level: int = 7
    opset: int = 17


IMAGE = "float[1,3,8,8] x -> float[1,a,b,c] y"
ROWS = "float[2,8] x -> float[2,4] y"


def _pair(result: str, value: str, zero: str = "zu", scale: str = "sc") -> str:
    """A QuantizeLinear and the DequantizeLinear behind it."""
    quantize = f"{result}_q = QuantizeLinear({value}, {scale}, {zero})\n"
    return quantize + f"{result} = DequantizeLinear({result}_q, {scale}, {zero})\n"


def _dq(result: str, value: str, zero: str, scale: str = "sc") -> str:
    return f"{result} = DequantizeLinear({value}, {scale}, {zero})\n"


def _node(id_: str, graph: str, why: str = "", *, level: int = 7, opset: int = 17) -> Case:
    return Case(id=id_, graph=graph, why=why, level=level, opset=opset)


def _image(id_: str, nodes: str, why: str = "", *, level: int = 7, opset: int = 17) -> Case:
    return Case(id=id_, graph=f"{IMAGE}: {nodes}", why=why, level=level, opset=opset)


def _rows(id_: str, nodes: str, why: str = "", *, level: int = 7, opset: int = 17) -> Case:
    return Case(id=id_, graph=f"{ROWS}: {nodes}", why=why, level=level, opset=opset)


def _unary(
    id_: str,
    call: str,
    why: str = "",
    *,
    x: str = "1,3,8,8",
    y: str = "",
    q: str = "zu sc",
    level: int = 7,
    opset: int = 17,
) -> Case:
    """A group around an operator of one quantized input `a`; `q` are zero point and scale behind it."""
    free = y or ",".join("abcd"[: x.count(",") + 1])
    body = _pair("a", "x") + f"c = {call}\n" + _pair("y", "c", *q.split())
    return Case(id=id_, graph=f"float[{x}] x -> float[{free}] y: {body}", why=why, node="c", level=level, opset=opset)


def _conv(weight: str, behind: str = "zu", *, bias: str = _dq("b", "bi", "zi"), x: str = "zu") -> str:
    last = ", b" if bias else ""
    return f"{IMAGE}: {_pair('a', 'x', x)}{weight}{bias}c = Conv(a, k{last})\n{_pair('y', 'c', behind)}"


def _product(weight: str, call: str, *, q: bool = True) -> str:
    behind = _pair("y", "c") if q else "y = Identity(c)\n"
    return f"float[2,8] x -> float[a,b] y: {_pair('a', 'x')}{weight}c = {call}\n{behind}"


def _group(id_: str, graph: str, why: str = "", *, level: int = 7) -> Case:
    return Case(id=id_, graph=graph, why=why, node="c", level=level)


FAILS = "the provider takes the group and fails to build it, so that no session opens"

_FLOATS = (
    # conv_op_builder.cc
    _image("Conv", "y = Conv(x, w)"),
    _image("Conv: depthwise", "y = Conv<group=3>(x, w1)"),
    _image("Conv: dilations from level 3 on", "y = Conv<dilations=[2,2]>(x, w)"),
    _image(
        "Conv: dilations on level 2",
        "y = Conv<dilations=[2,2]>(x, w)",
        "dilations need feature level 3, the device has 2",
        level=2,
    ),
    _image("Conv: depthwise and dilations", "y = Conv<group=3, dilations=[2,2]>(x, w1)"),
    _node(
        "Conv: groups and dilations",
        "float[1,4,8,8] x -> float[1,4,b,c] y: y = Conv<group=2, dilations=[2,2]>(x, wg)",
        "it has groups and dilations, of which NNAPI takes one alone",
    ),
    _node(
        "Conv: over a line",
        "float[1,3,8] x -> float[1,4,b] y: y = Conv(x, w3d)",
        "its weight has 3 dimensions, taken are convolutions over images (4)",
    ),
    _node(
        "Conv: weights computed",
        "float[1,3,8,8] x, float[4,3,3,3] v -> float[1,4,b,c] y: y = Conv(x, v)",
        "its weight is no constant initializer",
    ),
    _node(
        "Conv: float16",
        "float16[1,3,8,8] x, float16[4,3,3,3] v -> float16[1,4,b,c] y: y = Conv(x, v)",
        "its input is float16, taken is float32",
    ),
    # gemm_op_builder.cc
    _rows("Gemm", "y = Gemm(x, m, b4)"),
    _rows("Gemm: transB", "y = Gemm<transB=1>(x, mt, b4)"),
    _rows("Gemm: C of one row", "y = Gemm(x, m, b14)"),
    _rows(
        "Gemm: C of one row on level 1",
        "y = Gemm(x, m, b14)",
        "C is [1, 4], on feature level 1 a vector is taken",
        level=1,
    ),
    _rows("Gemm: C of two rows", "y = Gemm(x, m, b24)", "C is [2, 4], taken is one value for each of 4 columns"),
    _rows("Gemm: C of one value", "y = Gemm(x, m, b1)", "C is [1], taken is one value for each of 4 columns"),
    _rows("Gemm: C a scalar", "y = Gemm(x, m, bs)", "C is a scalar, taken is one value per column"),
    _rows("Gemm: alpha", "y = Gemm<alpha=0.5>(x, m)", "transA = 0, alpha = 0.5, beta = 1, taken are 0, 1 and 1"),
    _node(
        "Gemm: transA",
        "float[8,2] x -> float[2,4] y: y = Gemm<transA=1>(x, m)",
        "transA = 1, alpha = 1, beta = 1, taken are 0, 1 and 1",
    ),
    _node(
        "Gemm: B computed",
        "float[2,8] x, float[8,4] v -> float[2,4] y: y = Gemm(x, v)",
        "B is no constant initializer and not transposed",
    ),
    _node("Gemm: B computed and transposed", "float[2,8] x, float[4,8] v -> float[2,4] y: y = Gemm<transB=1>(x, v)"),
    _rows("Gemm: operator set 6", "y = Gemm(x, m, b4)", "Gemm is that of operator set 6, taken are 7 to 28", opset=6),
    _rows("MatMul", "y = MatMul(x, m)"),
    _node(
        "MatMul: matrices, B computed",
        "float[2,8] x, float[8,4] v -> float[2,4] y: y = MatMul(x, v)",
        "B is no constant initializer",
    ),
    _node("MatMul: batches alike", "float[3,2,8] x, float[3,8,4] v -> float[3,2,4] y: y = MatMul(x, v)"),
    _node(
        "MatMul: batches on level 2",
        "float[3,2,8] x, float[3,8,4] v -> float[3,2,4] y: y = MatMul(x, v)",
        "A is [3, 2, 8], taken are matrices, and float batches alike on both sides",
        level=2,
    ),
    _node(
        "MatMul: one matrix for all batches",
        "float[3,2,8] x -> float[3,2,4] y: y = MatMul(x, m)",
        "A is [3, 2, 8], taken are matrices, and float batches alike on both sides",
    ),
    # binary_op_builder.cc
    _node("Add: four dimensions", "float[1,3,8,8] x, float[3,1,1] v -> float[1,3,8,8] y: y = Add(x, v)"),
    _node(
        "Add: five dimensions",
        "float[1,1,3,8,8] x, float[3,1,1] v -> float[1,1,3,8,8] y: y = Add(x, v)",
        "its operands have 5 and 3 dimensions, taken are up to 4",
    ),
    _node(
        "Add: int32",
        "int32[2] x, int32[2] v -> int32[2] y: y = Add(x, v)",
        "its input is int32, taken is float32",
    ),
    _node(
        "Pow: an integer exponent",
        "float[2] x, int64[2] v -> float[2] y: y = Pow(x, v)",
        "its operands are float32 and int64, taken are float32",
    ),
    _node(
        "Sub: operator set 6",
        "float[2] x, float[2] v -> float[2] y: y = Sub(x, v)",
        opset=6,
        why="Sub is that of operator set 6, taken are 7 to 28",
    ),
    # clip_op_builder.cc, GetClipMinMax
    _image("Clip: [0, 6]", "y = Clip(x, l0, l6)"),
    _image("Clip: [-1, 1]", "y = Clip(x, m1, p1)"),
    _image("Clip: [0, 6] as attributes", "y = Clip<min=0.0, max=6.0>(x)", opset=6),
    _image("Clip: [0, 1]", "y = Clip(x, l0, p1)", "it clips to [0, 1], taken are [0, 6] and [-1, 1]"),
    _image("Clip: [0, )", "y = Clip(x, l0)", "it clips to [0, 3.40282e+38], taken are [0, 6] and [-1, 1]"),
    _node(
        "Clip: a bound computed",
        "float[2] x, float v -> float[2] y: y = Clip(x, l0, v)",
        "its bounds are not constant float32 numbers",
    ),
    # minmax_op_builder.cc
    _node("Max: of two", "float[2] x, float[2] v -> float[2] y: y = Max(x, v)"),
    _node(
        "Max: of three",
        "float[2] x, float[2] v -> float[2] y: y = Max(x, v, x)",
        "it has 3 inputs, taken are 2",
    ),
    # unary_op_builder.cc, leakyrelu_op_builder.cc, cast_op_builder.cc
    _image("Sigmoid", "y = Sigmoid(x)"),
    _node(
        "Sigmoid: five dimensions",
        "float[1,1,3,8,8] x -> float[1,1,3,8,8] y: y = Sigmoid(x)",
        "its input has 5 dimensions, taken are 1 to 4",
    ),
    _node("Tanh: five dimensions", "float[1,1,3,8,8] x -> float[1,1,3,8,8] y: y = Tanh(x)"),
    _node(
        "LeakyRelu: a scalar",
        "float x -> float y: y = LeakyRelu(x)",
        "its input has 0 dimensions, taken are 1 to 4",
    ),
    _node("Cast: to int32", "float[2] x -> int32[2] y: y = Cast<to=6>(x)"),
    _node(
        "Cast: to int64",
        "float[2] x -> int64[2] y: y = Cast<to=7>(x)",
        "it casts to int64, taken are float32 and int32",
    ),
    _node("Cast: from int64", "int64[2] x -> float[2] y: y = Cast<to=1>(x)", "its input is int64, taken is float32"),
    # softmax_op_builder.cc
    _node("Softmax: three dimensions", "float[2,3,4] x -> float[2,3,4] y: y = Softmax<axis=1>(x)"),
    _node(
        "Softmax: three dimensions on level 2",
        "float[2,3,4] x -> float[2,3,4] y: y = Softmax<axis=-1>(x)",
        "its input has 3 dimensions, on feature level 2 2 or 4 are taken",
        level=2,
    ),
    _node(
        "Softmax: an inner axis on level 2",
        "float[2,3] x -> float[2,3] y: y = Softmax<axis=0>(x)",
        "its axis is 0, on feature level 2 the last is taken",
        level=2,
    ),
    _node(
        "Softmax: five dimensions",
        "float[1,1,2,3,4] x -> float[1,1,2,3,4] y: y = Softmax(x)",
        "its input has 5 dimensions, taken are up to 4",
    ),
    _node(
        "Softmax: five dimensions of operator set 11",
        "float[1,1,2,3,4] x -> float[1,1,2,3,4] y: y = Softmax<axis=1>(x)",
        opset=11,
    ),
    # reshape_, flatten_, squeeze_, unsqueeze_op_builder.cc
    _node("Reshape", "float[1,3,8,8] x -> float[1,192] y: y = Reshape(x, to)"),
    _node(
        "Reshape: a shape computed",
        "float[1,3,8,8] x, int64[2] v -> float[1,192] y: y = Reshape(x, v)",
        "its shape is no constant initializer",
    ),
    _node(
        "Reshape: five dimensions",
        "float[1,1,3,8,8] x -> float[1,192] y: y = Reshape(x, to)",
        "its input has 5 dimensions, taken are 1 to 4",
    ),
    _node(
        "Reshape: allowzero",
        "float[1,3,8,8] x -> float[0,192] y: y = Reshape<allowzero=1>(x, to0)",
        "allowzero = 1 with a dimension of 0",
    ),
    _node(
        "Reshape: int64",
        "int64[1,192] x -> int64[1,192] y: y = Reshape(x, to)",
        "its input is int64, taken is float32",
    ),
    _node("Flatten", "float[1,3,8,8] x -> float[1,192] y: y = Flatten(x)"),
    _node("Squeeze", "float[2,1,3] x -> float[2,3] y: y = Squeeze(x, ax)"),
    _node(
        "Squeeze: axes computed",
        "float[2,1,3] x, int64[1] v -> float[2,3] y: y = Squeeze(x, v)",
        "its axes are no constant initializer",
    ),
    _node("Unsqueeze", "float[2,3] x -> float[2,1,3] y: y = Unsqueeze(x, ax)"),
    # transpose_, concat_, slice_, split_, gather_, pad_, depthtospace_op_builder.cc
    _node("Transpose", "float[2,3] x -> float[3,2] y: y = Transpose(x)"),
    _node(
        "Transpose: int64",
        "int64[2,3] x -> int64[3,2] y: y = Transpose(x)",
        "its input is int64, taken are float32 and uint8",
    ),
    _node(
        "Transpose: uint8 nobody here wrote",
        "uint8[2,3] x -> uint8[3,2] y: y = Transpose(x)",
        "it reads uint8 that no single node of its partition writes, so that its scale is not known",
    ),
    _node("Concat", "float[2] x, float[2] v -> float[4] y: y = Concat<axis=0>(x, v)"),
    _node("Slice", "float[4,3] x -> float[2,3] y: y = Slice(x, st, en, st)"),
    _node(
        "Slice: an end computed",
        "float[4,3] x, int64[1] v -> float[2,3] y: y = Slice(x, st, v, st)",
        "ends is no constant initializer",
    ),
    _node(
        "Slice: operator set 9",
        "float[4,3] x -> float[2,3] y: y = Slice<starts=[0], ends=[2]>(x)",
        "Slice is that of operator set 1, taken are 10 to 28",
        opset=9,
    ),
    _node("Split: halves", "float[2,3] x -> float[1,3] y, float[1,3] z: y, z = Split(x, p2)"),
    _node(
        "Split: parts of two sizes",
        "float[4,3] x -> float[1,3] y, float[1,3] z, float[2,3] u: y, z, u = Split(x, p3)",
        "it splits 4 into [1, 1, 2], taken are equal parts",
    ),
    _node(
        "Split: operator set 11",
        "float[2,3] x -> float[1,3] y, float[1,3] z: y, z = Split(x)",
        "Split is that of operator set 11, taken are 13 to 28",
        opset=11,
    ),
    _node(
        "Split: num_outputs",
        "float[3,3] x -> float[2,3] y, float[1,3] z: y, z = Split<num_outputs=2>(x)",
        "it splits 3 into 2 parts, taken are equal parts",
        opset=18,
    ),
    _node("Gather: constant indices", "float[4,3] x -> float[2,3] y: y = Gather(x, i64)"),
    _node("Gather: int32 indices", "float[4,3] x, int32[2] v -> float[2,3] y: y = Gather(x, v)"),
    _node(
        "Gather: int64 indices",
        "float[4,3] x, int64[2] v -> float[2,3] y: y = Gather(x, v)",
        "its indices are int64 and no constant initializer",
    ),
    _image("Pad", "y = Pad(x, pad)"),
    _image("Pad: reflect", 'y = Pad<mode="reflect">(x, pad)', "mode is reflect, taken is constant"),
    _image("Pad: cut off", "y = Pad(x, cut)", "pads are [0, 0, -1, -1, 0, 0, 0, 0], taken are 0 and more"),
    _node("DepthToSpace", "float[1,12,4,4] x -> float[1,3,8,8] y: y = DepthToSpace<blocksize=2>(x)"),
    _node(
        "DepthToSpace: CRD",
        'float[1,12,4,4] x -> float[1,3,8,8] y: y = DepthToSpace<blocksize=2, mode="CRD">(x)',
        "mode is CRD, taken is DCR",
    ),
    # pool_op_builder.cc
    _image("MaxPool", "y = MaxPool<kernel_shape=[2,2]>(x)"),
    _image(
        "AveragePool: count_include_pad",
        "y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(x)",
        "count_include_pad is 1, taken is 0",
    ),
    _image("MaxPool: ceil_mode", "y = MaxPool<kernel_shape=[2,2], ceil_mode=1>(x)", "ceil_mode is 1, taken is 0"),
    _image(
        "MaxPool: dilations",
        "y = MaxPool<kernel_shape=[2,2], dilations=[2,2]>(x)",
        "dilations are [2, 2], taken are 1",
    ),
    _node(
        "MaxPool: over a line",
        "float[1,3,8] x -> float[1,3,7] y: y = MaxPool<kernel_shape=[2]>(x)",
        "its input has 3 dimensions, taken are 4",
    ),
    _node(
        "MaxPool: indices",
        "float[1,3,8,8] x -> float[1,3,7,7] y, int64[1,3,7,7] z: y, z = MaxPool<kernel_shape=[2,2]>(x)",
        "it writes indices, too",
    ),
    _image("GlobalAveragePool", "y = GlobalAveragePool(x)"),
    # resize_op_builder.cc
    _image("Resize: linear", 'y = Resize<mode="linear">(x, , up)'),
    _image(
        "Resize: linear, half_pixel on level 3",
        'y = Resize<mode="linear">(x, , up)',
        "linear with half_pixel needs feature level 4, the device has 3",
        level=3,
    ),
    _image(
        "Resize: linear, pytorch_half_pixel",
        'y = Resize<mode="linear", coordinate_transformation_mode="pytorch_half_pixel">(x, , up)',
        "linear with pytorch_half_pixel, taken are half_pixel, align_corners and asymmetric",
    ),
    _image(
        "Resize: nearest",
        'y = Resize<coordinate_transformation_mode="asymmetric", nearest_mode="floor">(x, , up)',
    ),
    _image(
        "Resize: nearest as it comes",
        "y = Resize(x, , up)",
        "nearest with half_pixel and round_prefer_floor, taken are asymmetric and floor",
    ),
    _image("Resize: cubic", 'y = Resize<mode="cubic">(x, , up)', "mode is cubic, taken are linear and nearest"),
    _image(
        "Resize: of channels",
        'y = Resize<mode="linear">(x, , upc)',
        "it resizes batch or channels: [1.0, 2.0, 2.0, 2.0]",
    ),
    _image(
        "Resize: axes",
        'y = Resize<mode="linear", axes=[2,3]>(x, , up2)',
        "axes are [2, 3], taken are all",
        opset=18,
    ),
    # reduction_, batchnormalization_, LRN_op_builder.cc
    _node("ReduceMean: axes as an attribute", "float[1,3,8,8] x -> float[1,3,1,1] y: y = ReduceMean<axes=[2,3]>(x)"),
    _node("ReduceMean: axes as an input", "float[1,3,8,8] x -> float[1,3,1,1] y: y = ReduceMean(x, a23)", opset=18),
    _node(
        "ReduceMean: noop_with_empty_axes",
        "float[1,3] x -> float[1,3] y: y = ReduceMean<noop_with_empty_axes=1>(x)",
        "noop_with_empty_axes is 1, taken is 0",
        opset=18,
    ),
    _image("BatchNormalization", "y = BatchNormalization(x, n3, n3, n3, n3)"),
    _node(
        "BatchNormalization: statistics computed",
        "float[1,3,8,8] x, float[3] v -> float[1,3,8,8] y: y = BatchNormalization(x, n3, n3, v, n3)",
        "mean is no constant initializer",
    ),
    _image("LRN", "y = LRN<size=3>(x)"),
    _node(
        "LRN: a matrix", "float[1,3] x -> float[1,3] y: y = LRN<size=3>(x)", "its input has 2 dimensions, taken are 4"
    ),
    # base_op_builder.cc
    _node(
        "a shape not known",
        "float[N,8] x -> float[N,4] y: y = MatMul(x, m)",
        "the shape of 'x' is not known before the model runs",
    ),
    _node("no builder", "float[2,8] x -> float[2,8] y: y = Erf(x)", "the provider has no builder for Erf"),
)

_GROUPS = (
    # IsQuantizedIOSupported, HasValidBinaryOpQuantizedInputTypes
    _group("Conv group: u8, weights s8", _conv(_dq("k", "ws", "zs"))),
    _group("Conv group: u8, weights u8", _conv(_dq("k", "wu", "zu"))),
    _group("Conv group: without bias", _conv(_dq("k", "ws", "zs"), bias="")),
    _group("Conv group: a scale per channel", _conv(_dq("k", "ws", "zsv", "sv").replace("Linear(", "Linear<axis=0>("))),
    _group(
        "Conv group: a scale per channel on level 2",
        _conv(_dq("k", "ws", "zsv", "sv").replace("Linear(", "Linear<axis=0>(")),
        "a scale per channel needs feature level 3, the device has 2",
        level=2,
    ),
    _group(
        "Conv group: a scale per input channel",
        _conv(_dq("k", "ws", "zsv3", "sv3").replace("Linear(", "Linear<axis=1>(")),
        "its weights have 3 scales for a first dimension of 4",
    ),
    _group(
        "Conv group: u8 weights with a scale per channel",
        _conv(_dq("k", "wu", "zuv", "sv").replace("Linear(", "Linear<axis=0>(")),
        "'wu' has a scale per channel, which only int8 weights may have",
    ),
    _group(
        "Conv group: s8 weights around 1",
        _conv(_dq("k", "ws", "zs1")),
        "its int8 weights have zero points other than 0",
    ),
    _group(
        "Conv group: s8 activations",
        _conv(_dq("k", "ws", "zs"), "zs", x="zs"),
        "its activations are int8, taken are uint8",
    ),
    _group("Gemm group: weights s8", _product(_dq("k", "ms", "zs"), "Gemm(a, k)")),
    _group("Gemm group: weights u8, transB", _product(_dq("k", "mut", "zu"), "Gemm<transB=1>(a, k)")),
    _group(
        "Gemm group: weights s8, transB",
        _product(_dq("k", "mst", "zs"), "Gemm<transB=1>(a, k)"),
        f"B is int8 and transB = 1: {FAILS}",
    ),
    _group(
        "Gemm group: it writes float",
        _product(_dq("k", "ms", "zs"), "Gemm(a, k)", q=False),
        f"'c' has no Q/DQ: {FAILS}",
    ),
    _group(
        "Gemm group: a scale per row, as many as columns",
        "float[2,4] x -> float[a,b] y: "
        + _pair("a", "x")
        + "k = DequantizeLinear<axis=0>(sq, sv, zsv)\nc = Gemm(a, k)\n"
        + _pair("y", "c"),
        f"its weights have a scale per row, FULLY_CONNECTED has one: {FAILS}",
    ),
    _group("MatMul group: weights s8", _product(_dq("k", "ms", "zs"), "MatMul(a, k)")),
    _group(
        "MatMul group: a scale per column",
        _product("k = DequantizeLinear<axis=1>(ms, sv, zsv)\n", "MatMul(a, k)"),
        "its weights have a scale per column, taken is one",
    ),
    _group(
        "MatMul group: of two activations",
        "float[3,2,8] x, float[3,8,4] v -> float[a,b,d] y: "
        + _pair("a", "x")
        + _pair("b2", "v")
        + "c = MatMul(a, b2)\n"
        + _pair("y", "c"),
        "A is [3, 2, 8], taken are matrices, and float batches alike on both sides",
    ),
    # binary_op_builder.cc
    *(
        _group(
            f"{op} group",
            f"float[2,8] x, float[2,8] v -> float[a,b] y: {_pair('a', 'x')}{_pair('b2', 'v', 'z0', 's2')}"
            f"c = {op}(a, b2)\n{_pair('y', 'c')}",
            why,
        )
        for op, why in (
            ("Add", ""),
            ("Mul", ""),
            ("Sub", "Sub has no integer form here, and the Q/DQ around it make it one"),
            ("Div", "Div has no integer form here, and the Q/DQ around it make it one"),
        )
    ),
    # softmax_op_builder.cc
    _unary("Softmax group: 1/256", "Softmax(a)", x="2,8", q="z0 s256"),
    _unary(
        "Softmax group: another scale",
        "Softmax(a)",
        "its result has scale 0.1 and zero point 3, taken are 1/256 and 0",
        x="2,8",
    ),
    # concat_op_builder.cc, model_builder.cc
    _group(
        "Concat group: params differ",
        f"float[2,8] x, float[2,8] v -> float[a,b] y: {_pair('a', 'x')}{_pair('b2', 'v', 'z0', 's2')}"
        f"c = Concat<axis=0>(a, b2)\n{_pair('y', 'c')}",
    ),
    _group(
        "Concat group: a constant first",
        f"{IMAGE}: {_pair('a', 'x')}{_dq('k', 'au', 'zu')}c = Concat<axis=1>(k, a)\n{_pair('y', 'c')}",
    ),
    _group(
        "Concat group: a constant second",
        f"{IMAGE}: {_pair('a', 'x')}{_dq('k', 'au', 'zu')}c = Concat<axis=1>(a, k)\n{_pair('y', 'c')}",
        f"an operand behind the first is constant: {FAILS}",
    ),
    # reshape_, transpose_, resize_, pool_op_builder.cc
    _unary("Reshape group", "Reshape(a, to)", y="1,192"),
    _unary("Transpose group", "Transpose<perm=[0,2,3,1]>(a)"),
    _unary("Resize group: linear", 'Resize<mode="linear">(a, , up)'),
    _unary("AveragePool group", "AveragePool<kernel_shape=[2,2]>(a)"),
    _unary(
        "AveragePool group: params differ",
        "AveragePool<kernel_shape=[2,2]>(a)",
        "its result's scale and zero point are not its input's",
        q="z0 s2",
    ),
    _unary(
        "MaxPool group",
        "MaxPool<kernel_shape=[2,2]>(a)",
        "MaxPool has no integer form here, and the Q/DQ around it make it one",
    ),
    _unary(
        "MaxPool group of operator set 22",
        "MaxPool<kernel_shape=[2,2]>(a)",
        "MaxPool has no integer form here, and the Q/DQ around it make it one",
        opset=22,
    ),
    *(
        _unary(f"{op} group", f"{op}(a)", f"{op} has no integer form here, and the Q/DQ around it make it one")
        for op in ("GlobalAveragePool", "Sigmoid", "Tanh", "LeakyRelu")
    ),
)

_CARRIED = (
    # qdq_propagation.cc
    *(
        _group(
            f"{call} behind a DequantizeLinear",
            f"float[1,3,8,8] x -> float[1,b,c,d] y: {_pair('a', 'x')}c = {call}\n{behind}",
            f"ONNX Runtime carries the Q/DQ beside it past it when a session opens, and "
            f"{call.partition('(')[0]} has no integer form here",
        )
        for call, behind in (
            ("Slice(a, st, en, ax)", "y = Exp(c)"),
            ("Squeeze(a, st)", "e = Exp(c)\ny = Unsqueeze(e, st)"),
            ("Unsqueeze(a, st)", "e = Exp(c)\ny = Squeeze(e, st)"),
        )
    ),
    _group(
        "MaxPool before a QuantizeLinear",
        f"{IMAGE}: a = Exp(x)\nc = MaxPool<kernel_shape=[2,2]>(a)\n{_pair('y', 'c')}",
        "ONNX Runtime carries the Q/DQ beside it past it when a session opens, and MaxPool has no integer form here",
    ),
    _group(
        "MaxPool before a QuantizeLinear, read twice",
        f"{IMAGE}, float[1,e,f,g] z: a = Exp(x)\nc = MaxPool<kernel_shape=[2,2]>(a)\n{_pair('y', 'c')}z = Exp(c)",
    ),
    _group(
        "Slice behind a DequantizeLinear and a Transpose",
        f"{IMAGE}: {_pair('a', 'x')}t = Transpose<perm=[0,1,3,2]>(a)\nc = Slice(t, st, en, ax)\ny = Exp(c)",
        "ONNX Runtime carries the Q/DQ beside it past it when a session opens, and Slice has no integer form here",
    ),
    _group(
        "Slice behind a DequantizeLinear and another operator",
        f"{IMAGE}: {_pair('a', 'x')}t = Exp(a)\nc = Slice(t, st, en, ax)\ny = Exp(c)",
    ),
)

_INTEGERS = (
    _unary(
        "Flatten group",
        "Flatten(a)",
        "Flatten has no integer form here, and the Q/DQ around it make it one",
        y="1,192",
    ),
    # IsInternalQuantizationSupported, quantizelinear_, dequantizelinear_op_builder.cc
    _node("QuantizeLinear", "float[2,3] x -> uint8[2,3] y: y = QuantizeLinear(x, sc, zu)"),
    _node(
        "QuantizeLinear: to int8",
        "float[2,3] x -> int8[2,3] y: y = QuantizeLinear(x, sc, zs)",
        "'y' is int8, taken is uint8",
    ),
    _node("DequantizeLinear", "uint8[2,3] x -> float[2,3] y: y = DequantizeLinear(x, sc, zu)"),
    _node(
        "DequantizeLinear: of int8",
        "int8[2,3] x -> float[2,3] y: y = DequantizeLinear(x, sc, zs)",
        "'x' is int8, taken is uint8",
    ),
    _node(
        "DequantizeLinear: a scale computed",
        "uint8[2,3] x, float v -> float[2,3] y: y = DequantizeLinear(x, v, zu)",
        "the scale of 'x' is not constant",
    ),
    _node(
        "Transpose: uint8 behind a QuantizeLinear",
        "float[2,3] x -> uint8[3,2] y: q = QuantizeLinear(x, sc, zu)\ny = Transpose(q)",
    ),
    _node(
        "QLinearConv",
        "uint8[1,3,8,8] x -> uint8[1,4,6,6] y: y = QLinearConv(x, sc, zu, ws, sc, zs, sc, zu, bi)",
    ),
    _node("QLinearMatMul", "uint8[2,8] x -> uint8[2,4] y: y = QLinearMatMul(x, sc, zu, ms, sc, zs, sc, zu)"),
)

CASES: tuple[Case, ...] = (*_FLOATS, *_GROUPS, *_CARRIED, *_INTEGERS)

# Operators, and the feature level each needs: GetMinSupportedNNAPIFeatureLevel.
LEVELS: dict[str, tuple[str, int]] = {
    "Sub": ("float[2] x, float[2] v -> float[2] y: y = Sub(x, v)", 2),
    "Div": ("float[2] x, float[2] v -> float[2] y: y = Div(x, v)", 2),
    "Pow": ("float[2] x, float[2] v -> float[2] y: y = Pow(x, v)", 3),
    "PRelu": ("float[2] x, float[2] v -> float[2] y: y = PRelu(x, v)", 3),
    "Max": ("float[2] x, float[2] v -> float[2] y: y = Max(x, v)", 3),
    "Min": ("float[2] x, float[2] v -> float[2] y: y = Min(x, v)", 3),
    **{op: (f"float[2] x -> float[2] y: y = {op}(x)", 3) for op in ("Abs", "Exp", "Log", "Neg", "Sin", "Sqrt")},
    "Elu": ("float[2] x -> float[2] y: y = Elu(x)", 4),
    "Cast": ("float[2] x -> int32[2] y: y = Cast<to=6>(x)", 3),
    "Softmax": ("float[2,3] x -> float[2,3] y: y = Softmax(x)", 2),
    "Squeeze": ("float[2,1,3] x -> float[2,3] y: y = Squeeze(x, ax)", 2),
    "Transpose": ("float[2,3] x -> float[3,2] y: y = Transpose(x)", 2),
    "Slice": ("float[4,3] x -> float[2,3] y: y = Slice(x, st, en, st)", 2),
    "Split": ("float[2,3] x -> float[1,3] y, float[1,3] z: y, z = Split(x, p2)", 3),
    "Gather": ("float[4,3] x -> float[2,3] y: y = Gather(x, i64)", 3),
    "Pad": (f"{IMAGE}: y = Pad(x, pad)", 3),
    "MaxPool": (f"{IMAGE}: y = MaxPool<kernel_shape=[2,2]>(x)", 2),
    "GlobalAveragePool": (f"{IMAGE}: y = GlobalAveragePool(x)", 2),
    "Resize": (
        f'{IMAGE}: y = Resize<mode="linear", coordinate_transformation_mode="asymmetric">(x, , up)',
        3,
    ),
    "ReduceMean": ("float[1,3,8,8] x -> float[1,3,1,1] y: y = ReduceMean<axes=[2,3]>(x)", 2),
    "LRN": (f"{IMAGE}: y = LRN<size=3>(x)", 2),
    "QuantizeLinear": ("float[2,3] x -> uint8[2,3] y: y = QuantizeLinear(x, sc, zu)", 3),
}
