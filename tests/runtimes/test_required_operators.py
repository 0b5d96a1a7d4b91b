"""The configuration of a reduced build: as ONNX Runtime's tools read it, and nothing that a session needs left out."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from support.graphs import weights
from support.protos import proto
from support.reduced import lacking, needed

from edgec.errors import ModelError
from edgec.runtimes.ort_format import REPLAY, required_of, save_ort_format
from edgec.runtimes.ort_graph import OrtNode, ort_nodes, saved_fusions
from edgec.runtimes.required_operators import BY_TYPE, ONE_HOT, required_operators

QDQ = """g (float[1, 4, 8, 8] x, bool c) => (float[1, 4, 8, 8] y, int64[1, 4, 8, 1] at) {
    xq = QuantizeLinear(x, s, z)
    xd = DequantizeLinear(xq, s, z)
    wd = DequantizeLinear(w, s, z)
    a = Conv(xd, wd)
    aq = QuantizeLinear(a, s, z)
    ad = DequantizeLinear(aq, s, z)
    b = If(c) <
        then_branch = t () => (float[1, 4, 8, 8] o) { o = Sin(ad) },
        else_branch = u () => (float[1, 4, 8, 8] p) {
            p = If(c) <
                then_branch = v () => (float[1, 4, 8, 8] q) { q = Exp(ad) },
                else_branch = r () => (float[1, 4, 8, 8] n) { n = Neg(ad) }
            >
        }
    >
    y = Add(b, x)
    at = ArgMax <axis = 3> (b)
}"""
DYNAMIC = """g (float[N, 8] x, int64[N] i, uint32[2, 2] u)
    => (float[N, 4] y, float[N, 5] h, uint32[2, 2] m, float[N, 4] k) {
    xq, s, z = DynamicQuantizeLinear(x)
    p = MatMulInteger(xq, w, z)
    f = Cast <to = 1> (p)
    t = Mul(s, ws)
    g = Mul(f, t)
    y = Add(g, b)
    h = OneHot(i, depth, onoff)
    m = MatMul(u, u)
    n = Pow(y, two)
    k = Where(mask, n, y)
}"""
CONSTANTS = {
    "QDQ": {"w": np.arange(-8, 8, dtype=np.int8).reshape(4, 4, 1, 1), "s": np.float32(0.05), "z": np.int8(0)},
    "DYNAMIC": {
        "w": np.arange(32, dtype=np.uint8).reshape(8, 4),
        "ws": np.float32(0.1),
        "b": weights(4),
        "depth": np.int64(5),
        "onoff": np.array([0, 1], np.float32),
        "two": np.int64(2),
        "mask": np.array([True, False, True, False]),
    },
}


def written(folder: Path, text: str, *, later: bool) -> tuple[Path, Path, dict[str, str]]:
    """A model of this module in ORT format, what is required for it, and how it is opened."""
    onnx.save(proto(globals()[text], opset=17, ir_version=8, **CONSTANTS[text]), folder / "model.onnx")
    file, config = folder / "model.ort", {REPLAY: "1"} if later else {}
    save_ort_format(folder / "model.onnx", file, later=later, signed=True)
    required = folder / "required.config"
    required.write_text(required_of(file, config, "test", arm64=False))
    return file, required, config


def node(key: tuple[str, str], since: int, inputs: tuple[str | None, ...], outputs: tuple[str | None, ...]) -> OrtNode:
    return OrtNode(domain=key[0], op=key[1], since=since, inputs=inputs, outputs=outputs)


def parse(text: str, folder: Path) -> Any:
    parser: Any = importlib.import_module("onnxruntime.tools.reduced_build_config_parser")
    (folder / "read.config").write_text(text)
    return parser.parse_config(str(folder / "read.config"), True)


def test_the_table_is_that_of_onnx_runtime() -> None:
    """When this fails, another version has kernels by type of other operators: the table follows it."""
    importlib.import_module("onnxruntime.tools.ort_format_model")
    module: Any = importlib.import_module("onnxruntime.tools.ort_format_model.operator_type_usage_processors")
    theirs = module._create_operator_type_usage_processors()
    one_hot = theirs.pop(":".join(ONE_HOT))
    assert type(one_hot).__name__ == "OneHotProcessor"
    assert {":".join(key): operands for key, operands in BY_TYPE.items()} == {
        key: (tuple(each._input_types), tuple(each._output_types)) for key, each in theirs.items()
    }


def test_written_by_hand() -> None:
    nodes = [
        node(("ai.onnx", "Cast"), 13, ("float",), ("int64_t",)),
        node(("ai.onnx", "Relu"), 14, ("float",), ("float",)),
        node(("ai.onnx", "Cast"), 9, ("bool",), ("float",)),
        node(("com.microsoft", "FusedConv"), 1, ("float", "float", None), ("float",)),
        node(("ai.onnx", "Slice"), 1, ("float",), ("float",)),
        node(("ai.onnx", "Slice"), 13, ("int8_t", "int64_t", "int64_t"), ("int8_t",)),
        node(("ai.onnx", "Abs"), 13, (None,), (None,)),
        node(("ai.onnx", "Abs"), 13, ("float",), ("float",)),
        node(("ai.onnx", "MatMul"), 13, ("uint32_t", "uint32_t"), ("uint32_t",)),
        node(ONE_HOT, 11, ("int64_t", "int32_t", "float"), ("float",)),
    ]
    cast = '{"inputs": {"0": ["bool", "float"]}, "outputs": {"0": ["float", "int64_t"]}}'
    cut = '{"inputs": {"0": ["float", "int8_t"], "1": ["int64_t"]}}'
    assert required_operators(nodes, "as told") == (
        "# as told\n"
        f"ai.onnx;1;Slice{cut}\n"
        f"ai.onnx;9;Cast{cast}\n"
        'ai.onnx;11;OneHot{"custom": [["int64_t", "float", "int32_t"]]}\n'
        f'ai.onnx;13;Abs,Cast{cast},MatMul{{"inputs": {{"0": ["int32_t", "uint32_t"]}}}},Slice{cut}\n'
        'ai.onnx;14;Relu{"inputs": {"0": ["float"]}}\n'
        "com.microsoft;1;FusedConv\n"
    )


KINDS = st.sampled_from(["float", "int64_t", "uint8_t", None])
NODES = st.lists(
    st.builds(
        node,
        st.sampled_from([*BY_TYPE, ("com.microsoft", "Gelu"), ("ai.onnx", "Reshape")]),
        st.integers(1, 20),
        st.tuples(KINDS, KINDS),
        st.tuples(KINDS),
    ),
    max_size=12,
)


@given(nodes=NODES, data=st.data())
def test_the_parser_reads_every_operator_and_type(
    nodes: list[OrtNode], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = required_operators(nodes, "x")
    assert required_operators(data.draw(st.permutations(nodes)), "x") == text
    ops, filter_ = parse(text, tmp_path_factory.getbasetemp())
    assert {(domain, op, since) for domain, each in ops.items() for since, named in each.items() for op in named} == {
        (each.domain, each.op, each.since) for each in nodes
    }
    for each in nodes:
        if filter_ is not None and each.op in ("Relu", "Conv", "Gemm") and each.inputs[0]:
            assert filter_.is_typed_registration_needed(each.domain, each.op, each.inputs[0])


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("text", ["QDQ", "DYNAMIC"])
def test_the_nodes_are_those_the_bindings_read(text: str, later: bool, tmp_path: Path) -> None:
    """Of the graph a session makes: its own file beside ours, subgraphs of subgraphs too."""
    file, _, config = written(tmp_path, text, later=later)
    theirs = needed(file, config)
    ours = {
        (each.domain, each.op, each.since, tuple(kind or "" for kind in each.inputs), tuple(map(str, each.outputs)))
        for each in ort_nodes(file.with_suffix(".opened.ort").read_bytes())
    }
    assert ours == theirs
    if text == "QDQ":
        assert {"Neg", "Exp", "Sin", "If"} <= {each[1] for each in ours}


def test_fusions_kept_for_later_are_read(tmp_path: Path) -> None:
    file, required, _ = written(tmp_path, "QDQ", later=True)
    assert set(saved_fusions(file.read_bytes())) == {("ai.onnx", "QLinearConv", 10)}
    ops = parse(required.read_text(), tmp_path)[0]
    assert "QLinearConv" in ops["ai.onnx"][10]  # where the layout is not changed
    assert "QLinearConv" in ops["com.microsoft"][1]  # where it is
    assert "Conv" in ops["ai.onnx"][11]  # where nothing is fused
    assert not [*saved_fusions(written(tmp_path, "QDQ", later=False)[0].read_bytes())]


@pytest.mark.parametrize(("text", "later", "listed"), [("QDQ", True, True), ("QDQ", False, False)])
def test_arm64_may_compute_float_convolutions_otherwise(text: str, later: bool, listed: bool, tmp_path: Path) -> None:
    """Fused, this model has none."""
    file, required, config = written(tmp_path, text, later=later)
    assert "NhwcFusedConv" not in required.read_text()
    found = required_of(file, config, "test", arm64=True)
    assert ("NhwcFusedConv" in parse(found, tmp_path)[0]["com.microsoft"][1]) == listed


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("text", ["QDQ", "DYNAMIC"])
def test_a_reduced_build_lacks_nothing(text: str, later: bool, tmp_path: Path) -> None:
    file, required, config = written(tmp_path, text, later=later)
    assert lacking(required, file, config) == []
    assert lacking(required, file, {}) == []  # no fusion as it opens


@pytest.mark.parametrize("text", ["QDQ", "DYNAMIC"])
def test_whatever_is_taken_out_is_lacked(text: str, tmp_path: Path) -> None:
    """The tester: without any one operator, or any one type, a build cannot open the file."""
    file, required, config = written(tmp_path, text, later=False)
    whole = required.read_text()
    operators = re.findall(r"[;,]([A-Z]\w+)", whole)
    assert len(operators) >= 5
    for name in operators:
        required.write_text(re.sub(rf"(?<=[;,]){name}\b", f"Not{name}", whole))
        assert any(f":{name}(" in reason for reason in lacking(required, file, config)), name
    held = {"MatMul": "uint32_t", "DequantizeLinear": "int8_t"}  # kept under another type, or at any rate
    for name, said in re.findall(r"[;,]([A-Z]\w+)(\{.*?\]\}+)", whole):
        for kind in sorted(set(re.findall(r'"(\w+_t|float|bool)"', said)) - {held.get(name)}):
            required.write_text(whole.replace(name + said, name + said.replace(f'"{kind}"', '"double"')))
            assert any(f":{name}" in reason for reason in lacking(required, file, config)), (name, kind)


def test_what_cannot_be_read_back_is_refused(tmp_path: Path) -> None:
    """The format has no 4-bit integers: ONNX Runtime writes such weights and does not read them (1.31.1)."""
    codes = helper.make_tensor("w", TensorProto.INT4, [64, 16], bytes(512), raw=True)
    scales = helper.make_tensor("s", TensorProto.FLOAT, [2, 16], np.ones(32, np.float32).tobytes(), raw=True)
    text = """g (int64[3] i) => (float[3, 16] y) {
        d = DequantizeLinear <axis = 0, block_size = 32> (w, s)
        y = Gather(d, i)
    }"""
    model = proto(text, opset=21, ir_version=10)
    model.graph.initializer.extend([codes, scales])
    onnx.save(model, tmp_path / "model.onnx")
    save_ort_format(tmp_path / "model.onnx", tmp_path / "model.ort", later=False, signed=True)
    with pytest.raises(ModelError) as caught:
        required_of(tmp_path / "model.ort", {}, "x", arm64=True)
    assert str(caught.value) == (
        "model.ort: ONNX Runtime cannot open what it wrote: Unsupported tensor data type '<unknown>' for tensor 'w'. "
        "Invalid ORT format model. No device could. Leave --ort out: full packages of ONNX Runtime read model.onnx."
    )
