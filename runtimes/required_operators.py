"""`required_operators_and_types.config`: what a build of ONNX Runtime has to keep to run some nodes.

`build.py --include_ops_by_config FILE` drops every kernel that no line names; with
`--enable_reduced_operator_type_support` also, of those named, what is for other types. A line is
`domain;opset;operator,operator,...`, a kernel stays where its opsets hold that one, and types stand behind their
operator as JSON: `Cast{"inputs": {"0": ["float"]}, "outputs": {"0": ["int64_t"]}}`
(tools/ci_build/reduce_op_kernels.py and onnxruntime/tools/reduced_build_config_parser.py, 1.31.1).

Which operators have kernels by type, and whose operands decide, is a table in
onnxruntime/tools/ort_format_model/operator_type_usage_processors.py; of what is not in it, no types may be named. An
operator has the same types in every line, those of all its nodes: the last line read counts.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable

from .ort_graph import OrtNode

__all__ = ["BY_TYPE", "ONE_HOT", "required_operators"]

_ONNX, _MICROSOFT = "ai.onnx", "com.microsoft"
_FIRST = """
    Abs Add ArgMax ArgMin AveragePool BatchNormalization BitShift Ceil Clip Concat Conv CumSum DequantizeLinear Div
    Equal Exp Expand Floor Gemm Greater IsNaN Less Log LogSoftmax LpNormalization MatMul Max MaxPool Mean Min Mul Neg
    NonZero Pad QLinearConv QLinearMatMul Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
    ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Resize ReverseSequence RoiAlign Round Scatter
    ScatterElements ScatterND Shrink Sigmoid Sign Sin Softmax Split SplitToSequence Sqrt Sub Sum Tanh TopK Transpose
    Unique
"""
_RESULT = """
    ConstantOfShape DynamicQuantizeLinear Multinomial QuantizeLinear RandomNormal RandomNormalLike RandomUniform
    RandomUniformLike
"""
_Operands = tuple[tuple[int, ...], tuple[int, ...]]

# Domain and operator → whose types decide: numbers of inputs, of outputs.
BY_TYPE: dict[tuple[str, str], _Operands] = {
    **{(_ONNX, op): ((0,), ()) for op in _FIRST.split()},
    **{(_ONNX, op): ((), (0,)) for op in _RESULT.split()},
    **{(_ONNX, op): ((0, 1), ()) for op in ("Gather", "GatherElements", "Pow", "Slice")},
    **{(_MICROSOFT, op): ((0,), ()) for op in ("QLinearAdd", "QLinearConv", "QLinearMul")},
    (_ONNX, "Where"): ((1,), ()),
    (_ONNX, "Cast"): ((0,), (0,)),
}
# Chosen by three types at once, in this order: indices, values, depth.
ONE_HOT, _ONE_HOT_INPUTS = (_ONNX, "OneHot"), (0, 2, 1)
# Registered under the name of another type: the kernel is dropped where that one is not named too.
_ALSO = {(_ONNX, "MatMul"): {"uint32_t": "int32_t", "uint64_t": "int64_t"}}

_Key = tuple[str, str]


def required_operators(nodes: Iterable[OrtNode], about: str) -> str:
    """The configuration for some nodes; in whatever order they come, the same.

    Args:
        nodes: All that a session makes kernels for.
        about: What the first line says of it, as a comment.
    """
    ops: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    seen: defaultdict[_Key, set[OrtNode]] = defaultdict(set)
    for node in nodes:
        ops[node.domain, node.since].add(node.op)
        seen[node.domain, node.op].add(node)
    types = {key: _types(key, each) for key, each in seen.items()}
    lines = [f"# {about}"]
    for (domain, since), named in sorted(ops.items()):
        lines.append(f"{domain};{since};{','.join(op + types[domain, op] for op in sorted(named))}")
    return "\n".join(lines) + "\n"


def _types(key: _Key, nodes: set[OrtNode]) -> str:
    """What stands behind an operator: the types of its nodes; nothing, and so all of them, where one is not known."""
    if key == ONE_HOT:
        triples = {tuple(node.inputs[at] for at in _ONE_HOT_INPUTS) for node in nodes}
        return "" if any(None in triple for triple in triples) else json.dumps({"custom": sorted(triples)})
    said: dict[str, dict[str, list[str]]] = {}
    for side, numbers in zip(("inputs", "outputs"), BY_TYPE.get(key, ((), ())), strict=True):
        operands = [node.inputs if side == "inputs" else node.outputs for node in nodes]
        for at in numbers:
            kinds = {each[at] for each in operands if at < len(each)}  # older forms have fewer
            if None in kinds:
                return ""
            if kinds:
                renamed = {_ALSO.get(key, {}).get(str(kind), kind) for kind in kinds}
                said.setdefault(side, {})[str(at)] = sorted(map(str, kinds | renamed))
    return json.dumps(said) if said else ""
