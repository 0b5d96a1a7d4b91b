"""What the NNAPI provider takes: cases read off its builders, and the list and the partitioner of ORT's wheel."""

from __future__ import annotations

import re
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest
from support.graphs import model
from support.nnapi_cases import CASES, CONSTANTS, LEVELS, Case

from edgec.targets.nnapi.support import BUILDERS, SOURCE, nnapi_rules
from edgec.targets.support import check

NNAPI = "NnapiExecutionProvider"


def graph_of(graph: str, opset: int = 17) -> ir.Model:
    signature, _, body = graph.partition(": ")
    inputs, _, outputs = signature.partition(" -> ")
    used = {name: array for name, array in CONSTANTS.items() if re.search(rf"\b{name}\b", body)}
    # Shapes of one node are as written: some, ONNX refuses to infer.
    text = f"g ({inputs}) => ({outputs}) {{ {body} }}"
    domains = '"com.microsoft": 1' if "com.microsoft" in body else ""
    return model(text, opset=opset, infer=body.count(" = ") > 1, domains=domains, **used)


def why(graph: str, *, node: str = "y", level: int = 7, opset: int = 17) -> str:
    made = graph_of(graph, opset)
    rules = nnapi_rules(level)
    unit = next(unit for unit in rules.units(made.graph) if any(out.name == node for out in unit.node.outputs))
    return rules.verdict(unit, made).why


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case) -> None:
    assert why(case.graph, node=case.node, level=case.level, opset=case.opset) == case.why


@pytest.mark.parametrize("op", LEVELS)
def test_needs_a_feature_level(op: str) -> None:
    graph, least = LEVELS[op]
    for level in range(1, 9):
        refused = f"{op} needs NNAPI feature level {least}, the device has {level}"
        assert why(graph, level=level) == ("" if level >= least else refused)


def test_cases_cover_what_the_issue_asks_for() -> None:
    assert len(CASES) >= 60
    assert SOURCE == (
        "onnxruntime/core/providers/nnapi/nnapi_builtin of ONNX Runtime 1.31 (microsoft/onnxruntime 0c8fc18)"
    )
    asked = {
        op
        for graph in (*(case.graph for case in CASES), *(graph for graph, _ in LEVELS.values()))
        for op in re.findall(r"= (\w+)[(<]", graph)
    }
    # The rest follows a neighbour's builder, or is of another domain.
    alike = {"Floor", "GlobalMaxPool", "Identity", "Relu"}
    assert set(BUILDERS) - asked - alike == {"QLinearAdd", "QLinearAveragePool", "QLinearMul", "QLinearSigmoid"}


class TestContributed:
    """Operators of com.microsoft, whose shapes are as written."""

    @pytest.mark.parametrize(
        ("result", "said"),
        [("s256, z0", ""), ("sc, zu", "its result has scale 0.1 and zero point 3, taken are 1/256 and 0")],
    )
    def test_sigmoid(self, result: str, said: str) -> None:
        graph = f"uint8[2] x -> uint8[2] y: y = com.microsoft.QLinearSigmoid(x, sc, zu, {result})"
        assert why(graph) == said

    @pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
    def test_of_two(self, op: str) -> None:
        graph = f"uint8[2] x, uint8[2] v -> uint8[2] y: y = com.microsoft.{op}(x, sc, zu, v, sc, zu, s2, zu)"
        assert why(graph) == ""

    @pytest.mark.parametrize(
        ("result", "said"),
        [("sc, zu", ""), ("s2, zu", "its result's scale and zero point are not its input's")],
    )
    def test_average_pool(self, result: str, said: str) -> None:
        call = f"com.microsoft.QLinearAveragePool<kernel_shape=[2,2]>(x, sc, zu, {result})"
        assert why(f"uint8[1,3,8,8] x -> uint8[1,3,7,7] y: y = {call}") == said

    def test_conv(self) -> None:
        call = "com.microsoft.QLinearConv(x, sc, zu, ws, sc, zs, sc, zu, bi)"
        said = "QLinearConv of com.microsoft is not taken"
        assert why(f"uint8[1,3,8,8] x -> uint8[1,4,6,6] y: y = {call}") == said


class TestPartitions:
    """What becomes of a graph."""

    @staticmethod
    def _said(graph: str, opset: int = 17) -> tuple[int, int, dict[str, str]]:
        found = check(graph_of(graph, opset), nnapi_rules(7))
        said = {each.unit.node.op_type: each.verdicts[NNAPI].why for each in found.units}
        return found.supported, found.partitions, said

    @pytest.mark.parametrize("op", ["Reshape(x, to)", "Flatten(x)", "Identity(x)"])
    def test_a_lone_reshape_is_dropped(self, op: str) -> None:
        name = op.partition("(")[0]
        supported, partitions, said = self._said(f"float[1,192] x -> float[1,192] y: y = {op}")
        assert (supported, partitions, said) == (0, 0, {name: f"a {name} alone is not worth a partition"})

    def test_a_partition_of_constants_is_dropped(self) -> None:
        supported, partitions, said = self._said("float[8] x -> float[8,4] y, float[8] z: y = Exp(m)\nz = Erf(x)")
        assert (supported, partitions) == (0, 0)
        assert said == {
            "Exp": "its partition reads nothing but constants",
            "Erf": "the provider has no builder for Erf",
        }

    def test_what_is_between_two_partitions(self) -> None:
        graph = "float[2,8] x -> float[2,8] y: a = Exp(x)\nb = Erf(a)\ny = Exp(b)"
        supported, partitions, _ = self._said(graph)
        assert (supported, partitions) == (2, 2)

    def test_nothing_behind_a_stop(self) -> None:
        graph = (
            "float[1,4,4] x, float[1,1,4] s -> float[n,3] y, float[1,4,4] z: "
            "a = NonMaxSuppression(x, s)\ny = Cast<to=1>(a)\nz = Exp(x)"
        )
        supported, partitions, said = self._said(graph)
        assert (supported, partitions) == (1, 1)
        assert said["Cast"] == "it depends on a NonMaxSuppression, behind which the provider takes nothing"

    def test_weights_in_another_file(self, tmp_path: Path) -> None:
        made = graph_of("float[2,8] x -> float[2,4] y: y = MatMul(x, m)")
        ir.save(made, tmp_path / "m.onnx", external_data="m.data", size_threshold_bytes=0)
        rules, read = nnapi_rules(7), ir.load(tmp_path / "m.onnx")
        verdict = rules.verdict(rules.units(read.graph)[0], read)
        assert (verdict.why, verdict.mend) == ("'m' lies in an external file", "a model in one file")


def test_has_a_builder_for_all_that_the_wheel_lists() -> None:
    """nnapi_supported_ops.md, which the provider's maintainers keep; QLinearMul is in the sources alone."""
    text = (_helpers() / "nnapi_supported_ops.md").read_text()
    assert set(BUILDERS) == {*re.findall(r"^\|(?:ai\.onnx|com\.microsoft):(\w+)\|", text, re.M), "QLinearMul"}


GRAPHS = {
    "one partition": "float[1,3,8,8] x -> float[1,4,1,1] y: a = Conv(x, w)\nb = Relu(a)\ny = GlobalAveragePool(b)",
    "cut by Erf": "float[2,8] x -> float[2,4] y: a = MatMul(x, m)\nb = Erf(a)\ny = Sigmoid(b)",
    "Erf beside": "float[2,8] x -> float[2,4] y: a = MatMul(x, m)\nb = Erf(a)\nc = Sigmoid(a)\ny = Mul(b, c)",
    "cut twice": "float[2,8] x -> float[2,8] y: a = Exp(x)\nb = Erf(a)\nc = Abs(b)\nd = Erf(c)\ny = Tanh(d)",
}


@pytest.mark.parametrize("name", GRAPHS)
def test_counts_as_the_wheels_partitioner_does(name: str) -> None:
    made = graph_of(GRAPHS[name])
    found = check(made, nnapi_rules(7))
    assert (found.nodes, found.supported, found.partitions) == _counted(ir.serde.serialize_model(made))


# Models with a batch of 1, and the units of which the wheel's partitioner asks the operator's name alone, the provider
# more: what these are refused for.
ZOO: dict[str, Counter[str]] = {
    "kws_dscnn": Counter(),
    "mobilenetv1_050": Counter(),
    "mobilenetv2_100": Counter(),
    "vww_mobilenet96": Counter(),
    "resnet56_cifar10": Counter({"count_include_pad is 1, taken is 0": 1}),
    "squeezenet11": Counter({"ceil_mode is 1, taken is 0": 3}),
    "ultraface_rfb320": Counter({"Slice is that of operator set 1, taken are 10 to 28": 4}),
}


@pytest.mark.parametrize("name", ZOO)
def test_counts_of_real_models(name: str, zoo: Path) -> None:
    proto = onnx.load(next((zoo / "models" / name).glob("*.onnx")))
    for value in proto.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            dim.dim_value = dim.dim_value or 1
    for value in (*proto.graph.output, *proto.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            dim.ClearField("dim_param")
    proto = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    found = check(ir.serde.deserialize_model(proto), nnapi_rules(7))
    nodes, supported, partitions = _counted(proto)
    said = Counter(each.verdicts[NNAPI].why for each in found.units if each.partition is None)
    assert said == ZOO[name]
    assert (found.nodes, found.supported) == (nodes, supported - said.total())
    if not said:
        assert found.partitions == partitions


def _helpers() -> Path:
    spec = find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        pytest.skip("without the onnxruntime wheel")
    folder = Path(spec.origin).parent / "tools/mobile_helpers"
    if not folder.is_dir():
        pytest.skip("this onnxruntime ships no mobile helpers")
    return folder


def _counted(proto: onnx.ModelProto) -> tuple[int, int, int]:
    """Nodes, those supported, and partitions of onnxruntime.tools.check_onnx_model_mobile_usability."""
    _helpers()
    usability = pytest.importorskip("onnxruntime.tools.mobile_helpers.usability_checker")
    told = usability.check_nnapi_partitions(proto, require_fixed_input_sizes=True)
    return told.num_nodes, told.num_supported_nodes, told.num_partitions
