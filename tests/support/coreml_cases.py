"""Operators, types, shapes, attributes and versions, and what 1.31.1's CoreML provider says of each in both formats.

Written down from the builders' sources, not from our rules: every row names the condition it stands for. `""` is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from support.graphs import weights

__all__ = ["CASES", "Case"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A graph whose node that writes `y` is asked about.

    Attributes:
        id: Says what is special.
        graph: In ONNX text, inputs and body: `x: float[1,4]; y = Relu(x)`.
        program, neural: Why MLProgram and NeuralNetwork format refuse it; "" where they take it.
    """

    id: str
    graph: str
    program: str = ""
    neural: str = ""
    opset: int = 17
    constants: dict[str, np.ndarray] = field(default_factory=dict)


def _case(
    name: str, graph: str, program: str = "", neural: str | None = None, opset: int = 17, **constants: np.ndarray
) -> Case:
    """`neural` left out: as in MLProgram."""
    said = program if neural is None else neural
    return Case(id=name, graph=graph, program=program, neural=said, opset=opset, constants=constants)


def _i(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def _f(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


_X = "float[1,4,8,8] x"
_FLOAT_ONLY = "input 0 is {}, taken are FLOAT"
_WIDE = "input 0 is {}, taken are FLOAT, FLOAT16, INT64"
_NN = "{} is not taken in NeuralNetwork format"
_NONE = "the provider has no builder for {}"
_SHAPE = "input 0 has a dynamic shape"

ACTIVATIONS = (
    _case("Relu", f"{_X} -> float[1,4,8,8] y: y = Relu(x)"),
    _case("Relu fp16", "float16[4] x -> float16[4] y: y = Relu(x)", "", _FLOAT_ONLY.format("FLOAT16")),
    _case("Relu int32", "int32[4] x -> int32[4] y: y = Relu(x)", _WIDE.format("INT32"), _FLOAT_ONLY.format("INT32")),
    _case("Relu double", "double[4] x -> double[4] y: y = Relu(x)",
          _WIDE.format("DOUBLE"), _FLOAT_ONLY.format("DOUBLE")),
    _case("Relu of unknown size", "float[N,4] x -> float[N,4] y: y = Relu(x)", _SHAPE),
    _case("Relu of no elements", "float[0,4] x -> float[0,4] y: y = Relu(x)", "input 0 has no elements"),
    _case(
        "Relu of rank 6", "float[1,1,1,1,1,4] x -> float[1,1,1,1,1,4] y: y = Relu(x)",
        "input 0 has 6 dimensions, CoreML has 5",
    ),
    _case("Relu of a scalar", "float x -> float y: y = Relu(x)"),
    _case("LeakyRelu", "float[4] x -> float[4] y: y = LeakyRelu(x)"),
    _case("Elu", "float[4] x -> float[4] y: y = Elu(x)", "", _NN.format("Elu")),
    _case("Softplus", "float[4] x -> float[4] y: y = Softplus(x)", "", _NN.format("Softplus")),
    _case("Gelu", "float[4] x -> float[4] y: y = Gelu(x)", "", _NN.format("Gelu"), opset=20),
    _case("HardSigmoid", "float[4] x -> float[4] y: y = HardSigmoid(x)"),
    _case("HardSwish", "float[4] x -> float[4] y: y = HardSwish(x)", _NONE.format("HardSwish")),
    _case("PRelu per channel", f"{_X} -> float[1,4,8,8] y: y = PRelu(x, s)", s=weights(4, 1, 1)),
    _case("PRelu of one slope", f"{_X} -> float[1,4,8,8] y: y = PRelu(x, s)", s=_f(0.1)),
    _case(
        "PRelu of rank 4", f"{_X} -> float[1,4,8,8] y: y = PRelu(x, s)",
        "the slope of PRelu is neither one number nor of shape (C, 1, 1)", s=weights(1, 4, 1, 1),
    ),
    _case(
        "PRelu of a matrix", "float[2,4] x -> float[2,4] y: y = PRelu(x, s)",
        "PRelu is taken of 3 or 4 dimensions, not 2", s=_f(0.1),
    ),
    _case(
        "PRelu of one slope and channel", "float[1,1,8,8] x -> float[1,1,8,8] y: y = PRelu(x, s)",
        "CoreML crashes with one slope for one channel", s=_f(0.1),
    ),
    _case(
        "PRelu computed", f"{_X}, float[4,1,1] s -> float[1,4,8,8] y: y = PRelu(x, s)",
        "the slope of PRelu is not constant",
    ),
)  # fmt: skip

ARITHMETIC = (
    _case("Add", "float[2,4] x -> float[2,4] y: y = Add(x, c)", c=weights(4)),
    _case("Add int64", "int64[4] x -> int64[4] y: y = Add(x, x)", "", _FLOAT_ONLY.format("INT64")),
    _case("Add int32", "int32[4] x -> int32[4] y: y = Add(x, x)", _WIDE.format("INT32"), _FLOAT_ONLY.format("INT32")),
    _case("Max of three", "float[4] x -> float[4] y: y = Max(x, c, x)", "", _NN.format("Max"), c=weights(4)),
    _case("Min", "float[4] x -> float[4] y: y = Min(x, c)", _NONE.format("Min"), c=weights(4)),
    _case("Pow", "float[4] x -> float[4] y: y = Pow(x, c)", c=_f(2.0)),
    _case(
        "Pow of two types", "float[4] x -> float[4] y: y = Pow(x, c)", "base and exponent of Pow have different types",
        c=_i(2),
    ),
    _case("Sqrt", "float[4] x -> float[4] y: y = Sqrt(x)"),
    _case("Erf", "float[4] x -> float[4] y: y = Erf(x)", "", _NN.format("Erf")),
    _case("Ceil alone", "float[4] x -> float[4] y: y = Ceil(x)", "", _NN.format("Ceil")),
    _case("Neg", "float[4] x -> float[4] y: y = Neg(x)", _NONE.format("Neg")),
    _case("Clip", "float[4] x -> float[4] y: y = Clip(x, a, b)", a=_f(0.0).reshape(()), b=_f(6.0).reshape(())),
    _case(
        "Clip computed", "float[4] x, float m -> float[4] y: y = Clip(x, m)", "min of Clip is not constant",
    ),
    _case(
        "Clip int64", "int64[4] x -> int64[4] y: y = Clip(x, a)", "min of Clip is INT64, taken are FLOAT, FLOAT16",
        _FLOAT_ONLY.format("INT64"), a=_i(0).reshape(()),
    ),
    _case("Cast", "float[4] x -> float16[4] y: y = Cast<to=10>(x)", "", "input 0 is FLOAT, taken are INT64"),
    _case(
        "Cast to double", "float[4] x -> double[4] y: y = Cast<to=11>(x)",
        "Cast to DOUBLE is not taken, only to FLOAT, INT32, INT64, BOOL, FLOAT16", "input 0 is FLOAT, taken are INT64",
    ),
    _case(
        "Cast of uint8", "uint8[4] x -> float[4] y: y = Cast<to=1>(x)",
        "input 0 is UINT8, taken are FLOAT, INT32, INT64, BOOL, FLOAT16", "input 0 is UINT8, taken are INT64",
    ),
    _case("Cast behind ArgMax", "float[2,4] x -> int32[1,4] y: a = ArgMax(x) y = Cast<to=6>(a)"),
    _case(
        "Cast of an input", "int64[4] x -> int32[4] y: y = Cast<to=6>(x)", "",
        "Cast is taken behind ArgMax only in NeuralNetwork format",
    ),
    _case("And", "bool[4] x -> bool[4] y: y = And(x, x)", "", _NN.format("And")),
    _case("Or", "bool[4] x -> bool[4] y: y = Or(x, x)", _NONE.format("Or")),
    _case("Equal", "float[4] x -> bool[4] y: y = Equal(x, x)", _NONE.format("Equal")),
    _case("Where", "bool[4] c, float[4] x -> float[4] y: y = Where(c, x, x)", "", _NN.format("Where")),
    _case(
        "Where of integers", "bool[4] c, int64[4] x -> int64[4] y: y = Where(c, x, x)",
        "input 1 is INT64, taken are FLOAT, FLOAT16", _NN.format("Where"),
    ),
    _case("QuantizeLinear", "float[4] x -> uint8[4] y: y = QuantizeLinear(x, s)", _NONE.format("QuantizeLinear"),
          s=_f(0.1).reshape(())),
    _case("DequantizeLinear", "uint8[4] x -> float[4] y: y = DequantizeLinear(x, s)",
          _NONE.format("DequantizeLinear"), s=_f(0.1).reshape(())),
)  # fmt: skip

_C = "float[1,3,8,8] x"
PRODUCTS = (
    _case("Conv", f"{_C} -> float[1,4,6,6] y: y = Conv(x, w, b)", w=weights(4, 3, 3, 3), b=weights(4)),
    _case("Conv 1D", "float[1,3,8] x -> float[1,4,6] y: y = Conv(x, w)", w=weights(4, 3, 3)),
    _case("Conv 3D", "float[1,3,4,4,4] x -> float[1,4,2,2,2] y: y = Conv(x, w)",
          "Conv is 3D, taken are 1D and 2D", w=weights(4, 3, 3, 3, 3)),
    _case("Conv of a computed weight", f"{_C}, float[4,3,3,3] w -> float[1,4,6,6] y: y = Conv(x, w)", "",
          "the weight of Conv is not constant"),
    _case("Conv of a computed bias", f"{_C}, float[4] b -> float[1,4,6,6] y: y = Conv(x, w, b)",
          "the bias of Conv is not constant", w=weights(4, 3, 3, 3)),
    _case("Conv of a wide input", "float[1,1,1,16385] x -> float[1,1,1,16385] y: y = Conv(x, w)",
          "a dimension of 16385 exceeds CoreML's limit for convolutions, 16384", w=weights(1, 1, 1, 1)),
    _case("Conv at the limit", "float[1,1,1,16384] x -> float[1,1,1,16384] y: y = Conv(x, w)", w=weights(1, 1, 1, 1)),
    _case("Conv SAME_LOWER", f"{_C} -> float[1,4,8,8] y: y = Conv<auto_pad=\"SAME_LOWER\">(x, w)",
          w=weights(4, 3, 3, 3)),
    _case("ConvTranspose", f"{_C} -> float[1,4,10,10] y: y = ConvTranspose(x, w)", "", _NN.format("ConvTranspose"),
          w=weights(3, 4, 3, 3)),
    _case("ConvTranspose of uneven pads", f"{_C} -> float[1,4,8,10] y: y = ConvTranspose<pads=[1,0,1,0]>(x, w)",
          "pads [1, 0, 1, 0] of ConvTranspose are not all the same", _NN.format("ConvTranspose"),
          w=weights(3, 4, 3, 3)),
    _case("ConvTranspose SAME", f"{_C} -> float[1,4,8,8] y: y = ConvTranspose<auto_pad=\"SAME_UPPER\">(x, w)",
          "auto_pad SAME_UPPER of ConvTranspose is not taken", _NN.format("ConvTranspose"), w=weights(3, 4, 3, 3)),
    _case("ConvTranspose output_padding",
          f"{_C} -> float[1,4,18,18] y: y = ConvTranspose<strides=[2,2],output_padding=[1,1]>(x, w)",
          "output_padding of ConvTranspose is not taken", _NN.format("ConvTranspose"), w=weights(3, 4, 3, 3)),
    _case("ConvTranspose output_shape",
          f"{_C} -> float[1,4,10,10] y: y = ConvTranspose<output_shape=[10,10],pads=[0,0,0,0]>(x, w)",
          "output_shape of ConvTranspose is not taken", _NN.format("ConvTranspose"), w=weights(3, 4, 3, 3)),
    _case("Gemm", "float[2,4] x -> float[2,5] y: y = Gemm(x, w, b)", w=weights(4, 5), b=weights(5)),
    _case("Gemm transB", "float[2,4] x -> float[2,5] y: y = Gemm<transB=1>(x, w, b)", w=weights(5, 4), b=weights(1, 5)),
    _case("Gemm transA", "float[4,2] x -> float[2,5] y: y = Gemm<transA=1>(x, w)",
          "Gemm has transA 1, alpha 1, beta 1, taken are 0, 1 and 1", w=weights(4, 5)),
    _case("Gemm alpha", "float[2,4] x -> float[2,5] y: y = Gemm<alpha=2.0>(x, w)",
          "Gemm has transA 0, alpha 2, beta 1, taken are 0, 1 and 1", w=weights(4, 5)),
    _case("Gemm of a column", "float[2,4] x -> float[2,5] y: y = Gemm(x, w, b)",
          "C of Gemm has shape [2, 1], taken are [], [1], [5], [1, 5]", w=weights(4, 5), b=weights(2, 1)),
    _case("Gemm of two inputs", "float[2,4] x, float[4,5] w -> float[2,5] y: y = Gemm(x, w)",
          "B of Gemm is not constant"),
    _case("MatMul", "float[2,4] x -> float[2,5] y: y = MatMul(x, w)", w=weights(4, 5)),
    _case("MatMul of two inputs", "float[2,4] x, float[4,5] w -> float[2,5] y: y = MatMul(x, w)", "",
          "B of MatMul is not constant"),
    _case("MatMul of rank 3", "float[1,2,4] x -> float[1,2,5] y: y = MatMul(x, w)", "",
          "MatMul is of 3 and 2 dimensions, taken are 2 and 2", w=weights(4, 5)),
    _case("MatMul by a vector", "float[2,4] x -> float[2] y: y = MatMul(x, w)",
          "one operand of MatMul has one dimension, the other more",
          "MatMul is of 2 and 1 dimensions, taken are 2 and 2",
          w=weights(4)),
    _case("MatMul of vectors", "float[4] x -> float y: y = MatMul(x, w)", "",
          "MatMul is of 1 and 1 dimensions, taken are 2 and 2", w=weights(4)),
    _case("MatMul int32", "int32[2,4] x -> int32[2,2] y: t = Transpose(x) y = MatMul(x, t)", _WIDE.format("INT32"),
          _FLOAT_ONLY.format("INT32")),
)  # fmt: skip

MOVES = (
    _case("Reshape", "float[2,4] x -> float[8] y: y = Reshape(x, s)", s=_i(-1)),
    _case("Reshape to rank 6", "float[2,4] x -> float[1,1,1,1,2,4] y: y = Reshape(x, s)",
          "Reshape to 6 dimensions, CoreML has 5", s=_i(1, 1, 1, 1, 2, 4)),
    _case("Reshape to a scalar", "float[1] x -> float y: y = Reshape(x, s)", "input 1 has no elements",
          s=_i()),
    _case("Reshape computed", "float[2,4] x, int64[1] s -> float[N] y: y = Reshape(x, s)",
          "the shape of Reshape is not constant"),
    _case("Flatten", f"{_X} -> float[1,256] y: y = Flatten(x)", "Flatten is not taken in MLProgram format", ""),
    _case("Squeeze", "float[1,4] x -> float[4] y: y = Squeeze(x, a)", a=_i(0)),
    _case("Unsqueeze", "float[4] x -> float[1,4] y: y = Unsqueeze(x, a)", "", _NN.format("Unsqueeze"), a=_i(0)),
    _case("Unsqueeze to rank 6", "float[1,1,1,1,4] x -> float[1,1,1,1,1,4] y: y = Unsqueeze(x, a)",
          "Unsqueeze to 6 dimensions, CoreML has 5", _NN.format("Unsqueeze"), a=_i(0)),
    _case("Transpose", "float[2,4] x -> float[4,2] y: y = Transpose(x)"),
    _case("Transpose bool", "bool[2,4] x -> bool[4,2] y: y = Transpose(x)", _WIDE.format("BOOL"),
          _FLOAT_ONLY.format("BOOL")),
    _case("Shape int32", "int32[2,4] x -> int64[2] y: y = Shape(x)", "", _FLOAT_ONLY.format("INT32")),
    _case("Shape in part", "float[2,4] x -> int64[1] y: y = Shape<start=1>(x)", "",
          "start 1 of Shape is not taken in NeuralNetwork format"),
    _case("Concat of channels", f"{_X} -> float[1,8,8,8] y: y = Concat<axis=1>(x, x)"),
    _case("Concat of rows", f"{_X} -> float[1,4,16,8] y: y = Concat<axis=2>(x, x)", "",
          "Concat along axis 2, taken is 1 in NeuralNetwork format"),
    _case("Concat of rank 3", "float[1,4,8] x -> float[1,8,8] y: y = Concat<axis=1>(x, x)", "",
          "Concat is of 3 dimensions, taken are 4 in NeuralNetwork format"),
    _case("Concat of one", "float[4] x -> float[4] y: y = Concat<axis=0>(x)", "Concat of one input is not taken"),
    _case("Split", "float[4] x -> float[2] y, float[2] z: y, z = Split(x)", opset=13),
    _case("Split of sizes", "float[4] x -> float[1] y, float[3] z: y, z = Split(x, s)", s=_i(1, 3)),
    _case("Split of size 0", "float[4] x -> float[4] y, float[0] z: y, z = Split(x, s)",
          "the sizes of Split are [4, 0] of 4", s=_i(4, 0)),
    _case("Split unevenly", "float[5] x -> float[3] y, float[2] z: y, z = Split<num_outputs=2>(x)", opset=18),
    _case("Slice", "float[8] x -> float[2] y: y = Slice(x, a, b, c, d)", a=_i(1), b=_i(5), c=_i(0), d=_i(2)),
    _case("Slice backwards", "float[8] x -> float[8] y: y = Slice(x, a, b, c, d)",
          a=_i(-1), b=_i(-9), c=_i(0), d=_i(-1)),
    _case("Slice of nothing", "float[8] x -> float[0] y: y = Slice(x, a, b)", "Slice takes nothing of axis 0",
          a=_i(5), b=_i(5)),
    _case("Slice computed", "float[8] x, int64[1] a -> float[N] y: y = Slice(x, a, b)",
          "starts of Slice are not constant", b=_i(5)),
    _case("Slice int32", "int32[8] x -> int32[2] y: y = Slice(x, a, b)",
          "input 0 is INT32, taken are FLOAT, FLOAT16, INT64", "input 0 is INT32, taken are FLOAT, INT64",
          a=_i(0), b=_i(2)),
    _case("Slice 9", "float[8] x -> float[2] y: y = Slice<starts=[0],ends=[2]>(x)",
          "Slice is that of operator set 1, taken are 10 to 27", opset=9),
    _case("Pad", f"{_X} -> float[1,4,10,10] y: y = Pad(x, p, c)", p=_i(0, 0, 1, 1, 0, 0, 1, 1), c=_f(0).reshape(())),
    _case("Pad of channels", f"{_X} -> float[1,6,8,8] y: y = Pad(x, p, c)", "",
          "Pad of axis 1, taken are the last two in mode constant", p=_i(0, 1, 0, 0, 0, 1, 0, 0), c=_f(0).reshape(())),
    _case("Pad without a value", f"{_X} -> float[1,4,10,10] y: y = Pad(x, p)", "",
          "constant_value of Pad is not given as FLOAT", p=_i(0, 0, 1, 1, 0, 0, 1, 1)),
    _case("Pad reflect", f"{_X} -> float[1,4,10,10] y: y = Pad<mode=\"reflect\">(x, p)", "", "Pad of mode reflect",
          p=_i(0, 0, 1, 1, 0, 0, 1, 1)),
    _case("Pad reflecting too much", f"{_X} -> float[1,4,8,24] y: y = Pad<mode=\"reflect\">(x, p)",
          "Pad reflects 8 of axis 3, which has 8", "Pad of mode reflect", p=_i(0, 0, 0, 8, 0, 0, 0, 8)),
    _case("Pad edge", f"{_X} -> float[1,4,10,10] y: y = Pad<mode=\"edge\">(x, p)", "Pad of mode edge",
          p=_i(0, 0, 1, 1, 0, 0, 1, 1)),
    _case("Pad negative", f"{_X} -> float[1,4,7,8] y: y = Pad(x, p, c)", "pads are negative",
          p=_i(0, 0, -1, 0, 0, 0, 0, 0), c=_f(0).reshape(())),
    _case("Pad int64", "int64[4] x -> int64[6] y: y = Pad(x, p)", "input 0 is INT64, taken are FLOAT, FLOAT16",
          _FLOAT_ONLY.format("INT64"), p=_i(1, 1)),
    _case("Tile bool", "bool[2,4] x -> bool[4,4] y: y = Tile(x, r)", r=_i(2, 1)),
    _case("Tile computed", "float[2,4] x, int64[2] r -> float[N,M] y: y = Tile(x, r)", "",
          "repeats of Tile are not constant"),
    _case("Expand", "float[1,4] x -> float[2,4] y: y = Expand(x, s)", _NONE.format("Expand"), s=_i(2, 4)),
    _case("Gather", "float[8,4] x -> float[2,4] y: y = Gather(x, i)", i=_i(1, 3)),
    _case("Gather one", "float[8,4] x -> float[4] y: y = Gather(x, i)", i=_i(1).reshape(())),
    _case("Gather one of rank 5", "float[8,1,1,1,4] x -> float[1,1,1,4] y: y = Gather(x, i)",
          "Gather of one index takes data of at most 4 dimensions, not 5", i=_i(1).reshape(())),
    _case("Gather into rank 6", "float[8,1,1,1,4] x -> float[1,1,1,1,1,4] y: y = Gather(x, i)",
          "Gather makes 6 dimensions, CoreML has 5", i=_i(1).reshape(1, 1)),
    _case("Gather of int32", "int32[8] x -> int32[2] y: y = Gather(x, i)",
          "input 0 is INT32, taken are FLOAT, FLOAT16, INT64", "input 0 is INT32, taken are FLOAT, INT64", i=_i(1, 3)),
    _case("GatherElements", "float[8] x -> float[2] y: y = GatherElements(x, i)", _NONE.format("GatherElements"),
          i=_i(1, 3)),
    _case("GatherND", "float[8,4] x -> float[1] y: y = GatherND(x, i)", "", _NN.format("GatherND"), i=_i(1, 3)[None]),
    _case("GatherND computed", "float[8,4] x, int64[1,2] i -> float[1] y: y = GatherND(x, i)",
          "indices of GatherND are not constant, and CoreML then takes the first slice", _NN.format("GatherND")),
    _case("GatherND of batches", "float[2,4] x -> float[2] y: y = GatherND<batch_dims=1>(x, i)",
          "batch_dims of GatherND is 1, taken is 0", _NN.format("GatherND"), i=_i(1, 3).reshape(2, 1)),
    _case("DepthToSpace", f"{_X} -> float[1,1,16,16] y: y = DepthToSpace<blocksize=2>(x)"),
    _case("DepthToSpace CRD", f"{_X} -> float[1,1,16,16] y: y = DepthToSpace<blocksize=2,mode=\"CRD\">(x)", "",
          "DepthToSpace of mode CRD"),
)  # fmt: skip

_NORM = "float[1,4,8,8] x -> float[1,4,8,8] y: y ="
LAYERS = (
    _case("MaxPool", f"{_X} -> float[1,4,4,4] y: y = MaxPool<kernel_shape=[2,2],strides=[2,2]>(x)"),
    _case("MaxPool 1D", "float[1,4,8] x -> float[1,4,7] y: y = MaxPool<kernel_shape=[2]>(x)",
          "MaxPool is of 3 dimensions, taken are 4"),
    _case("MaxPool ceil_mode",
          f"{_X} -> float[1,4,4,4] y: y = MaxPool<kernel_shape=[3,3],strides=[2,2],ceil_mode=1>(x)", "",
          "ceil_mode 1 of MaxPool is not taken in NeuralNetwork format"),
    _case("MaxPool dilated", f"{_X} -> float[1,4,6,6] y: y = MaxPool<kernel_shape=[2,2],dilations=[2,2]>(x)",
          "MaxPool has dilations"),
    _case("MaxPool with indices",
          f"{_X} -> float[1,4,7,7] y, int64[1,4,7,7] z: y, z = MaxPool<kernel_shape=[2,2]>(x)",
          "MaxPool answers indices, too"),
    _case("GlobalAveragePool", f"{_X} -> float[1,4,1,1] y: y = GlobalAveragePool(x)"),
    _case("BatchNormalization", f"{_NORM} BatchNormalization(x, a, b, m, v)", a=weights(4), b=weights(4), m=weights(4),
          v=np.ones(4, np.float32)),
    _case("BatchNormalization 1D", "float[2,4] x -> float[2,4] y: y = BatchNormalization(x, a, b, m, v)",
          "BatchNormalization is of 2 dimensions, taken are 4", a=weights(4), b=weights(4), m=weights(4),
          v=np.ones(4, np.float32)),
    _case("LayerNormalization", f"{_NORM} LayerNormalization(x, a, b)", "", _NN.format("LayerNormalization"),
          a=weights(8), b=weights(8)),
    _case("LayerNormalization computed", "float[2,8] x, float[8] a -> float[2,8] y: y = LayerNormalization(x, a)",
          "scale of LayerNormalization is not constant", _NN.format("LayerNormalization")),
    _case("LayerNormalization with its mean",
          "float[2,8] x -> float[2,8] y, float[2,1] m: y, m = LayerNormalization(x, a)",
          "LayerNormalization answers mean or deviation, too", _NN.format("LayerNormalization"), a=weights(8)),
    _case("InstanceNormalization", f"{_NORM} InstanceNormalization(x, a, b)", "", _NN.format("InstanceNormalization"),
          a=weights(4), b=weights(4)),
    _case("GroupNormalization", f"{_NORM} GroupNormalization<num_groups=2>(x, a, b)", "",
          _NN.format("GroupNormalization"), opset=21, a=weights(4), b=weights(4)),
    _case("RMSNormalization", "float[2,8] x -> float[2,8] y: y = RMSNormalization(x, a)",
          _NONE.format("RMSNormalization"), opset=23, a=weights(8)),
    _case("ReduceMean", "float[2,4] x -> float[2,1] y: y = ReduceMean<axes=[1]>(x)"),
    _case("ReduceMax", "float[2,4] x -> float[2,1] y: y = ReduceMax<axes=[1]>(x)", "", _NN.format("ReduceMax")),
    _case("ReduceProd", "float[2,4] x -> float[2,1] y: y = ReduceProd<axes=[1]>(x)", "", _NN.format("ReduceProd")),
    _case("ReduceSum of computed axes", "float[2,4] x, int64[1] a -> float[N,M] y: y = ReduceSum(x, a)",
          "axes of ReduceSum are not constant"),
    _case("ReduceL2", "float[2,4] x -> float[2,1] y: y = ReduceL2<axes=[1]>(x)", _NONE.format("ReduceL2")),
    _case("ArgMax", "float[2,4] x -> int64[1,4] y: y = ArgMax(x)"),
    _case("ArgMax of the last", "float[2,4] x -> int64[1,4] y: y = ArgMax<select_last_index=1>(x)",
          "select_last_index of ArgMax is not taken"),
    _case("Softmax", "float[2,4] x -> float[2,4] y: y = Softmax(x)"),
    _case("LRN", f"{_X} -> float[1,4,8,8] y: y = LRN<size=3>(x)", "LRN is not taken in MLProgram format", ""),
    _case("Resize by scales",
          f"{_X} -> float[1,4,16,16] y: "
          "y = Resize<coordinate_transformation_mode=\"asymmetric\",nearest_mode=\"floor\">(x, \"\", s)",
          s=_f(1, 1, 2, 2)),
    _case("Resize by 1.5",
          f"{_X} -> float[1,4,12,12] y: "
          "y = Resize<coordinate_transformation_mode=\"asymmetric\",nearest_mode=\"floor\">(x, \"\", s)",
          "Resize scales by 1.5 and 1.5, taken are whole numbers", s=_f(1, 1, 1.5, 1.5)),
    _case("Resize of channels",
          f"{_X} -> float[1,8,8,8] y: "
          "y = Resize<coordinate_transformation_mode=\"asymmetric\",nearest_mode=\"floor\">(x, \"\", s)",
          "Resize scales axis 1, taken are the last two", s=_f(1, 2, 1, 1)),
    _case("Resize linear",
          f"{_X} -> float[1,4,12,12] y: y = Resize<mode=\"linear\">(x, \"\", \"\", s)", "",
          "Resize of 8 to 12, taken are multiples in NeuralNetwork format", s=_i(1, 4, 12, 12)),
    _case("Resize linear by scales", f"{_X} -> float[1,4,16,16] y: y = Resize<mode=\"linear\">(x, \"\", s)", "",
          "coordinate_transformation_mode half_pixel of Resize is not taken, asymmetric is", s=_f(1, 1, 2, 2)),
    _case("Resize cubic", f"{_X} -> float[1,4,16,16] y: y = Resize<mode=\"cubic\">(x, \"\", s)",
          "mode cubic of Resize is not taken", s=_f(1, 1, 2, 2)),
    _case("Resize rounding", f"{_X} -> float[1,4,16,16] y: y = Resize(x, \"\", s)",
          "nearest_mode round_prefer_floor of Resize is not taken, floor is", s=_f(1, 1, 2, 2)),
    _case("Resize half pixels", f"{_X} -> float[1,4,16,16] y: y = Resize<nearest_mode=\"floor\">(x, \"\", s)",
          "coordinate_transformation_mode half_pixel of Resize is not taken, asymmetric is", s=_f(1, 1, 2, 2)),
    _case("Resize down", f"{_X} -> float[1,4,4,4] y: y = Resize<mode=\"linear\">(x, \"\", s)", "",
          "Resize scales down in NeuralNetwork format", s=_f(1, 1, 0.5, 0.5)),
    _case("Resize down unevenly", "float[1,4,9,9] x -> float[1,4,4,4] y: y = Resize<mode=\"linear\">(x, \"\", s)",
          "Resize scales 9 by 0.5, which is no whole part of it", "Resize scales down in NeuralNetwork format",
          s=_f(1, 1, 0.5, 0.5)),
    _case("Resize by an empty roi",
          f"{_X} -> float[1,4,16,16] y: "
          "y = Resize<coordinate_transformation_mode=\"asymmetric\",nearest_mode=\"floor\">(x, r, s)",
          r=_f(), s=_f(1, 1, 2, 2)),
    _case("GridSample",
          "float[1,4,8,8] x, float[1,6,6,2] g -> float[1,4,6,6] y: y = GridSample<mode=\"bilinear\">(x, g)", "",
          _NN.format("GridSample")),
    _case("GridSample nearest",
          "float[1,4,8,8] x, float[1,6,6,2] g -> float[1,4,6,6] y: y = GridSample<mode=\"nearest\">(x, g)",
          "mode nearest of GridSample is not taken, linear is", _NN.format("GridSample")),
    _case("GridSample reflecting",
          "float[1,4,8,8] x, float[1,6,6,2] g -> float[1,4,6,6] y: "
          "y = GridSample<mode=\"bilinear\",padding_mode=\"reflection\">(x, g)",
          "GridSample reflects without align_corners", _NN.format("GridSample")),
    _case("TopK", "float[4] x -> float[2] y, int64[2] z: y, z = TopK(x, k)", _NONE.format("TopK"), k=_i(2)),
    _case("Einsum", "float[2,4] x -> float[4,2] y: y = Einsum<equation=\"ij->ji\">(x)", _NONE.format("Einsum")),
)  # fmt: skip

CASES = (*ACTIVATIONS, *ARITHMETIC, *PRODUCTS, *MOVES, *LAYERS)
