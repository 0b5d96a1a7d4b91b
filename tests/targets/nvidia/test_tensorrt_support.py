"""TensorRT's rules, case by case from the table of its parser (onnx-tensorrt, docs/operators.md of TensorRT 10.15)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from support.graphs import model, weights

from edgec.passes.spec import Given, Shared
from edgec.targets import find_target
from edgec.targets.nvidia.tensorrt_operators import OPERATORS
from edgec.targets.nvidia.tensorrt_support import TENSORRT, TENSORRT_PROVIDER
from edgec.targets.support import Verdict, check

# Operator set, inputs, node, type of its output, and why it is not imported; "" where it is.
CASES = tuple(
    tuple(part.strip() for part in line.split(" |"))
    for line in Path(__file__).with_name("tensorrt_cases.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)
# Those its table says no to, and those of ONNX that it does not mention.
NO = """AffineGrid Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im Compress
    ConcatFromSequence ConvInteger DFT Det DynamicQuantizeLinear ImageDecoder MatMulInteger MaxRoiPool MaxUnpool
    MelWeightMatrix Multinomial NegativeLogLikelihoodLoss Optional OptionalGetElement OptionalHasElement QLinearConv
    QLinearMatMul RegexFullMatch SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength
    SequenceMap SoftmaxCrossEntropyLoss SplitToSequence StringConcat StringNormalizer StringSplit TfIdfVectorizer
    Unique"""
UNMENTIONED = "Swish"


def verdict(graph: ir.Model, index: int = -1) -> Verdict:
    return check(graph, TENSORRT).units[index].verdicts[TENSORRT_PROVIDER]


def one(opset: str, inputs: str, node: str, output: str) -> ir.Model:
    head = f'<ir_version: 10, opset_import: ["": {opset}, "com.microsoft": 1]>'
    return ir.from_proto(onnx.parser.parse_model(f"{head}\ng ({inputs}) => ({output} y) {{ {node} }}"))


@pytest.mark.parametrize(("opset", "inputs", "node", "output", "why"), CASES, ids=[f"{c[0]} {c[2]}" for c in CASES])
def test_what_the_parser_imports(opset: str, inputs: str, node: str, output: str, why: str) -> None:
    said = verdict(one(opset, inputs, node, output))
    assert (said.supported, said.why) == (not why, why)


def test_every_operator_of_onnx_is_taken_or_refused_on_purpose() -> None:
    known = {
        each.name for each in onnx.defs.get_all_schemas_with_history() if not each.domain and each.since_version <= 24
    }
    assert known - set(OPERATORS) == {*NO.split(), *UNMENTIONED.split()}
    assert set(OPERATORS) <= known


def test_constants_let_axes_pass() -> None:
    graph = model("g (float[2,4] x) => (float[4] y) { y = ReduceSum<keepdims = 0>(x, a) }", a=np.array([0]))
    assert verdict(graph).supported
    top = model("g (float[4000] x) => (float v, int64 i) { v, i = TopK(x, k) }", infer=False, k=np.array([3840]))
    assert verdict(top).why == "TopK with K = 3840: less than 3840 are imported"


def test_indices_that_are_read_are_not_imported() -> None:
    text = "g (float[1,4,4,4] x) => (float y, int64 i) { y, i = MaxPool<kernel_shape = [2,2]>(x) }"
    assert verdict(model(text, infer=False)).why == "MaxPool whose Indices are read"


@pytest.mark.parametrize(
    ("node", "constants", "why", "mend"),
    [
        ("y = DequantizeLinear(c, s, z)", {"c": np.ones(4, np.int8), "z": np.int8(0)}, "", ""),
        (
            "y = DequantizeLinear(c, s, z)",
            {"c": np.ones(4, np.uint8), "z": np.uint8(0)},
            "DequantizeLinear of UINT8; TensorRT takes FLOAT4E2M1, FLOAT8E4M3FN, INT4, INT8",
            "Compile for target jetson-orin, whose zero points are all 0",
        ),
        (
            "y = DequantizeLinear(c, s, z)",
            {"c": np.ones(4, np.int8), "z": np.int8(3)},
            "DequantizeLinear with a zero point other than 0",
            "Compile for target jetson-orin, whose zero points are all 0",
        ),
        (
            "y = DequantizeLinear(c, s)",
            {"c": np.ones(4, np.int32)},
            "DequantizeLinear of a bias in INT32; TensorRT takes FLOAT4E2M1, FLOAT8E4M3FN, INT4, INT8",
            "Leave the bias in floats",
        ),
        (
            "y = DequantizeLinear(c, n)",
            {"c": np.ones(4, np.int8), "n": np.float32(0)},
            "DequantizeLinear with a scale that is not positive",
            "",
        ),
        (
            "y = DequantizeLinear(c, x)",
            {"c": np.ones(4, np.int8)},
            "DequantizeLinear with a scale that is no constant",
            "",
        ),
        ("y = QuantizeLinear(x, s, z)", {"z": np.int8(0)}, "", ""),
        (
            "y = QuantizeLinear(x, s)",
            {},
            "QuantizeLinear of UINT8; TensorRT takes FLOAT4E2M1, FLOAT8E4M3FN, INT4, INT8",
            "Compile for target jetson-orin, whose zero points are all 0",
        ),
        (
            "y = QuantizeLinear<axis = 0>(x, many, zeros)",
            {"many": np.ones(4, np.float32), "zeros": np.zeros(4, np.int8)},
            "QuantizeLinear of activations with 4 scales: TensorRT has one for a tensor",
            "",
        ),
    ],
)
def test_symmetric_signed_and_constant(node: str, constants: dict[str, np.ndarray], why: str, mend: str) -> None:
    kind = "int8" if node.startswith("y = Q") and constants else "uint8" if node.startswith("y = Q") else "float"
    graph = model(f"g (float[4] x) => ({kind}[4] y) {{ {node} }}", infer=False, s=np.float32(0.1), **constants)
    said = verdict(graph)
    assert (said.why, said.mend) == (why, mend)


def test_a_product_of_integers_is_one_between_dequantizers() -> None:
    text = """g (float[1,3,4,4] x) => (float[1,2,2,2] y, float[1,2,2,2] z) {
        q = QuantizeLinear(x, s, o) \n d = DequantizeLinear(q, s, o) \n v = DequantizeLinear(c, s, o)
        y = Conv(d, v) \n z = Conv(x, w) }"""
    codes = np.ones((2, 3, 3, 3), np.int8)
    graph = model(text, s=np.float32(0.1), o=np.int8(0), c=codes, w=weights(2, 3, 3, 3))
    found = check(graph, TENSORRT).units
    assert [each.unit.node.outputs[0].name for each in found if each.integer] == ["y"]


def test_the_targets_rules_are_all_symmetric_and_leave_biases() -> None:
    rules = find_target("jetson-orin").rules
    for rule in rules:
        specs = [rule.inputs, rule.weights, rule.outputs.spec if isinstance(rule.outputs, Given) else None]
        assert all(spec is None or (spec.symmetric and spec.dtype == "int8") for spec in specs)
        assert isinstance(rule.outputs, Given | Shared)
        assert not rule.bias
