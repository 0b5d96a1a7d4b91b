"""What comes through a host is what the same ONNX Runtime says in this process."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest
from support.hosts import model, place

from edgec.errors import EdgecError, HostError, ModelError, SamplesError
from edgec.runtimes import runner, runtime
from edgec.runtimes.base import ModelInMemory, SessionSettings
from edgec.runtimes.host.runtime import HostRuntime
from edgec.runtimes.host.session import HostSession

HERE = runtime("onnxruntime-cpu")
KINDS = """<ir_version: 8, opset_import: ["": 17]>
g (string[N] s, bool b, float16[2, N] h, int64[N, 0] none, double d, uint8[N, 3] u, int8 i)
=> (string[N] s2, bool b2, float16[N, 2] h2, int64[0, N] none2, double d2, uint8[N, 3] u2, int8 i2) {
    s2 = Identity(s)
    b2 = Not(b)
    h2 = Transpose(h)
    none2 = Transpose(none)
    d2 = Neg(d)
    u2 = Identity(u)
    i2 = Identity(i)
}"""
QDQ = """<ir_version: 8, opset_import: ["": 17]>
g (float[N, 8, 12, 12] x) => (float[N, 4] z) {
    xq = QuantizeLinear(x, xs, xz)
    xd = DequantizeLinear(xq, xs, xz)
    wd = DequantizeLinear<axis = 0>(w, ws, wz)
    y = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(xd, wd)
    r = Relu(y)
    yq = QuantizeLinear(r, ys, yz)
    yd = DequantizeLinear(yq, ys, yz)
    p = GlobalAveragePool(yd)
    f = Flatten(p)
    m = MatMul(f, v)
    z = Softmax<axis = 1>(m)
}"""


@pytest.fixture(scope="module")
def host():
    made = place()
    yield made
    made.close()


@pytest.fixture(scope="module")
def quantized() -> bytes:
    """A convolution in integers, a float MatMul, a Softmax."""
    rng = np.random.default_rng(5)
    proto = onnx.parser.parse_model(QDQ)
    arrays = {
        "xs": np.float32(0.03),
        "xz": np.uint8(128),
        "ys": np.float32(0.05),
        "yz": np.uint8(0),  # what the Relu before it cuts off
        "w": rng.integers(-127, 128, (16, 8, 3, 3)).astype(np.int8),
        "ws": rng.uniform(0.001, 0.01, 16).astype(np.float32),
        "wz": np.zeros(16, np.int8),
        "v": rng.standard_normal((16, 4)).astype(np.float32),
    }
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items())
    return proto.SerializeToString()


@pytest.fixture(scope="module")
def image() -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(6).standard_normal((2, 8, 12, 12)).astype(np.float32)}


def refusal(act) -> tuple[type[EdgecError], str]:
    with pytest.raises(EdgecError) as caught:
        act()
    return type(caught.value), str(caught.value)


# ---- values


def test_every_kind_of_tensor_passes(host):
    feeds = {
        "s": np.array(["a", "bé", ""], dtype=object),
        "b": np.array(True),
        "h": np.arange(6, dtype=np.float16).reshape(2, 3),
        "none": np.zeros((3, 0), np.int64),
        "d": np.array(2.5),
        "u": np.arange(18, dtype=np.uint8).reshape(3, 6)[:, ::2],
        "i": np.array(-7, np.int8),
    }
    found, here = host.open(model(KINDS)).run(feeds), HERE.open(model(KINDS)).run(feeds)
    assert list(found) == list(here)
    for name, value in here.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape), name
        np.testing.assert_array_equal(found[name], value)


def test_only_tensors_come_back(host):
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (float[2] x) => (seq(float[2]) y) { y = SequenceConstruct(x, x) }"""
    assert refusal(lambda: host.open(model(text)).run({"x": np.ones(2, np.float32)})) == (
        ModelError,
        "model: ONNX Runtime 1.31.1 of runtime 'place' fails when running it: output 'y' is a list, only tensors are "
        "sent back. Check the feeds against the model's inputs; if they are right, it cannot run there.".replace(
            "1.31.1", host.facts().onnxruntime
        ),
    )


@pytest.mark.parametrize(
    "settings",
    [
        SessionSettings(threads=1),
        SessionSettings(threads=2, optimize=False),
        SessionSettings(threads=1, config={"session.disable_quant_qdq": "1"}),
    ],
    ids=["optimized", "as written", "QDQ left"],
)
def test_outputs_and_placement_are_those_of_this_process(host, quantized, image, settings):
    there, here = host.open(quantized, settings), HERE.open(quantized, settings)
    assert (there.inputs, there.outputs, there.threads) == (here.inputs, here.outputs, here.threads)
    np.testing.assert_array_equal(there.run(image)["z"], here.run(image)["z"])
    assert there.placement(image) == here.placement(image)


def test_settings_reach_the_host(host, quantized, image):
    shares = [
        host.open(quantized, settings).placement(image).integer_mac_share
        for settings in (SessionSettings(), SessionSettings(config={"session.disable_quant_qdq": "1"}))
    ]
    assert shares[0] is not None
    assert shares[0] > 0.9
    assert shares[1] == 0


def test_latency_is_that_of_the_host_alone(host, image, quantized):
    session = host.open(quantized, SessionSettings(threads=1))
    latency = session.latency(image, 20)
    assert (latency.runs, latency.threads) == (20, 1)
    assert 0 < latency.minimum <= latency.p50 <= latency.p95
    assert session.load_seconds > 0


def test_facts_are_those_of_the_interpreter(host):
    assert host.facts() == HERE.facts()
    assert place(emulated="qemu-none 1.0").facts().emulated == "qemu-none 1.0"


def test_a_file_its_bytes_and_its_parts_answer_alike(host, quantized, image, tmp_path):
    save_apart(quantized, tmp_path, "model.onnx.data")
    parts = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    initializers = onnx.load_from_string(quantized).graph.initializer
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in initializers}
    in_memory = ModelInMemory(graph=parts.SerializeToString(), weights=weights)
    want = HERE.open(quantized).run(image)["z"]
    for source in (quantized, tmp_path / "model.onnx", in_memory):
        np.testing.assert_array_equal(host.open(source).run(image)["z"], want)
    assert host.open(in_memory).placement(image) == HERE.open(in_memory).placement(image)


# ---- what it refuses


def test_wrong_feeds_are_refused_before_they_are_sent(host):
    there, here = host.open(model()), HERE.open(model())
    for feeds in ({}, {"x": np.ones(2)}, {"x": np.ones((2, 2), np.float32)}, {"z": np.ones(2, np.float32)}):
        for ask in ("run", "placement"):
            assert refusal(lambda: getattr(there, ask)(feeds)) == refusal(lambda: getattr(here, ask)(feeds))  # noqa: B023
        assert refusal(lambda: there.latency(feeds, 10))[0] is SamplesError  # noqa: B023


def test_a_wrong_path(host, tmp_path):
    missing = tmp_path / "missing.onnx"
    assert refusal(lambda: host.open(missing)) == (ModelError, f"{missing}: no such file. Check the path.")


@pytest.mark.parametrize("shares", [True, False])
def test_a_corrupt_model(tmp_path, shares):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    here = place(shares_files=shares)
    assert refusal(lambda: here.open(broken)) == (
        ModelError,
        f"{broken}: ONNX Runtime {here.facts().onnxruntime} of runtime 'place' cannot open it: Protobuf parsing "
        "failed. Compile it for a target of that runtime, which pins the opset it loads.",
    )
    here.close()


def test_an_operator_it_does_not_know(host):
    text = """<ir_version: 8, opset_import: ["": 17, "com.nobody": 1]>
    g (float[N] x) => (float[N] y) { y = com.nobody.Teleport(x) }"""
    assert refusal(lambda: host.open(model(text))) == (
        ModelError,
        f"model: ONNX Runtime {host.facts().onnxruntime} of runtime 'place' cannot open it: "
        "Fatal error: com.nobody:Teleport(-1) is not a registered function/op. "
        "Compile it for a target of that runtime, which pins the opset it loads.",
    )


def test_an_opset_of_the_future(host):
    proto = onnx.load_from_string(model())
    proto.opset_import[0].version = 99
    kind, message = refusal(lambda: host.open(proto.SerializeToString()))
    assert kind is ModelError
    assert "Opset 99 is under development" in message
    assert message.endswith("Compile it for a target of that runtime, which pins the opset it loads.")


def test_a_kernel_that_fails(host):
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (float[N, 3] x) => (float[M, K] y) {
        s = Constant<value: tensor = int64[2] {2, 2}>()
        y = Reshape(x, s)
    }"""
    session = host.open(model(text))
    for ask in (session.run, session.run_seconds, session.placement):
        assert refusal(lambda: ask({"x": np.ones((1, 3), np.float32)})) == (  # noqa: B023
            ModelError,
            f"model: ONNX Runtime {host.facts().onnxruntime} of runtime 'place' fails when running it: Non-zero status "
            "code returned while running Reshape node. Name:'' Status Message: input_shape_size == "
            "requested_shape_size was false. The input tensor cannot be reshaped to the requested shape. Input "
            "shape:{1,3}, requested shape:{2,2}. Check the feeds against the model's inputs; if they are right, it "
            "cannot run there.",
        )


def test_a_provider_that_is_not_there():
    launch = place()._launch
    wanted = ("XnnpackExecutionProvider", "CPUExecutionProvider")
    here = HostRuntime(name="xnnpack", launch=launch, missing=lambda: None, providers=wanted)
    assert refusal(lambda: here.open(model())) == (
        HostError,
        "runtime 'xnnpack': does not run it where the target asks for: this ONNX Runtime has no "
        "XnnpackExecutionProvider. Install it anew: edgec runtime install xnnpack --force.",
    )
    here.close()


def test_a_provider_that_does_not_register(tmp_path):
    """ONNX Runtime goes on without it and says so in its log only."""
    package = tmp_path / "onnxruntime"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import sys; sys.path.remove(sys.path[0]); del sys.modules['onnxruntime']\n"
        "import onnxruntime\n"
        "onnxruntime.get_available_providers = lambda: ['QNNExecutionProvider', 'CPUExecutionProvider']\n"
        "whole = onnxruntime.InferenceSession\n"
        "onnxruntime.InferenceSession = lambda *a, providers: whole(*a, providers=['CPUExecutionProvider'])\n"
        "sys.modules['onnxruntime'] = onnxruntime\n"
    )
    launch = place(site=(tmp_path,))._launch
    wanted = ("QNNExecutionProvider", "CPUExecutionProvider")
    here = HostRuntime(name="qnn", launch=launch, missing=lambda: None, providers=wanted)
    assert refusal(lambda: here.open(model())) == (
        HostError,
        "runtime 'qnn': does not run it where the target asks for: ONNX Runtime opened it with "
        "['CPUExecutionProvider'], not ['QNNExecutionProvider', 'CPUExecutionProvider']. "
        "Install it anew: edgec runtime install qnn --force.",
    )
    here.close()


def test_a_refusal_leaves_the_host_as_it_was(host, tmp_path):
    before = host._running().process_id
    for source in (b"not a model", tmp_path / "missing.onnx"):
        refusal(lambda: host.open(source))  # noqa: B023
    assert host._running().process_id == before


# ---- a model that is sent along


def save_apart(model_bytes: bytes, folder, location: str) -> onnx.ModelProto:
    proto = onnx.load_from_string(model_bytes)
    (folder / location).parent.mkdir(parents=True, exist_ok=True)
    onnx.external_data_helper.convert_model_to_external_data(proto, location=location, size_threshold=0)
    onnx.save(proto, folder / "model.onnx")
    return proto


@pytest.mark.parametrize("location", ["model.onnx.data", "weights/all.bin"])
def test_a_model_with_its_weights_is_sent(quantized, image, tmp_path, location):
    save_apart(quantized, tmp_path, location)
    want = HERE.open(quantized).run(image)["z"]
    far = place(shares_files=False)
    session = far.open(tmp_path / "model.onnx")
    shutil.rmtree(tmp_path)
    np.testing.assert_array_equal(session.run(image)["z"], want)
    assert session.placement(image).integer_mac_share == pytest.approx(0.99, abs=0.01)
    far.close()


def test_a_twin_of_the_runner_is_started_by_its_file_and_sent_the_model(quantized, image, tmp_path):
    twin = tmp_path / "twin.py"
    note = tmp_path / "note"
    twin.write_text(
        f"import pathlib, runpy, sys\npathlib.Path({str(note)!r}).write_text(' '.join(sys.argv[1:]))\n"
        f"sys.argv[1:] = []\nrunpy.run_path({runner.__file__!r}, run_name='__main__')\n"
    )
    save_apart(quantized, tmp_path, "model.onnx.data")
    far = place(shares_files=False, runner=twin, site=(tmp_path / "site",))
    session = far.open(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").unlink()
    np.testing.assert_array_equal(session.run(image)["z"], HERE.open(quantized).run(image)["z"])
    assert session.placement(image).integer_mac_share == pytest.approx(0.99, abs=0.01)
    assert note.read_text() == str(tmp_path / "site")
    far.close()


def test_a_model_whose_weights_are_missing(quantized, tmp_path):
    save_apart(quantized, tmp_path, "model.onnx.data")
    (tmp_path / "model.onnx.data").unlink()
    far = place(shares_files=False)
    assert refusal(lambda: far.open(tmp_path / "model.onnx")) == (
        ModelError,
        f"{tmp_path / 'model.onnx'}: its file model.onnx.data cannot be read: No such file or directory. "
        "Keep the model and the files it names together.",
    )
    far.close()


def test_weights_of_a_branch_are_sent(tmp_path):
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (bool c) => (float[2] y) {
        y = If(c) <then_branch = t () => (float[2] a) { a = Identity(k) },
                   else_branch = e () => (float[2] b) { b = Neg(k) }>
    }"""
    proto = onnx.parser.parse_model(text)
    for attribute in proto.graph.node[0].attribute:
        attribute.g.initializer.append(onnx.numpy_helper.from_array(np.array([1, 2], np.float32), "k"))
    save_apart(proto.SerializeToString(), tmp_path, "model.onnx.data")
    far = place(shares_files=False)
    np.testing.assert_array_equal(far.open(tmp_path / "model.onnx").run({"c": np.array(False)})["y"], [-1, -2])
    far.close()


# ---- closing


def test_a_closed_session_is_freed_in_the_host(host):
    session = host.open(model())
    assert isinstance(session, HostSession)
    session.close()
    session.close()
    assert refusal(lambda: session.run({"x": np.ones(2, np.float32)}))[0] is HostError


def test_closing_after_the_end_of_the_host_is_no_error():
    here = place()
    session = here.open(model())
    here.close()
    session.close()


def test_a_session_nobody_holds_is_freed_with_the_next_request(host):
    first = host.open(model())
    number = first._number
    del first
    host.open(model())
    header, _ = host._running().ask({"do": "run", "session": number}, {}, what="run")
    assert header["message"] == f"KeyError: {number}"
