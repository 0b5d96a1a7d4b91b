"""A model in ORT format: the same bytes from every process, and read by sessions and by the format's own bindings."""

from __future__ import annotations

import importlib
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import weights
from support.protos import proto

from edgec.errors import ModelError
from edgec.runtimes.base import SessionSettings
from edgec.runtimes.ort import OrtCpu
from edgec.runtimes.ort_format import REPLAY, save_ort_format
from edgec.runtimes.ort_graph import saved_fusions
from edgec.runtimes.ort_order import IDENTIFIER, in_order

TEXT = """g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {
    xq = QuantizeLinear(x, s, z)
    xd = DequantizeLinear(xq, s, z)
    wd = DequantizeLinear(w, s, z)
    c = Conv(xd, wd)
    cq = QuantizeLinear(c, s, z)
    cd = DequantizeLinear(cq, s, z)
    e = Erf(cd)
    y = Add(e, x)
}"""
X = {"x": np.random.default_rng(0).normal(0, 1, (1, 4, 8, 8)).astype(np.float32)}
SCRIPT = """
import hashlib, sys
from pathlib import Path
from edgec.runtimes.ort_format import save_ort_format
for later in (False, True):
    save_ort_format(Path(sys.argv[1]), Path(sys.argv[2]), later=later, signed=True)
    print(hashlib.sha256(Path(sys.argv[2]).read_bytes()).hexdigest())
"""
Index = dict[bytes, dict[bytes, list[tuple[int, int]]]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ort") / "model.onnx"
    codes = np.arange(-8, 8, dtype=np.int8).reshape(4, 4, 1, 1)
    onnx.save(proto(TEXT, opset=17, ir_version=8, w=codes, s=np.float32(0.05), z=np.int8(0)), file)
    return file


@pytest.fixture(scope="module")
def raw(model: Path) -> bytes:
    """As ONNX Runtime writes it."""
    made = onnxruntime.SessionOptions()
    made.log_severity_level = 3
    made.optimized_model_filepath = str(model.with_name("raw.ort"))
    made.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(str(model), made, providers=["CPUExecutionProvider"])
    return model.with_name("raw.ort").read_bytes()


def read(data: bytes) -> Any:
    """The file's root, by the bindings in ONNX Runtime's own wheel."""
    importlib.import_module("onnxruntime.tools.ort_format_model")  # makes the next one importable
    module: Any = importlib.import_module("ort_flatbuffers_py.fbs.InferenceSession")
    assert module.InferenceSession.InferenceSessionBufferHasIdentifier(data, 0)
    return module.InferenceSession.GetRootAs(bytearray(data), 0)


def index(root: Any) -> Index:
    resolver, found = root.KernelTypeStrResolver(), {}
    for number in range(resolver.OpKernelTypeStrArgsLength()):
        op = resolver.OpKernelTypeStrArgs(number)
        types = (op.KernelTypeStrArgs(each) for each in range(op.KernelTypeStrArgsLength()))
        found[op.OpId()] = {
            each.KernelTypeStr(): [(each.Args(n).ArgType(), each.Args(n).Index()) for n in range(each.ArgsLength())]
            for each in types
        }
    return found


def order(root: Any) -> list[bytes]:
    resolver = root.KernelTypeStrResolver()
    return [resolver.OpKernelTypeStrArgs(each).OpId() for each in range(resolver.OpKernelTypeStrArgsLength())]


def joined(data: bytes) -> bytes:
    return b"".join(in_order(data))


def permuted(data: bytes, ranks: list[int]) -> bytes:
    """The file with its index in another order."""
    changed, root = bytearray(data), read(data)
    table = root.KernelTypeStrResolver()._tab
    start = table.Vector(table.Offset(4))
    places = [start + 4 * each for each in range(table.VectorLen(table.Offset(4)))]
    targets = [place + struct.unpack_from("<I", data, place)[0] for place in places]
    for place, rank in zip(places, ranks, strict=True):
        struct.pack_into("<I", changed, place, targets[rank] - place)
    return bytes(changed)


def test_what_is_written_anew_says_the_same(raw: bytes) -> None:
    before, after = read(raw), read(joined(raw))
    assert index(after) == index(before) != {}
    assert order(after) == sorted(index(before))
    assert after.OrtVersion() == before.OrtVersion() != b""
    graphs = [each.Model().Graph() for each in (before, after)]
    names = [[graph.Nodes(each).Name() for each in range(graph.NodesLength())] for graph in graphs]
    assert names[0] == names[1] != []


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_order_it_had_does_not_show(raw: bytes, data: st.DataObject) -> None:
    ranks = data.draw(st.permutations(range(len(index(read(raw))))))
    other = permuted(raw, list(ranks))
    assert order(read(other)) == [order(read(raw))[rank] for rank in ranks]
    assert joined(other) == joined(raw)


def test_how_far_off_the_model_lay_does_not_show(raw: bytes) -> None:
    """An index in another order may need 8 bytes more to be aligned (cct_cifar10, one process of eight)."""
    head, rest = in_order(raw)
    table = read(joined(raw))._tab
    place = table.Pos + table.Offset(6)
    farther = bytearray(head + bytes(8) + bytes(rest))
    struct.pack_into("<I", farther, place, struct.unpack_from("<I", head, place)[0] + 8)
    assert index(read(bytes(farther))) == index(read(raw))
    assert joined(bytes(farther)) == joined(raw)


def test_done_twice_changes_nothing(raw: bytes) -> None:
    assert raw[4:8] == IDENTIFIER
    assert joined(joined(raw)) == joined(raw)


def test_every_process_writes_the_same_bytes(model: Path, tmp_path: Path) -> None:
    """Also of a file of another name, in another folder."""
    (tmp_path / "other.onnx").write_bytes(model.read_bytes())
    said = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(source), str(tmp_path / "out.ort")],
            check=True, capture_output=True, text=True,
        ).stdout
        for source in (model, tmp_path / "other.onnx", model)
    }  # fmt: skip
    assert len(said) == 1
    fixed, later = said.pop().split()
    assert fixed != later


@pytest.mark.parametrize("later", [False, True])
def test_a_session_answers_as_one_of_the_model(model: Path, tmp_path: Path, later: bool) -> None:
    saved = save_ort_format(model, tmp_path / "model.ort", later=later, signed=True)
    assert saved.entries == {
        "session.save_model_format": "ORT",
        "session.qdqisint8allowed": "1",
        **({"optimization.minimal_build_optimizations": "save"} if later else {}),
    }
    graph = read((tmp_path / "model.ort").read_bytes()).Model().Graph()
    ops = {graph.Nodes(each).OpType() for each in range(graph.NodesLength())}
    assert (b"QLinearConv" in ops, b"DequantizeLinear" in ops) == (not later, True)
    session = OrtCpu().open(tmp_path / "model.ort", SessionSettings(threads=1, config={REPLAY: "1"} if later else {}))
    wanted = OrtCpu().open(model, SessionSettings(threads=1)).run(X)["y"]
    np.testing.assert_allclose(session.run(X)["y"], wanted, atol=1e-6)


def test_fusions_that_no_session_can_make_are_left_out(tmp_path: Path) -> None:
    """The others stay, in their order. When the second session opens, ONNX Runtime has mended it."""
    text = """g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {
        xq = QuantizeLinear(x, s, z)
        xd = DequantizeLinear(xq, s, z)
        ud = DequantizeLinear(u, s, z)
        a = MatMul(xd, ud)
        aq = QuantizeLinear(a, s, z)
        ad = DequantizeLinear(aq, s, z)
        wd = DequantizeLinear(w, s, z)
        c = Conv(ad, wd)
        cq = QuantizeLinear(c, s, z)
        cd = DequantizeLinear(cq, s, z)
        y = MatMul(cd, ud)
    }"""
    codes, square = np.arange(-8, 8, dtype=np.int8).reshape(4, 4, 1, 1), np.eye(8, dtype=np.int8)
    made = proto(text, opset=17, ir_version=8, w=codes, u=square, s=np.float32(0.05), z=np.int8(0))
    onnx.save(made, tmp_path / "model.onnx")
    file = tmp_path / "model.ort"
    assert save_ort_format(tmp_path / "model.onnx", file, later=True, signed=True).unfused == 2
    assert [*saved_fusions(file.read_bytes())] == [("ai.onnx", "QLinearConv", 10)]
    replay = SessionSettings(threads=1, config={REPLAY: "1"})
    wanted = OrtCpu().open(tmp_path / "model.onnx", SessionSettings(threads=1)).run(X)["y"]
    np.testing.assert_allclose(OrtCpu().open(file, replay).run(X)["y"], wanted, atol=0.051)
    config = {
        "session.save_model_format": "ORT",
        "session.qdqisint8allowed": "1",
        "optimization.minimal_build_optimizations": "save",
    }
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(file)
    for key, value in config.items():
        options.add_session_config_entry(key, value)
    onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), options, providers=["CPUExecutionProvider"])
    with pytest.raises(ModelError, match="Not enough produced nodes"):
        OrtCpu().open(file, replay)


def test_activations_are_unsigned_where_the_device_wants_them_so(model: Path, tmp_path: Path) -> None:
    files = []
    for signed in (False, True):
        saved = save_ort_format(model, tmp_path / "model.ort", later=False, signed=signed)
        assert saved.entries["session.qdqisint8allowed"] == str(int(signed))
        files.append((tmp_path / "model.ort").read_bytes())
    assert files[0] != files[1]


def test_weights_outside_the_model_lie_inside(tmp_path: Path) -> None:
    made = proto("g (float[1, 4] x) => (float[1, 512] y) { y = MatMul(x, w) }", opset=17, ir_version=8,
                 w=weights(4, 512))  # fmt: skip
    onnx.save(made, tmp_path / "model.onnx", save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    feeds = {"x": np.ones((1, 4), np.float32)}
    wanted = OrtCpu().open(tmp_path / "model.onnx").run(feeds)["y"]
    save_ort_format(tmp_path / "model.onnx", tmp_path / "model.ort", later=False, signed=False)
    (tmp_path / "model.onnx.data").unlink()
    np.testing.assert_array_equal(OrtCpu().open(tmp_path / "model.ort").run(feeds)["y"], wanted)


def test_float16_is_refused(tmp_path: Path) -> None:
    half = weights(4, 4, 1, 1).astype(np.float16)
    text = "g (float16[1, 4, 8, 8] x) => (float16[1, 4, 8, 8] y) { y = Conv(x, w) }"
    onnx.save(proto(text, opset=17, ir_version=8, w=half), tmp_path / "model.onnx")
    with pytest.raises(ModelError) as caught:
        save_ort_format(tmp_path / "model.onnx", tmp_path / "model.ort", later=True, signed=True)
    assert str(caught.value) == (
        "model.onnx: computes in float16, for which the CPU provider that writes ORT format has no kernels: it makes "
        "float32 of it, with Casts around every node. The device would compute in float32. Leave --ort out: full "
        "packages of ONNX Runtime read model.onnx."
    )
    assert not (tmp_path / "model.ort").exists()


def test_what_onnx_runtime_refuses_is_said(tmp_path: Path) -> None:
    text = "g (float[1, 4] x) => (float[1, 4] y) { y = com.example.Nothing(x) }"
    made = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17, "com.example": 1]>\n{text}')
    onnx.save(made, tmp_path / "model.onnx")
    with pytest.raises(ModelError) as caught:
        save_ort_format(tmp_path / "model.onnx", tmp_path / "model.ort", later=False, signed=True)
    assert str(caught.value) == (
        "model.onnx: ONNX Runtime cannot write it in ORT format: Fatal error: com.example:Nothing(-1) is not a "
        "registered function/op. Leave --ort out: full packages of ONNX Runtime read model.onnx."
    )
