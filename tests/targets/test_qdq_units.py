"""Q/DQ groups as ONNX Runtime's selectors make them; each case names the condition of qdq_selectors.cc it is of."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights

from edgec.targets.qdq_units import qdq_units
from edgec.targets.support import CPU, SUPPORTED, SupportRules, check, refused
from edgec.targets.units import Unit

TYPES = {"u": np.uint8, "s": np.int8, "h": np.uint16, "i": np.int32}
CONSTANTS = {
    "sc": np.float32(0.1),
    "s2": np.float32(0.2),
    "zu": np.uint8(3),
    "z0": np.uint8(0),
    "zs": np.int8(0),
    "zh": np.uint16(3),
    "zi": np.int32(0),
    "w": weights(4, 3, 1, 1),
    "wu": np.zeros((4, 3, 1, 1), np.uint8),
    "ws": np.zeros((4, 3, 1, 1), np.int8),
    "bi": np.zeros(4, np.int32),
    "fb": np.zeros(4, np.float32),
    "m": np.zeros((8, 4), np.int8),
    "mb": np.zeros(4, np.int32),
    "shape": np.array([1, 48, 1, 1], np.int64),
    "six": np.float32(6),
    "nil": np.float32(0),
}


def units_of(body: str, *, x: str = "1,3,4,4", opset: int = 17) -> dict[str, Unit]:
    """Units by operator's name, of a graph that reads floats `x` and `v` and writes `y` of the same rank."""
    free = ",".join("ABCD"[: x.count(",") + 1])
    names = {name: array for name, array in CONSTANTS.items() if f" {name}" in body or f"({name}" in body}
    made = model(f"g (float[{x}] x, float[{x}] v) => (float[{free}] y) {{ {body} }}", opset=opset, **names)
    return {str(unit.node.name): unit for unit in qdq_units(made.graph)}


def q(result: str, value: str, zero: str = "zu", scale: str = "sc") -> str:
    """`result = DequantizeLinear(QuantizeLinear(value))`."""
    pair = f"{result}_q = QuantizeLinear({value}, {scale}, {zero})\n"
    return pair + f"{result} = DequantizeLinear({result}_q, {scale}, {zero})\n"


def dq(result: str, value: str, zero: str, scale: str = "sc") -> str:
    return f"{result} = DequantizeLinear({value}, {scale}, {zero})\n"


CONV = q("a", "x") + dq("k", "ws", "zs") + dq("b", "bi", "zi")
CASES: dict[str, tuple[str, str, bool]] = {
    "Conv, u8 x s8, bias s32": (CONV + "c = Conv(a, k, b)\n" + q("y", "c"), "c", True),
    "Conv without bias": (q("a", "x") + dq("k", "wu", "zu") + "c = Conv(a, k)\n" + q("y", "c"), "c", True),
    "Conv whose bias is float": (
        q("a", "x") + dq("k", "ws", "zs") + "c = Conv(a, k, fb)\n" + q("y", "c"),
        "c",
        False,
    ),
    "Conv that writes float": (CONV + "y = Conv(a, k, b)", "y", False),
    "Conv, s8 activations, u8 weights": (
        q("a", "x", "zs") + dq("k", "wu", "zu") + "c = Conv(a, k)\n" + q("y", "c", "zs"),
        "c",
        False,
    ),
    "Conv, s8 activations, s8 weights": (
        q("a", "x", "zs") + dq("k", "ws", "zs") + "c = Conv(a, k)\n" + q("y", "c", "zs"),
        "c",
        True,
    ),
    "Conv, result of another type": (
        q("a", "x") + dq("k", "ws", "zs") + "c = Conv(a, k)\n" + q("y", "c", "zs"),
        "c",
        False,
    ),
    "Conv, float weights": (q("a", "x") + "c = Conv(a, w)\n" + q("y", "c"), "c", False),
    "Conv, result read as float, too": (CONV + "c = Conv(a, k, b)\nr = Relu(c)\n" + q("y", "c"), "c", False),
    "Add": (q("a", "x") + q("b", "v") + "c = Add(a, b)\n" + q("y", "c", scale="s2"), "c", True),
    "Add of u8 and s8": (q("a", "x") + q("b", "v", "zs") + "c = Add(a, b)\n" + q("y", "c"), "c", False),
    "Add of u8 and float": (q("a", "x") + "c = Add(a, v)\n" + q("y", "c"), "c", False),
    "Add of 16 bits": (q("a", "x", "zh") + q("b", "v", "zh") + "c = Add(a, b)\n" + q("y", "c", "zh"), "c", True),
    "Mul by itself": (q("a", "x") + "c = Mul(a, a)\n" + q("y", "c"), "c", True),
    "Sigmoid": (q("a", "x") + "c = Sigmoid(a)\n" + q("y", "c", scale="s2"), "c", True),
    "Sigmoid that writes float": (q("a", "x") + "y = Sigmoid(a)", "y", False),
    "Erf": (q("a", "x") + "c = Erf(a)\n" + q("y", "c"), "c", False),
    "Reshape": (q("a", "x") + "c = Reshape(a, shape)\n" + q("y", "c"), "c", True),
    "Reshape between other params": (q("a", "x") + "c = Reshape(a, shape)\n" + q("y", "c", scale="s2"), "c", False),
    "Concat": (q("a", "x") + q("b", "v") + "c = Concat<axis=1>(a, b)\n" + q("y", "c"), "c", True),
    "Concat with float": (q("a", "x") + "c = Concat<axis=1>(a, v)\n" + q("y", "c"), "c", False),
    "Split": (q("a", "x") + "c, d = Split<axis=2>(a)\n" + q("e", "c") + q("f", "d") + "y = Add(e, f)", "c", True),
    "Split, one part float": (q("a", "x") + "c, d = Split<axis=2>(a)\n" + q("e", "c") + "y = Add(e, d)", "c", False),
    "ArgMax": (q("a", "x") + "c = ArgMax(a)\ny = Cast<to=1>(c)", "c", True),
    "Where with a DQ alone": (q("a", "x") + "o = Less(x, v)\nc = Where(o, a, v)\n" + q("y", "c"), "c", False),
    "Relu behind Conv, zero point 0": (CONV + "c = Conv(a, k, b)\nr = Relu(c)\n" + q("y", "r", "z0"), "c", True),
    "Relu behind Conv, zero point 3": (CONV + "c = Conv(a, k, b)\nr = Relu(c)\n" + q("y", "r"), "c", False),
    "Clip behind Conv, wider than the Q": (
        CONV + "c = Conv(a, k, b)\nr = Clip(c, nil, big)\n" + q("y", "r", "z0"),
        "c",
        True,
    ),
    "Clip behind Conv, narrower than the Q": (
        CONV + "c = Conv(a, k, b)\nr = Clip(c, nil, six)\n" + q("y", "r", "z0"),
        "c",
        False,
    ),
}
CONSTANTS |= {"shape1": np.array([4], np.int64), "big": np.float32(25.5)}
MATRIX = {
    "Gemm": (q("a", "x") + dq("k", "m", "zs") + dq("b", "mb", "zi") + "c = Gemm(a, k, b)\n" + q("y", "c"), "c", True),
    "Gemm that writes float": (q("a", "x") + dq("k", "m", "zs") + dq("b", "mb", "zi") + "y = Gemm(a, k, b)", "y", True),
    "Gemm, beta not 1": (
        q("a", "x") + dq("k", "m", "zs") + dq("b", "mb", "zi") + "c = Gemm<beta=0.5>(a, k, b)\n" + q("y", "c"),
        "c",
        False,
    ),
    "MatMul": (q("a", "x") + dq("k", "m", "zs") + "c = MatMul(a, k)\n" + q("y", "c"), "c", True),
    "MatMul that writes float": (q("a", "x") + dq("k", "m", "zs") + "y = MatMul(a, k)", "y", False),
}


@pytest.mark.parametrize("case", CASES)
def test_a_group_or_none(case: str) -> None:
    body, name, grouped = CASES[case]
    assert units_of(body)[name].grouped is grouped


@pytest.mark.parametrize("case", MATRIX)
def test_products_of_matrices(case: str) -> None:
    body, name, grouped = MATRIX[case]
    assert units_of(body, x="1,8")[name].grouped is grouped


@pytest.mark.parametrize(("opset", "grouped"), [(13, True), (21, True), (22, True)])
def test_max_pool_is_looked_at_in_two_versions(opset: int, grouped: bool) -> None:
    body = q("a", "x") + "c = MaxPool<kernel_shape=[2,2]>(a)\n" + q("y", "c")
    assert units_of(body, opset=opset)["c"].grouped is grouped


def test_what_a_group_holds_and_reads() -> None:
    unit = units_of(CASES["Relu behind Conv, zero point 0"][0])["c"]
    assert [node.name for node in unit.nodes] == ["a", "k", "b", "c", "r", "y_q"]
    assert [value.name for value in unit.writes] == ["c", "r", "y_q"]
    assert [operand.value.name for operand in unit.inputs if operand] == ["a_q", "ws", "bi"]
    assert [operand.value.name for operand in unit.outputs] == ["y_q"]
    assert all(operand.quantized for operand in (*unit.inputs, *unit.outputs) if operand)


def test_a_shared_dequantize_is_in_each_group_and_stays_for_others() -> None:
    both = q("a", "x") + "c = Sigmoid(a)\nd = Tanh(a)\n" + q("e", "c") + q("f", "d") + "y = Add(e, f)"
    found = units_of(both)
    assert "a" not in found
    assert found["c"].dequantize == found["d"].dequantize
    assert "a" in units_of(both.replace("Tanh", "Erf"))


def test_partitions_keep_groups_whole() -> None:
    """A provider that takes groups of Sigmoid alone leaves what stands between them to the CPU."""
    body = (
        q("a", "x") + "c = Sigmoid(a)\n" + q("b", "c") + "d = Erf(b)\n" + q("e", "d") + "f = Sigmoid(e)\n" + q("y", "f")
    )
    made = model(f"g (float[4] x) => (float[4] y) {{ {body} }}", sc=CONSTANTS["sc"], zu=CONSTANTS["zu"])

    def verdict(unit: Unit, whole: ir.Model) -> object:
        del whole
        return SUPPORTED if unit.grouped else refused("no group")

    rules = SupportRules(provider="P", source="s", verdict=verdict, units=qdq_units)  # type: ignore[arg-type]
    found = check(made, rules)
    assert found.partitions == 2
    assert (found.supported, found.nodes) == (6, 11)
    assert {str(each.unit.node.name): each.provider for each in found.units}["d"] == CPU
