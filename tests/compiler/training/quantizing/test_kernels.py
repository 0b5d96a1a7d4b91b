"""The arithmetic of integer kernels, against ONNX Runtime's own, every element equal."""

from __future__ import annotations

import platform

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch", reason="needs edgec[torch]")

from edgec.compiler.training.quantizing.kernels import brought_back, mean_of, sum_of  # noqa: E402

pytestmark = pytest.mark.torch

X86 = platform.machine().lower() in ("x86_64", "amd64")
_FLOAT, _BYTE = np.float32, np.uint8


def kernel(op: str, feeds: dict[str, np.ndarray], operands: list, domain: str = "com.microsoft", **options: int):
    """What one integer operator answers; operands are names of feeds, or constants."""
    constants = {f"c{k}": each for k, each in enumerate(operands) if not isinstance(each, str)}
    names = [each if isinstance(each, str) else f"c{k}" for k, each in enumerate(operands)]
    graph = helper.make_graph(
        [helper.make_node(op, names, ["y"], domain=domain, **options)],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.UINT8, array.shape) for name, array in feeds.items()],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return ort.InferenceSession(proto.SerializeToString()).run(None, feeds)[0]


def codes_of(real: torch.Tensor, scale: np.float32, zero: int) -> np.ndarray:
    return np.clip(np.rint(real.numpy() / scale) + zero, 0, 255).astype(_BYTE)


@pytest.mark.parametrize("seed", range(6))
def test_a_convolution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (1, 8, 12, 12)).astype(_BYTE)
    w = rng.integers(-127, 128, (16, 8, 3, 3)).astype(np.int8)
    bias = rng.integers(-3000, 3000, 16).astype(np.int32)
    sx, sy = rng.uniform(0.01, 0.1, 2).astype(_FLOAT)
    sw = rng.uniform(0.001, 0.01, 16).astype(_FLOAT)
    sy = _FLOAT(sy * 40)
    operands = ["x", sx, _BYTE(120), w, sw, np.zeros(16, np.int8), sy, _BYTE(128), bias]
    wanted = kernel("QLinearConv", {"x": x}, operands, domain="")
    real = torch.from_numpy((x.astype(_FLOAT) - 120) * sx)
    weight = torch.from_numpy(w.astype(_FLOAT) * sw.reshape(-1, 1, 1, 1))
    y = torch.nn.functional.conv2d(real, weight, torch.from_numpy((bias * (sx * sw)).astype(_FLOAT)))
    made = brought_back(y, torch.tensor(sx), torch.from_numpy(sw).reshape(1, -1, 1, 1), torch.tensor(sy))
    np.testing.assert_array_equal(codes_of(made, sy, 128), wanted)


@pytest.mark.skipif(not X86, reason="ARM adds in fixed point")
@pytest.mark.parametrize("seed", range(6))
def test_a_sum(seed: int) -> None:
    """Every pair of bytes; scales of small ratios put many sums between two codes."""
    rng = np.random.default_rng(seed)
    a, b = (each.ravel().astype(_BYTE) for each in np.meshgrid(np.arange(256), np.arange(256)))
    sa = _FLOAT(rng.uniform(0.01, 0.1))
    sb, sc = np.nextafter(_FLOAT(sa * rng.choice([1, 3, 0.5])), _FLOAT(9)), _FLOAT(sa * rng.choice([2, 4, 1.5]))
    za, zb, zc = (int(each) for each in rng.integers(0, 256, 3))
    wanted = kernel("QLinearAdd", {"a": a, "b": b}, ["a", sa, _BYTE(za), "b", sb, _BYTE(zb), sc, _BYTE(zc)])
    first, second = (
        (torch.from_numpy((codes.astype(_FLOAT) - zero) * scale), torch.tensor(scale), torch.tensor(float(zero)))
        for codes, scale, zero in ((a, sa, za), (b, sb, zb))
    )
    made = sum_of(first, second, (torch.tensor(sc), torch.tensor(float(zc))))
    assert np.count_nonzero(codes_of(made, sc, zc) != wanted) <= 4  # the order of one scalar sum is the C++ compiler's


@pytest.mark.parametrize("seed", range(4))
def test_a_mean(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (1, 64, 7, 9)).astype(_BYTE)
    sx, sy = _FLOAT(rng.uniform(0.01, 0.1)), _FLOAT(rng.uniform(0.004, 0.02))
    wanted = kernel("QLinearGlobalAveragePool", {"x": x}, ["x", sx, _BYTE(100), sy, _BYTE(30)])
    real = torch.from_numpy((x.astype(_FLOAT) - 100) * sx)
    made = mean_of(real.mean((2, 3), keepdim=True), 63, torch.tensor(sx), torch.tensor(sy))
    np.testing.assert_array_equal(codes_of(made, sy, 30), wanted)
