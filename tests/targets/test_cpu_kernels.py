"""Every rule of the CPU targets against ONNX Runtime's own optimized graph: the integer kernel really appears.

A case stands between two convolutions (or is one), so that what it reads and writes can be integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.kernels import float_islands, still_float
from support.numerics import optimized
from support.recipes import compiled

from edgec.passes.quantize.decision import decided_nodes
from edgec.targets.cpu.rules import cpu_rules

OPSETS = (13, 17, 21, 26)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A graph, the operator it is about, and the kernels ONNX Runtime must run for it.

    Attributes:
        op: The operator of the rule.
        text: Nodes that make `s` from `a` (behind a Relu) and `b` (with negative values), both [2, 8, 8, 8].
        kernels: Operators of the optimized graph, with their number.
        whole: `text` is a whole graph.
    """

    op: str
    text: str
    kernels: dict[str, int]
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    channels: int = 8
    whole: bool = False

    def build(self, opset: int) -> ir.Model:
        if self.whole:
            return model(self.text, opset=opset, **self.constants)
        text = f"""g (float[2,8,8,8] x) => (float[N,C,H,W] y) {{
            a0 = Conv<pads=[1,1,1,1]>(x, w, bias)
            a = Relu(a0)
            b = Conv<pads=[1,1,1,1]>(x, w2)
            {self.text}
            y = Conv(s, v)
        }}"""
        constants = {"w": weights(8, 8, 3, 3), "bias": weights(8), "w2": weights(8, 8, 3, 3, seed=1)}
        return model(text, opset=opset, **constants, v=weights(4, self.channels, 1, 1), **self.constants)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def conv(attributes: str, weight: np.ndarray, image: str = "N,8,8,8") -> Case:
    """A Conv of that form behind a pointwise one and its Relu, before another pointwise one."""
    points = [1] * (weight.ndim - 2)
    attributes = f"<{attributes}>" if attributes else ""
    text = f"""g (float[{image}] x) => (float[{", ".join("NCDHW"[: weight.ndim])}] y) {{
        a = Conv(x, u)
        r = Relu(a)
        c = Conv{attributes}(r, w, b)
        y = Conv(c, v)
    }}"""
    constants = {
        "u": weights(8, 8, *points),
        "w": weight,
        "b": weights(weight.shape[0]),
        "v": weights(4, weight.shape[0], *points),
    }
    return Case(op="Conv", whole=True, text=text, constants=constants, kernels={"QLinearConv": 3})


def matrix(op: str, text: str, kernels: dict[str, int], **constants: np.ndarray) -> Case:
    return Case(op=op, whole=True, text=text, kernels=kernels, constants=constants)


CASES = {
    "conv 2d": conv("pads=[1,1,1,1]", weights(8, 8, 3, 3)),
    "conv strided": conv("strides=[2,2]", weights(8, 8, 3, 3)),
    "conv dilated": conv("dilations=[2,2]", weights(8, 8, 3, 3)),
    "conv same": conv('auto_pad="SAME_UPPER", strides=[2,2]', weights(8, 8, 3, 3)),
    "conv padded unevenly": conv("pads=[0,1,1,0]", weights(8, 8, 3, 3)),
    "conv grouped": conv("group=2", weights(16, 4, 3, 3)),
    "conv depthwise": conv("group=8, pads=[1,1,1,1]", weights(8, 1, 3, 3)),
    "conv depthwise dilated": conv("group=8, dilations=[2,2]", weights(8, 1, 3, 3)),
    "conv 1d": conv("", weights(8, 8, 3), "N,8,12"),
    "conv 1d depthwise": conv("group=8", weights(8, 1, 3), "N,8,12"),
    "conv 3d": conv("", weights(8, 8, 3, 3, 3), "N,8,5,5,5"),
    "gemm to float": matrix(
        "Gemm",
        "g (float[N,16] x) => (float[N,8] y) { y = Gemm<transB=1>(x, w, b) }",
        {"QGemm": 1, "DequantizeLinear": 0},
        w=weights(8, 16),
        b=weights(8),
    ),
    "gemm to integers": matrix(
        "Gemm",
        "g (float[N,16] x) => (float[N,4] y) { a = Gemm(x, w, b) \n r = Relu(a) \n y = Gemm(r, v) }",
        {"QGemm": 2, "DequantizeLinear": 0},
        w=weights(16, 8),
        b=weights(8),
        v=weights(8, 4),
    ),
    "gemm with one bias for all": matrix(
        "Gemm",
        "g (float[N,16] x) => (float[N,8] y) { y = Gemm(x, w, b) }",
        {"QGemm": 1, "DequantizeLinear": 0},
        w=weights(16, 8),
        b=weights(1),
    ),
    "gemm read twice": matrix(
        "Gemm",
        "g (float[N,16] x) => (float[N,4] y, float[N,8] z) { a = Gemm(x, w, b) \n y = Gemm(a, v) \n z = Tanh(a) }",
        {"QGemm": 2, "DequantizeLinear": 1},
        w=weights(16, 8),
        b=weights(8),
        v=weights(8, 4),
    ),
    "matmul to float": matrix(
        "MatMul",
        "g (float[N,5,16] x) => (float[N,5,8] y) { y = MatMul(x, w) }",
        {"MatMulIntegerToFloat": 1, "DequantizeLinear": 0},
        w=weights(16, 8),
    ),
    "matmul to integers": matrix(
        "MatMul",
        "g (float[N,5,16] x) => (float[N,5,4] y) { a = MatMul(x, w) \n r = Relu(a) \n y = MatMul(r, v) }",
        {"QLinearMatMul": 1, "MatMulIntegerToFloat": 1, "DequantizeLinear": 0},
        w=weights(16, 8),
        v=weights(8, 4),
    ),
    "matmul by a batch": matrix(
        "MatMul",
        "g (float[2,5,16] x) => (float[2,5,4] y) { a = MatMul(x, w) \n y = MatMul(a, v) }",
        {"QLinearMatMul": 1, "MatMulIntegerToFloat": 1, "DequantizeLinear": 0},
        w=weights(2, 16, 8),
        v=weights(8, 4),
    ),
    "matmul and bias": matrix(
        "MatMul",
        "g (float[N,5,16] x) => (float[N,5,8] y) { a = MatMul(x, w) \n y = Add(a, b) }",
        {"QGemm": 1, "DequantizeLinear": 0},
        w=weights(16, 8),
        b=weights(8),
    ),
    "matmul and residual": matrix(
        "MatMul",
        "g (float[3,16] x) => (float[3,16] y) { a = MatMul(x, w) \n y = Add(a, x) }",
        {"QGemm": 1, "DequantizeLinear": 0},
        w=weights(16, 16),
    ),
    "add": Case(op="Add", text="s = Add(a, b)", kernels={"QLinearAdd": 1}),
    "add and relu": Case(op="Add", text="t = Add(a, b) \n s = Relu(t)", kernels={"QLinearAdd": 1, "Relu": 0}),
    "add a constant": Case(
        op="Add", text="s = Add(k, a)", kernels={"QLinearAdd": 1}, constants={"k": weights(1, 8, 1, 1)}
    ),
    "sum": Case(op="Add", text="s = Sum(a, b)", kernels={"QLinearAdd": 1}),
    "mul": Case(op="Mul", text="s = Mul(a, b)", kernels={"QLinearMul": 1}),
    "mul by a scalar": Case(
        op="Mul", text="s = Mul(a, k)", kernels={"QLinearMul": 1}, constants={"k": np.array(2, np.float32)}
    ),
    "gate": Case(
        op="Sigmoid",
        text="p = GlobalAveragePool(a) \n e = Conv(p, k) \n g0 = Sigmoid(e) \n s = Mul(a, g0)",
        kernels={"QLinearGlobalAveragePool": 1, "QGemm": 1, "QLinearSigmoid": 1, "QLinearMul": 1},
        constants={"k": weights(8, 8, 1, 1)},
    ),
    "sigmoid": Case(op="Sigmoid", text="s = Sigmoid(b)", kernels={"QLinearSigmoid": 1}),
    "leaky relu": Case(op="LeakyRelu", text="s = LeakyRelu<alpha=0.1>(b)", kernels={"QLinearLeakyRelu": 1}),
    "average pool": Case(
        op="AveragePool",
        text="s = AveragePool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(a)",
        kernels={"QLinearAveragePool": 1},
    ),
    "average pool counts padding": Case(
        op="AveragePool",
        text="s = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(a)",
        kernels={"QLinearAveragePool": 1},
    ),
    "global average pool": Case(
        op="GlobalAveragePool", text="s = GlobalAveragePool(a)", kernels={"QLinearGlobalAveragePool": 1}
    ),
    "concat": Case(
        op="Concat", text="s = Concat<axis=1>(a, b)", kernels={"QLinearConcat": 1, "FusedConv": 0}, channels=16
    ),
    "concat of rows": Case(op="Concat", text="s = Concat<axis=2>(b, b)", kernels={"QLinearConcat": 1}),
    "max pool": Case(
        op="MaxPool", text="s = MaxPool<kernel_shape=[3,3], pads=[1,1,1,1]>(b)", kernels={"NhwcMaxPool": 1}
    ),
    "reshape": Case(op="Reshape", text="s = Reshape(a, k)", kernels={"Reshape": 1}, constants={"k": ints(4, 8, 4, 8)}),
    "flatten": Case(
        op="Flatten",
        text="f = Flatten(a) \n s = Reshape(f, k)",
        kernels={"Flatten": 1, "Reshape": 1},
        constants={"k": ints(2, 8, 8, 8)},
    ),
    "transpose": Case(op="Transpose", text="s = Transpose<perm=[0,1,3,2]>(a)", kernels={"Transpose": 3}),
    "squeeze": Case(
        op="Squeeze",
        text="u = Unsqueeze(a, k) \n s = Squeeze(u, k)",
        kernels={"Squeeze": 1, "Unsqueeze": 1},
        constants={"k": ints(1)},
    ),
    "unsqueeze": Case(
        op="Unsqueeze",
        text="u = Unsqueeze(a, k) \n s = Reshape(u, l)",
        kernels={"Unsqueeze": 1},
        constants={"k": ints(0), "l": ints(2, 8, 8, 8)},
    ),
    "depth to space": Case(
        op="DepthToSpace", text="s = DepthToSpace<blocksize=2>(a)", kernels={"DepthToSpace": 1}, channels=2
    ),
    "depth to space, columns first": Case(
        op="DepthToSpace", text='s = DepthToSpace<blocksize=2, mode="CRD">(a)', kernels={"DepthToSpace": 1}, channels=2
    ),
    "expand": Case(
        op="Expand",
        text="p = GlobalAveragePool(a) \n s = Expand(p, k)",
        kernels={"Expand": 1},
        constants={"k": ints(2, 8, 3, 3)},
    ),
    "pad": Case(op="Pad", text="s = Pad(b, k)", kernels={"Pad": 1}, constants={"k": ints(0, 0, 1, 1, 0, 0, 1, 1)}),
    "slice": Case(
        op="Slice",
        text="s = Slice(a, from0, to0, axis0)",
        kernels={"Slice": 1},
        constants={"from0": ints(1), "to0": ints(7), "axis0": ints(2)},
    ),
    "gather": Case(
        op="Gather",
        text="s = Gather<axis=1>(a, k)",
        kernels={"Gather": 1},
        constants={"k": ints(3, 2, 1, 0, 7, 6, 5, 4)},
    ),
    "resize": Case(
        op="Resize",
        text='s = Resize<mode="nearest">(a, "", k)',
        kernels={"Resize": 1},
        constants={"k": np.array([1, 1, 2, 2], np.float32)},
    ),
    "resize to a size": Case(
        op="Resize", text='s = Resize(a, "", "", k)', kernels={"Resize": 1}, constants={"k": ints(2, 8, 12, 12)}
    ),
    "relu": Case(op="Conv", text="s = Relu(b)", kernels={"Relu": 0, "FusedConv": 0}),
    "clip to 6": Case(
        op="Conv",
        text="s = Clip(b, k, l)",
        kernels={"Clip": 0, "FusedConv": 0},
        constants={"k": np.array(0, np.float32), "l": np.array(6, np.float32)},
    ),
    "clip to equal halves": Case(
        op="Conv",
        text="s = Clip(b, k, l)",
        kernels={"Clip": 0, "FusedConv": 0},
        constants={"k": np.array(-1, np.float32), "l": np.array(1, np.float32)},
    ),
    "transpose from channels last": matrix(
        "Transpose",
        "g (float[N,6,6,4] x) => (float[N,5,6,6] y) { t = Transpose<perm=[0,3,1,2]>(x) \n y = Conv(t, w) }",
        {"QLinearConv": 1, "QuantizeLinear": 1},
        w=weights(5, 4, 1, 1),
    ),
    "image of three channels": matrix(
        "Pad",
        "g (float[N,3,6,6] x) => (float[N,5,4,4] y) { y = Conv(x, w) }",
        {"QLinearConv": 1, "Pad": 1, "QuantizeLinear": 1, "DequantizeLinear": 1},
        w=weights(5, 3, 3, 3),
    ),
}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", CASES)
def test_the_integer_kernel_appears(name: str, opset: int) -> None:
    case = CASES[name]
    source = case.build(opset)
    shipped = compiled(source, "a8w8", [feeds_of(source, seed=seed) for seed in range(3)])
    graph = optimized(shipped)
    runs = {op: sum(node.op_type == op for node in graph.graph.node) for op in case.kernels}
    assert runs == case.kernels
    assert still_float(shipped, graph) == []
    assert float_islands(graph) == []
    assert not {"Conv", "FusedConv", "Gemm", "MatMul"} & {node.op_type for node in graph.graph.node}


def test_every_rule_has_a_case() -> None:
    claimed = {op for rule in cpu_rules(reduce_range=False) for op in rule.ops}
    assert claimed == {case.op for case in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_the_case_is_about_its_operator(name: str) -> None:
    """A rule without its operator in the decisions would prove nothing."""
    case = CASES[name]
    source = case.build(17)
    shipped = compiled(source, "a8w8", [feeds_of(source)])
    lowered = {"MatMul": ("MatMul", "Gemm"), "Pad": ("Pad", "Conv")}
    assert {node.op_type for node, _ in decided_nodes(shipped.graph)} & set(lowered.get(case.op, (case.op,)))


def test_the_checks_see_float_kernels() -> None:
    """What must not be in the optimized graph is seen when it is there."""
    source = model(
        "g (float[3,16] x) => (float[3,4] y) { a = MatMul(x, w) \n s = Softplus(a) \n y = MatMul(s, v) }",
        w=weights(16, 8),
        v=weights(8, 4),
    )
    shipped = compiled(source, "a8w8", [feeds_of(source)])
    graph = optimized(shipped)
    assert float_islands(graph) == []  # MatMulIntegerToFloat writes float: nothing is dequantized
    convs = model(
        "g (float[1,4,6,6] x) => (float[1,4,6,6] y) { a = Conv(x, w) \n s = Softplus(a) \n y = Conv(s, w) }",
        w=weights(4, 4, 1, 1),
    )
    shipped = compiled(convs, "a8w8", [feeds_of(convs)])
    assert float_islands(optimized(shipped)) == ["Softplus"]
    # The float model's own graph stands for one whose decided nodes were not fused.
    assert still_float(shipped, optimized(convs)) != []
