"""What the CoreML provider takes: cases written from its sources, and the lists ONNX Runtime's wheel ships."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.coreml_cases import CASES, Case
from support.graphs import model, weights

from edgec.targets.coreml.asked import Options
from edgec.targets.coreml.support import BUILDERS, MLPROGRAM, NEURAL_NETWORK, coreml_rules
from edgec.targets.support import Checked, SupportRules, check
from edgec.targets.units import Unit

COREML = "CoreMLExecutionProvider"


def graph_of(case: Case) -> ir.Model:
    signature, _, body = case.graph.partition(": ")
    inputs, _, outputs = signature.partition(" -> ")
    text = f"g ({inputs}) => ({outputs}) {{ {body} }}"
    # Shapes of one node are as written: some, ONNX refuses to infer.
    return model(text, opset=case.opset, infer=body.count(" = ") > 1, **case.constants)


def why(rules: SupportRules, case: Case) -> str:
    made = graph_of(case)
    node = next(node for node in made.graph if any(output.name == "y" for output in node.outputs))
    return rules.verdict(Unit(node=node), made).why


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_ml_program(case: Case) -> None:
    assert why(MLPROGRAM, case) == case.program


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_neural_network(case: Case) -> None:
    assert why(NEURAL_NETWORK, case) == case.neural


def test_cases_cover_what_the_issue_asks_for() -> None:
    assert len(CASES) >= 80
    asked = {op for case in CASES for op in re.findall(r"= (\w+)", case.graph)}
    # The rest follows a neighbour's builder.
    alike = {
        *("AveragePool", "Cos", "Div", "Exp", "FusedConv", "GlobalMaxPool", "Identity", "Mul", "QuickGelu"),
        *("Reciprocal", "ReduceMin", "Round", "Sigmoid", "Sin", "Sub", "Tanh"),
    }
    assert set(BUILDERS) - asked == alike


class TestOptions:
    def test_dynamic_shapes_where_the_option_allows_them(self) -> None:
        rules = coreml_rules(Options(mlprogram=True, static=False))
        made = model("g (float[N,4] x) => (float[N,8] y) { a = Relu(x) \n y = Reshape(a, s) }", s=np.array([-1, 8]))
        relu, reshape = made.graph
        assert rules.verdict(Unit(node=relu), made).supported
        assert not rules.verdict(Unit(node=reshape), made).supported

    def test_half_before_ios_16(self) -> None:
        made = model("g (float16[8,4] x) => (float16[2,4] y) { y = Gather(x, i) }", i=[1, 3])
        (node,) = made.graph
        verdicts = [
            coreml_rules(Options(mlprogram=True, version=version)).verdict(Unit(node=node), made) for version in (5, 6)
        ]
        assert [each.why for each in verdicts] == ["input 0 is FLOAT16, taken are FLOAT, INT64", ""]

    def test_fused_conv_of_an_optimized_model(self) -> None:
        def said(attributes: str, *, third: str = "") -> str:
            made = model(
                f"g (float[1,3,8,8] x) => (float[1,4,6,6] y) {{ "
                f"y = com.microsoft.FusedConv <{attributes}> (x, w{third}) }}",
                domains='"com.microsoft": 1', w=weights(4, 3, 3, 3), b=weights(4), infer=False,
            )  # fmt: skip
            (node,) = made.graph
            return MLPROGRAM.verdict(Unit(node=node), made).why

        assert said('activation = "Relu"') == ""
        assert said('activation = "Clip", activation_params = [0.0, 6.0]', third=", b") == ""
        assert said('activation = "Clip"') == "FusedConv has 0 activation_params, Clip has 2"
        assert said('activation = "Elu"') == (
            "FusedConv has activation Elu, taken are Relu, Sigmoid, Tanh, LeakyRelu, Clip, HardSigmoid"
        )


def table(text: str, *, rules: SupportRules = MLPROGRAM, **constants: object) -> Checked:
    return check(model(text, **constants), rules)


class TestPartitions:
    def test_what_only_moves_elements_is_left_alone(self) -> None:
        found = table(
            "g (float[2,4] x) => (float[2,4] y) { a = Transpose(x) \n b = Neg(a) \n c = Transpose(b) \n y = Relu(c) }"
        )
        assert [(each.unit.node.op_type, each.provider == COREML) for each in found.units] == [
            ("Transpose", False),
            ("Neg", False),
            ("Transpose", True),
            ("Relu", True),
        ]
        assert found.units[0].verdicts[COREML].why == (
            "its partition would only move elements, and the provider leaves such to the CPU"
        )
        assert (found.partitions, found.supported, found.crossing_bytes) == (1, 2, 64)

    def test_a_refused_node_parts_the_graph_and_has_a_mend(self) -> None:
        found = table("g (float[2,4] x) => (float[2,4] y) { a = Relu(x) \n b = Neg(a) \n y = Relu(b) }")
        assert found.partitions == 2
        (refused,) = (each for each in found.units if each.provider != COREML)
        assert (refused.unit.node.op_type, refused.verdicts[COREML].mend) == ("Neg", "Mul(x, -1)")
        assert found.crossing_bytes == 4 * 32

    @given(st.lists(st.sampled_from(["Relu", "Sigmoid", "Neg", "Sign", "Tanh"]), min_size=1, max_size=12))
    def test_partitions_of_a_chain_are_its_runs(self, ops: list[str]) -> None:
        """A chain's partitions are its maximal runs of supported nodes, and each crosses twice."""
        names = ["x", *(f"v{index}" for index in range(len(ops) - 1)), "y"]
        body = "\n".join(f"{out} = {op}({into})" for op, into, out in zip(ops, names, names[1:], strict=False))
        found = table(f"g (float[4] x) => (float[4] y) {{ {body} }}")
        taken = "".join("1" if op in BUILDERS else "0" for op in ops)
        runs = [run for run in taken.split("0") if run]
        assert found.partitions == len(runs)
        assert found.supported == sum(map(len, runs))
        assert found.crossing_bytes == 2 * 16 * len(runs)


def listed(name: str) -> set[str]:
    """Operators of a list that ONNX Runtime's wheel ships."""
    spec = find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / "tools" / "mobile_helpers" / f"coreml_supported_{name}_ops.md"
    if not file.is_file():
        pytest.skip(f"this wheel of onnxruntime has no {file.name}")
    return set(re.findall(r"^\|(?:ai\.onnx|com\.microsoft)[:.](\w+)\|", file.read_text(encoding="utf-8"), re.MULTILINE))


class TestTheWheelsLists:
    """1.31.1's lists lag behind its builders; every difference is named here."""

    def test_ml_program(self) -> None:
        ours = {op for op, builder in BUILDERS.items() if builder.program}
        theirs = {"ArgMax" if op == "Argmax" else op for op in listed("mlprogram")}
        assert theirs - ours == set()
        # `SupportsMLProgram` is true of their builders, and the binary has them make these.
        assert ours - theirs == {"BatchNormalization", "Gather", "Pad", "ReduceMin", "ReduceProd"}

    def test_neural_network(self) -> None:
        ours = {op for op, builder in BUILDERS.items() if builder.neural}
        theirs = listed("neuralnetwork")
        assert theirs - ours == set()
        assert ours - theirs == {"HardSigmoid", "Identity", "ReduceMean", "Tile"}


@st.composite
def dags(draw: st.DrawFn) -> str:
    """Nodes that read what was written before; operators of which both we and the wheel's list have an opinion."""
    values, lines = ["x"], []
    for index in range(draw(st.integers(1, 14))):
        op = draw(st.sampled_from(["Relu", "Sigmoid", "Add", "Mul", "Neg", "Sign", "Min"]))
        operands = [draw(st.sampled_from(values)) for _ in range(2 if op in ("Add", "Mul", "Min") else 1)]
        lines.append(f"v{index} = {op}({', '.join(operands)})")
        values.append(f"v{index}")
    outputs = ", ".join(f"float[4] {value}" for value in values[1:])
    return f"g (float[4] x) => ({outputs}) {{ {' '.join(lines)} }}"


@given(dags())
def test_the_wheels_own_partitioner_sees_the_same_partitions(text: str) -> None:
    """`check_onnx_model_mobile_usability` goes by operator types alone, and keeps what only moves elements."""
    tools = pytest.importorskip("onnxruntime.tools.mobile_helpers.usability_checker")
    made = model(text)
    theirs = tools.check_coreml_partitions(ir.to_proto(made), False, "coreml_supported_mlprogram_ops.md")
    ours = check(made, MLPROGRAM)
    assert (ours.partitions, ours.supported) == (theirs.num_partitions, theirs.num_supported_nodes)
