"""Where kernels ran and what they multiplied, on ONNX Runtime's evidence."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from edgec.errors import ModelError
from edgec.runtimes import runtime
from edgec.runtimes.base import Kernel, Placement, SessionSettings

CPU = runtime("onnxruntime-cpu")
GENERATOR = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return GENERATOR.normal(size=shape).astype(np.float32)


def conv(op: str = "Conv") -> str:
    return f"""<ir_version: 8, opset_import: ["": 17]>
    g (float[1, 3, 16, 16] x) => (float[1, 24, 16, 16] y) {{
        h = {op}<pads = [1, 1, 1, 1]>(x, w)
        r = Relu(h)
        y = Conv<pads = [1, 1, 1, 1], group = 24>(r, d)
    }}"""


QDQ = """<ir_version: 8, opset_import: ["": 17]>
g (float[1, 8, 4, 4] x) => (float[1, 16, 4, 4] z) {
    xq = QuantizeLinear(x, xs, xz)
    xd = DequantizeLinear(xq, xs, xz)
    wd = DequantizeLinear<axis = 0>(w, ws, wz)
    y = Conv<kernel_shape = [1, 1]>(xd, wd)
    yq = QuantizeLinear(y, ys, xz)
    yd = DequantizeLinear(yq, ys, xz)
    z = Conv<kernel_shape = [1, 1]>(yd, f)
}"""


def qdq_arrays() -> dict[str, np.ndarray]:
    return {
        "w": GENERATOR.integers(-127, 127, (12, 8, 1, 1)).astype(np.int8),
        "ws": np.full(12, 0.01, np.float32),
        "wz": np.zeros(12, np.int8),
        "xs": np.array(0.03, np.float32),
        "xz": np.array(128, np.uint8),
        "ys": np.array(0.1, np.float32),
        "f": normal(16, 12, 1, 1),
    }


def test_padded_channels_of_blocked_convolutions_are_not_counted(model):
    """24 channels: the blocked layout pads them to 32 where blocks are of 16, and 3 input channels stay 3."""
    arrays = {"w": normal(24, 3, 3, 3), "d": normal(24, 1, 3, 3)}
    placed = CPU.open(model(conv(), **arrays)).placement({"x": normal(1, 3, 16, 16)})
    assert placed.macs == 256 * 24 * 27 + 256 * 24 * 9
    plain = CPU.open(model(conv(), **arrays), SessionSettings(optimize=False)).placement({"x": normal(1, 3, 16, 16)})
    assert plain.macs == placed.macs
    assert placed.integer_macs == 0
    assert placed.integer_mac_share == 0.0


def test_integer_share_is_by_macs(model):
    placed = CPU.open(model(QDQ, **qdq_arrays())).placement({"x": normal(1, 8, 4, 4)})
    macs = {kernel.op_type: (kernel.macs, kernel.integer) for kernel in placed.kernels if kernel.macs}
    assert macs["QLinearConv"] == (16 * 12 * 8, True)
    assert placed.macs == 16 * 12 * 8 + 16 * 16 * 12
    assert placed.integer_mac_share == pytest.approx(12 * 8 / (12 * 8 + 16 * 12))
    assert placed.off_provider(["CPUExecutionProvider"]) == ()
    assert placed.evidence == "profile of one run and ONNX Runtime's graph assignment record"


def test_operands_carry_dtype_and_shape(model):
    placed = CPU.open(model(QDQ, **qdq_arrays())).placement({"x": normal(1, 8, 4, 4)})
    kernel = next(kernel for kernel in placed.kernels if kernel.op_type == "QLinearConv")
    assert kernel.inputs[3] == ("int8", (12, 8, 1, 1))
    assert kernel.outputs[0][0] == "uint8"
    assert kernel.provider == "CPUExecutionProvider"


def test_prepacked_weights_are_still_seen(model):
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (float[5, 1, 6] s, float[4, 64] a) => (float[5, 1, 1, 8] h, float[4, 32] y) {
        h = LSTM<hidden_size = 8>(s, w, r)
        y = Gemm(a, b)
    }"""
    arrays = {"w": normal(1, 32, 6), "r": normal(1, 32, 8), "b": normal(64, 32)}
    placed = CPU.open(model(text, **arrays)).placement({"s": normal(5, 1, 6), "a": normal(4, 64)})
    assert {kernel.op_type: kernel.macs for kernel in placed.kernels} == {
        "LSTM": 5 * 32 * 14,
        "Gemm": 4 * 32 * 64,
    }


def test_a_loop_counts_all_its_iterations_once_each(model):
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (float[4, 4] x) => (float[4, 4] y) {
        n = Constant<value: tensor = int64 {7}>()
        c = Constant<value: tensor = bool {1}>()
        y = Loop(n, c, x) <body = b (int64 i, bool k, float[4, 4] v) => (bool k2, float[4, 4] v2) {
            k2 = Identity(k)
            v2 = MatMul(v, v)
        }>
    }"""
    placed = CPU.open(model(text)).placement({"x": normal(4, 4) / 4})
    matmuls = [kernel for kernel in placed.kernels if kernel.op_type == "MatMul"]
    assert len(matmuls) == 1
    assert matmuls[0].macs == 7 * 4 * 4 * 4


def test_only_the_branch_that_ran_is_there(model):
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (bool c, float[2, 3] x, float[3, 4] w) => (float[a, b] y) {
        y = If(c) <
            then_branch = t () => (float[a, b] p) { p = MatMul(x, w) },
            else_branch = e () => (float[a, b] q) { q = Relu(x) }
        >
    }"""
    session = CPU.open(model(text))
    feeds = {"x": normal(2, 3), "w": normal(3, 4)}
    assert session.placement({**feeds, "c": np.array(True)}).macs == 24
    assert session.placement({**feeds, "c": np.array(False)}).macs == 0


def test_weight_only_matmul_is_integer_by_its_accuracy_level(model):
    text = """<ir_version: 8, opset_import: ["": 17, "com.microsoft": 1]>
    g (float[4, 64] x) => (float[4, 32] y) {{
        y = com.microsoft.MatMulNBits<K = 64, N = 32, bits = 4, block_size = 32, accuracy_level = {level}>(x, b, s)
    }}"""
    arrays = {"b": GENERATOR.integers(0, 255, (32, 2, 16)).astype(np.uint8), "s": np.full((32, 2), 0.1, np.float32)}
    for level, integer in ((0, False), (4, True)):
        placed = CPU.open(model(text.format(level=level), **arrays)).placement({"x": normal(4, 64)})
        assert [(kernel.op_type, kernel.macs, kernel.integer) for kernel in placed.kernels] == [
            ("MatMulNBits", 4 * 32 * 64, integer)
        ]


def test_it_leaves_no_files_behind(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    CPU.open(model(conv(), w=normal(24, 3, 3, 3), d=normal(24, 1, 3, 3))).placement({"x": normal(1, 3, 16, 16)})
    assert list(Path(tmp_path).iterdir()) == []


def test_a_run_that_fails_is_a_model_error(model):
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (float[a, b] x, float[c, d] w) => (float[e, f] y) { y = MatMul(x, w) }"""
    session = CPU.open(model(text))
    with pytest.raises(ModelError, match="MatMul dimension mismatch"):
        session.placement({"x": normal(2, 3), "w": normal(2, 3)})


def test_unknown_is_never_counted_as_placed():
    unknown = Kernel(name="n", op_type="Conv", provider="unknown", inputs=(), outputs=(), macs=None, integer=False)
    placed = Placement(kernels=(unknown,), evidence="none")
    assert placed.off_provider(["CPUExecutionProvider"]) == (unknown,)
    assert placed.integer_mac_share is None
