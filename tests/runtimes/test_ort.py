from __future__ import annotations

import numpy as np
import pytest

from edgec.errors import ModelError, SamplesError, TargetError
from edgec.runtimes import RUNTIMES, runner, runtime
from edgec.runtimes.base import SessionSettings, TensorInfo
from edgec.runtimes.ort_session import ort_message

ADD = """<ir_version: 8, opset_import: ["": 17]>
add (float[N, 3] x, int64[3] k) => (float[N, 3] y, int64[3] twice) {
    f = Cast<to = 1>(k)
    y = Add(x, f)
    twice = Add(k, k)
}"""
RESHAPE = """<ir_version: 8, opset_import: ["": 17]>
g (float[N, 3] x) => (float[M, K] y) {
    s = Constant<value: tensor = int64[2] {2, 2}>()
    y = Reshape(x, s)
}"""
X = np.arange(6, dtype=np.float32).reshape(2, 3)
K = np.array([1, 2, 3])
CPU = runtime("onnxruntime-cpu")


def refusal(act) -> tuple[type[Exception], str]:
    with pytest.raises((ModelError, SamplesError)) as caught:
        act()
    return type(caught.value), str(caught.value)


def test_it_is_available_and_known_by_name():
    assert CPU.name == "onnxruntime-cpu"
    assert CPU.available() is None


def test_an_unknown_runtime_is_an_error():
    with pytest.raises(TargetError) as caught:
        runtime("qnn")
    assert str(caught.value) == (
        f"runtime 'qnn': is not a runtime edgec has. Choose one of {', '.join(RUNTIMES)}, "
        "python:INTERPRETER, ssh:MACHINE or adb:DEVICE."
    )


def test_signature_and_outputs_by_name(model):
    session = CPU.open(model(ADD), SessionSettings(threads=1))
    assert session.inputs == (
        TensorInfo(name="x", dtype=np.dtype(np.float32), shape=("N", 3)),
        TensorInfo(name="k", dtype=np.dtype(np.int64), shape=(3,)),
    )
    assert [info.name for info in session.outputs] == ["y", "twice"]
    assert session.threads == 1
    assert session.load_seconds > 0
    outputs = session.run({"x": X, "k": K})
    np.testing.assert_array_equal(outputs["y"], X + K)
    np.testing.assert_array_equal(outputs["twice"], 2 * K)


def test_a_file_and_its_bytes_answer_alike(model, tmp_path):
    file = tmp_path / "add.onnx"
    file.write_bytes(model(ADD))
    feeds = {"x": X, "k": K}
    np.testing.assert_array_equal(CPU.open(file).run(feeds)["y"], CPU.open(model(ADD)).run(feeds)["y"])


def test_arrays_that_are_not_contiguous_are_taken(model):
    wide = np.zeros((2, 6), np.float32)
    wide[:, ::2] = X
    np.testing.assert_array_equal(CPU.open(model(ADD)).run({"x": wide[:, ::2], "k": K})["y"], X + K)


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({"x": X}, "input 'k': has no feed. The model's inputs are: x, k."),
        ({"x": X, "k": K, "z": K}, "input 'z': is not an input of the model. The model's inputs are: x, k."),
        (
            {"x": X.astype(np.float64), "k": K},
            "input 'x': has dtype float64, the model needs float32. Convert the array, or declare its preprocessing.",
        ),
        (
            {"x": X.T.copy(), "k": K},
            "input 'x': has shape [3, 2], the model needs [N, 3]. Reshape the array, or declare its preprocessing.",
        ),
        (
            {"x": X[0], "k": K},
            "input 'x': has shape [3], the model needs [N, 3]. Reshape the array, or declare its preprocessing.",
        ),
    ],
)
def test_wrong_feeds_are_refused(model, feeds, message):
    session = CPU.open(model(ADD))
    assert refusal(lambda: session.run(feeds)) == (SamplesError, message)


def test_a_model_it_cannot_open_is_one_clean_paragraph(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    assert refusal(lambda: CPU.open(broken)) == (
        ModelError,
        f"{broken}: ONNX Runtime cannot open it: Protobuf parsing failed. "
        "Check the file with `edgec inspect`, and its opset and operators against this ONNX Runtime.",
    )
    missing = tmp_path / "missing.onnx"
    assert refusal(lambda: CPU.open(missing)) == (ModelError, f"{missing}: no such file. Check the path.")


def test_a_kernel_that_fails_is_named_without_cpp_noise(model, capfd):
    session = CPU.open(model(RESHAPE))
    kind, message = refusal(lambda: session.run({"x": X[:1]}))
    assert kind is ModelError
    assert message == (
        "model: ONNX Runtime fails when running it: Non-zero status code returned while running Reshape node. "
        "Name:'' Status Message: input_shape_size == requested_shape_size was false. The input tensor cannot be "
        "reshaped to the requested shape. Input shape:{1,3}, requested shape:{2,2}. Check the feeds against the "
        "model's inputs; if they are right, the model cannot run here."
    )
    assert capfd.readouterr() == ("", "")  # ONNX Runtime itself logs nothing


def test_the_message_of_an_error_without_noise_is_kept():
    assert ort_message(RuntimeError("[ONNXRuntimeError] : 1 : FAIL : plain words")) == "plain words"
    assert ort_message(RuntimeError("")) == "RuntimeError"


def test_optimizations_can_be_turned_off(model):
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (float[2] x) => (float[2] y) {
        a = Identity(x)
        b = Relu(a)
        y = Relu(b)
    }"""
    feeds = {"x": np.ones(2, np.float32)}
    on = CPU.open(model(text)).placement(feeds)
    off = CPU.open(model(text), SessionSettings(optimize=False)).placement(feeds)
    assert [kernel.op_type for kernel in off.kernels] == ["Identity", "Relu", "Relu"]
    assert len(on.kernels) < 3


def test_latency_counts_its_runs(model):
    latency = CPU.open(model(ADD), SessionSettings(threads=1)).latency({"x": X, "k": K}, 20)
    assert (latency.runs, latency.threads) == (20, 1)
    assert 0 < latency.minimum <= latency.p50 <= latency.p95


def test_memory_is_taken_piece_by_piece_where_that_is_asked(model):
    made = [runner.options(**SessionSettings(patterns=each).options()) for each in (True, False)]
    assert [each.enable_mem_pattern for each in made] == [True, False]
    plain, sparing = (CPU.open(model(ADD), SessionSettings(patterns=each)) for each in (True, False))
    for _ in range(3):  # the second run of a shape takes the block that the first one showed
        np.testing.assert_array_equal(plain.run({"x": X, "k": K})["y"], sparing.run({"x": X, "k": K})["y"])
