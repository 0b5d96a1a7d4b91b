"""Which operators form a group with the Q/DQ around them: ONNX Runtime's node group selectors.

All selectors that providers share allow 16-bit and 4-bit types (`allow_16bit`, `allow_4bit`: their defaults), int8
activations, and no MatMul that writes float (`matmulintegertofloat_allowed`: false).

Source: qdq_selectors.cc (microsoft/onnxruntime 02b0534); which operator goes by which: shared/utils.cc (06e4cb9).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import onnx_ir as ir

from ..passes.edit import is_op
from .qdq_params import same_params, stored_dtype

__all__ = ["Around", "is_group"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Around:
    """An operator, the version of it, and the Q/DQ nodes next to it.

    Attributes:
        dequantize: Those it reads, in the order of its inputs, once for each.
        clamp: A superfluous Relu or Clip before the Q.
        quantize: Those that read it.
    """

    node: ir.Node
    since: int
    dequantize: tuple[ir.Node, ...]
    clamp: ir.Node | None
    quantize: tuple[ir.Node, ...]

    def read(self, index: int) -> ir.DataType | None:
        """The type its DequantizeLinear of that number reads."""
        return stored_dtype(self.dequantize[index])

    @property
    def written(self) -> ir.DataType | None:
        """The type its first QuantizeLinear writes; None where there is none."""
        return stored_dtype(self.quantize[0]) if self.quantize else None


Selector: TypeAlias = Callable[[Around], bool]


def is_group(around: Around) -> bool:
    """Whether the nodes are a group."""
    if around.node.domain not in ("", "ai.onnx", "com.microsoft"):
        return False
    selector = _SELECTORS.get(around.node.op_type)
    if selector is None or (around.node.op_type == "MaxPool" and around.since not in _MAX_POOLS):
        return False
    return selector(around)


# {"MaxPool", {12, 22}}: no other version of it is looked at; 22 since pull request 29201 (1.28).
_MAX_POOLS = (12, 22)


def _checked(around: Around, dequantized: int | None = None, *, may_write_float: bool = False) -> bool:
    """`CheckQDQNodes`: as many DQ as asked (None: as inputs), and every reader of the results a Q, one for each."""
    inputs = sum(value is not None for value in around.node.inputs)
    if len(around.dequantize) != (inputs if dequantized is None else dequantized):
        return False
    results = [value for value in (around.clamp or around.node).outputs if value is not None]
    readers = [reader for value in results for reader, _ in value.uses()]
    if around.quantize and any(value.is_graph_output() for value in (*results, *around.node.outputs)):
        return False
    if not around.quantize:
        return may_write_float
    made = sum(bool(value.name) for value in around.node.outputs)
    return made == len(around.quantize) == len(readers)


def _moves(around: Around) -> bool:
    """`DropQDQNodeGroupSelector`: the params on both sides are the same."""
    if around.clamp is not None or not _checked(around, 1):
        return False
    return around.read(0) == around.written and same_params(around.quantize[0], around.dequantize[0])


def _picks(around: Around) -> bool:
    """`DropDQNodeGroupSelector`: integers in, indices out."""
    return around.clamp is None and len(around.dequantize) == 1 and len(around.dequantize[0].inputs) > 2


def _unary(around: Around) -> bool:
    return _checked(around, 1) and around.read(0) == around.written


def _clip(around: Around) -> bool:
    """`ClipNodeGroupSelector`: data, and maybe its bounds."""
    count = len(around.dequantize)
    return 1 <= count <= 3 and _checked(around, count) and around.read(0) == around.written


def _binary(around: Around) -> bool:
    return _checked(around) and around.read(0) == around.read(1) == around.written


def _variadic(around: Around) -> bool:
    kinds = {stored_dtype(each) for each in (*around.dequantize, *around.quantize)}
    return _checked(around) and len(kinds) == 1


def _split(around: Around) -> bool:
    if around.clamp is not None or not _checked(around, 1):
        return False
    return all(stored_dtype(each) == around.read(0) for each in around.quantize)


def _conv(around: Around) -> bool:
    """`ConvNodeGroupSelector`: int8 activations want int8 weights; a bias is int32."""
    if not _checked(around) or around.read(0) != around.written:
        return False
    if around.read(0) == ir.DataType.INT8 and around.read(1) != ir.DataType.INT8:
        return False
    return len(around.dequantize) < 3 or around.read(2) == ir.DataType.INT32


def _matmul(around: Around) -> bool:
    """`MatMulNodeGroupSelector`: both operands, and the result."""
    if len(around.dequantize) != 2 or not around.quantize or not _checked(around):
        return False
    if around.read(0) == ir.DataType.INT8 and around.read(1) != ir.DataType.INT8:
        return False
    return around.read(0) == around.written


def _gemm(around: Around) -> bool:
    """`GemmNodeGroupSelector`: as Conv; it may write float."""
    if not _checked(around, may_write_float=True) or len(around.dequantize) < 2:
        return False
    if around.read(0) == ir.DataType.INT8 and around.read(1) != ir.DataType.INT8:
        return False
    if around.quantize and around.read(0) != around.written:
        return False
    if len(around.dequantize) < 3:
        return True
    return around.node.attributes.get_float("beta", 1.0) == 1.0 and around.read(2) == ir.DataType.INT32


def _any_result(around: Around) -> bool:
    """`EinsumNodeGroupSelector`, `ReciprocalNodeGroupSelector`."""
    if not _checked(around, may_write_float=True) or not around.dequantize:
        return False
    return not around.quantize or around.read(0) == around.written


def _norm(around: Around) -> bool:
    """`InstanceAndLayerNormalizationNodeGroupSelector`: a bias is int32."""
    if not _checked(around) or around.read(0) != around.written:
        return False
    return len(around.dequantize) < 3 or around.read(2) == ir.DataType.INT32


def _batch_norm(around: Around) -> bool:
    count = len(around.dequantize)
    if not 3 <= count <= 5 or not _checked(around, count) or around.read(0) != around.written:
        return False
    return around.read(0) != ir.DataType.INT8 or around.read(1) == ir.DataType.INT8


def _comparison(around: Around) -> bool:
    return _checked(around, may_write_float=True) and around.read(0) == around.read(1)


def _two_of(around: Around) -> bool:
    """`WhereNodeGroupSelector`, `ScatterElementsNodeGroupSelector`: two of the operands are quantized."""
    return _checked(around, 2) and around.read(0) == around.read(1) == around.written


def _pad(around: Around) -> bool:
    count = len(around.dequantize)
    if not 1 <= count <= 2 or not _checked(around, count):
        return False
    return all(stored_dtype(each) == around.written for each in around.dequantize)


def _top_k(around: Around) -> bool:
    if around.clamp is not None or len(around.dequantize) != 1 or len(around.quantize) != 1:
        return False
    readers = [reader for reader, _ in around.node.outputs[0].uses()]
    mixed = any(not is_op(reader, "QuantizeLinear") for reader in readers)
    if mixed or around.node.outputs[0].is_graph_output():
        return False
    return around.read(0) == around.written and same_params(around.quantize[0], around.dequantize[0])


_BY_SELECTOR: Mapping[Selector, str] = {
    _moves: "Gather GatherElements Reshape Expand Flatten Transpose MaxPool Squeeze Unsqueeze Tile",
    _picks: "ArgMax ArgMin",
    _unary: "AveragePool GlobalAveragePool GlobalMaxPool LeakyRelu ReduceMean ReduceMin ReduceMax ReduceProd ReduceSum "
    "Relu Resize Gelu Elu HardSigmoid HardSwish Sigmoid Slice LogSoftmax Softmax Sqrt Atan Asin Sin Cos Sign Tanh Exp "
    "Log LRN Ceil Floor Round Abs Neg DepthToSpace SpaceToDepth LpNormalization CumSum",
    _clip: "Clip",
    _binary: "Add Div Mul Pow Sub PRelu GridSample",
    _variadic: "Concat Max Min",
    _split: "Split",
    _conv: "Conv ConvTranspose",
    _any_result: "Einsum Reciprocal",
    _matmul: "MatMul",
    _gemm: "Gemm",
    _norm: "InstanceNormalization LayerNormalization",
    _batch_norm: "BatchNormalization",
    _comparison: "Equal Greater GreaterOrEqual Less LessOrEqual",
    _two_of: "Where ScatterElements",
    _pad: "Pad",
    _top_k: "TopK",
}
_SELECTORS = {op: selector for selector, ops in _BY_SELECTOR.items() for op in ops.split()}
