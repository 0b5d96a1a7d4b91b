"""The numpy model of AVX2's u8 x s8 kernels against ONNX Runtime on an emulated Haswell, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model
from support.planted import saturating

import edgec
from edgec.compiler.diagnosing.avx2_kernels import Avx2Kernels
from edgec.passes.check.avx2 import sums
from edgec.passes.check.integer_products import integer_products
from edgec.runtimes import runtime
from edgec.runtimes.base import Runtime

pytestmark = pytest.mark.targets

RAGGED = [1, 2, 3, 5, 16, 33, 130, 577]


@pytest.fixture(scope="module")
def haswell() -> Iterator[Runtime]:
    place = runtime("x86-64-haswell")
    reason = place.available()
    if reason is not None:
        pytest.skip(reason)
    with closing(place):
        yield place


def run(place: Runtime, net: ir.Model, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    with closing(place.open(ir.serde.serialize_model(net).SerializeToString())) as session:
        return session.run(feeds)


def codes(seed: int, *shape: int, extreme: bool) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.choice([0, 254, 255], shape) if extreme else rng.integers(0, 256, shape)
    return found.astype(np.uint8)


def stored(seed: int, *shape: int, extreme: bool) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.choice([-128, -127, 127], shape) if extreme else rng.integers(-128, 128, shape)
    return found.astype(np.int8)


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 5, 33])
def test_matrix_products(haswell: Runtime, rows: int, extreme: bool) -> None:
    """GEMV and GEMM, weights packed before and when it runs, K and N of any length; all in one model."""
    lines, names, constants, feeds, expected = [], [], {}, {}, {}
    for k in RAGGED:
        for n in (1, 3, 16, 37):
            at = f"{k}_{n}"
            x, w = codes(k, rows, k, extreme=extreme), stored(n, k, n, extreme=extreme)
            feeds |= {f"x{at}": x, f"v{at}": w}
            constants |= {f"w{at}": w}
            lines += [f"y{at} = MatMulInteger(x{at}, w{at}, z)", f"u{at} = MatMulInteger(x{at}, v{at})"]
            names += [f"uint8[{rows}, {k}] x{at}, int8[{k}, {n}] v{at}"]
            held = sums(x, w).held
            expected |= {f"u{at}": held, f"y{at}": held - 7 * w.sum(0, dtype=np.int32)}
    ends = ", ".join(f"int32[{rows}, {array.shape[1]}] {name}" for name, array in expected.items())
    body = "\n".join(lines)
    net = model(f"net ({', '.join(names)}) => ({ends}) {{\n{body}\n}}", z=np.uint8(7), **constants)
    found = run(haswell, net, feeds)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, name)


CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "3x3": {"x": (1, 4, 5, 5), "w": (16, 4, 3, 3), "pads": [1, 1, 1, 1]},
    "3x3, strided, uneven padding": {"x": (2, 8, 4, 5), "w": (24, 8, 3, 3), "strides": [2, 2], "pads": [0, 1, 1, 0]},
    "1x1": {"x": (1, 16, 3, 3), "w": (16, 16, 1, 1)},
    "1x1, strided": {"x": (1, 16, 4, 4), "w": (16, 16, 1, 1), "strides": [2, 2]},
    "1x1, odd channels": {"x": (1, 7, 3, 3), "w": (16, 7, 1, 1)},
    "3 channels": {"x": (1, 3, 5, 5), "w": (16, 3, 3, 3), "strides": [2, 2], "pads": [1, 1, 1, 1]},
    "5 channels, 7 outputs": {"x": (1, 5, 4, 4), "w": (7, 5, 3, 3), "pads": [1, 1, 1, 1]},
    "1 channel": {"x": (1, 1, 4, 4), "w": (4, 1, 3, 3), "pads": [1, 1, 1, 1]},
    "dilated": {"x": (1, 3, 12, 12), "w": (8, 3, 5, 5), "dilations": [2, 2], "pads": [2, 2, 2, 2]},
    "groups": {"x": (1, 8, 4, 4), "w": (16, 4, 3, 3), "group": 2, "pads": [1, 1, 1, 1]},
    "odd groups": {"x": (1, 9, 4, 4), "w": (12, 3, 3, 3), "group": 3, "pads": [1, 1, 1, 1]},
    "two outputs per channel": {"x": (1, 8, 5, 5), "w": (16, 1, 3, 3), "group": 8, "pads": [1, 1, 1, 1]},
    "many channels": {"x": (1, 67, 3, 3), "w": (35, 67, 3, 3), "pads": [1, 1, 1, 1]},
    "a line": {"x": (1, 3, 9), "w": (5, 3, 5), "strides": [2], "pads": [2, 2]},
    "a volume": {"x": (1, 3, 4, 4, 4), "w": (6, 3, 3, 3, 2), "pads": [1, 1, 1, 1, 1, 1]},
    "depthwise": {"x": (1, 16, 5, 5), "w": (16, 1, 3, 3), "group": 16, "pads": [1, 1, 1, 1]},
    "depthwise, 5 channels": {"x": (1, 5, 7, 7), "w": (5, 1, 5, 5), "group": 5, "pads": [2, 2, 2, 2]},
    "one channel to one": {"x": (1, 1, 5, 5), "w": (1, 1, 3, 3), "pads": [1, 1, 1, 1]},
}


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_convolutions(haswell: Runtime, kind: str, extreme: bool) -> None:
    """Accumulators one by one: with all scales 1, a bias that cancels one of them makes its code the zero point's.

    Each filter is there once per pixel looked at, with a bias that cancels the accumulator of that pixel.
    """
    asked = dict(CONVOLUTIONS[kind])
    x, w = codes(1, *asked.pop("x"), extreme=extreme), stored(2, *asked.pop("w"), extreme=extreme)
    attributes = ", ".join(f"{name} = {value}" for name, value in asked.items())
    plain = conv_net(x, w, np.zeros(len(w), np.int32), attributes)
    exact = not list(integer_products(plain.graph))
    assert exact == kind.startswith(("depthwise", "one channel"))
    wide = conv_net(x, w.astype(np.int32), None, attributes)
    accumulators = (
        run(runtime("onnxruntime-cpu"), wide, {"x": x})["y"].astype(np.int64)
        if exact
        else next(iter(integer_products(plain.graph))).sums(x, 100).held
    )
    flat = np.moveaxis(accumulators, 1, 0).reshape(len(w), -1)
    for pixel in range(0, flat.shape[1], max(1, flat.shape[1] // 4)):
        bias = -flat[:, pixel].astype(np.int32)
        found = np.moveaxis(run(haswell, conv_net(x, w, bias, attributes), {"x": x})["y"], 1, 0).reshape(len(w), -1)
        np.testing.assert_array_equal(found, np.clip(flat + bias[:, None] + 128, 0, 255))
        assert set(found[:, pixel]) == {128}


def conv_net(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, attributes: str) -> ir.Model:
    """Conv between Q/DQ with scales of 1; without a bias, of floats that hold the same integers."""
    dims, one = str(list(x.shape)), np.float32(1)
    marks = f"<{attributes}>" if attributes else ""
    if bias is None:
        text = f"""net (uint8{dims} x) => (float[A] y) {{
            whole = Cast <to = 1> (x)
            shifted = Sub(whole, z)
            y = Conv {marks} (shifted, w)
        }}"""
        return model(text, z=np.float32(100), w=w.astype(np.float32), infer=False)
    text = f"""net (uint8{dims} x) => (uint8[A] y) {{
        dx = DequantizeLinear(x, one, z)
        dw = DequantizeLinear <axis = 0> (w, ones, zeros)
        db = DequantizeLinear <axis = 0> (b, ones)
        f = Conv {marks} (dx, dw, db)
        y = QuantizeLinear(f, one, middle)
    }}"""
    return model(
        text, one=one, z=np.uint8(100), w=w, ones=np.ones(len(w), np.float32), zeros=np.zeros(len(w), np.int8), b=bias,
        middle=np.uint8(128), infer=False,
    )  # fmt: skip


CHAINS = {
    "gemm, codes": "g = Gemm(dx, dw, db)\nq = QuantizeLinear(g, big, z)\ny = DequantizeLinear(q, big, z)",
    "gemm, float": "y = Gemm(dx, dw, db)",
    "gemm, turned": "y = Gemm <transB = 1> (dx, dt)",
    "matmul, codes": "g = MatMul(dx, dw)\nq = QuantizeLinear(g, big, z)\ny = DequantizeLinear(q, big, z)",
    "matmul, float": "y = MatMul(dx, dw)",
}


@pytest.mark.parametrize("rows", [1, 6])
@pytest.mark.parametrize("kind", CHAINS)
def test_what_kernels_write(haswell: Runtime, kind: str, rows: int) -> None:
    """Codes and floats behind each form of product, a whole graph at once: the computed runtime and the emulated."""
    w = stored(3, 35, 17, extreme=False)
    steps = np.random.default_rng(4).uniform(0.001, 0.01, 17).astype(np.float32)
    net = model(
        f"""net (float[{rows}, 35] x) => (float[{rows}, 17] y) {{
            qx = QuantizeLinear(x, s, z)
            dx = DequantizeLinear(qx, s, z)
            dw = DequantizeLinear <axis = 1> (w, steps, zeros)
            dt = DequantizeLinear <axis = 0> (t, steps, zeros)
            db = DequantizeLinear <axis = 0> (b, sb)
            {CHAINS[kind]}
        }}""",
        s=np.float32(0.02), z=np.uint8(120), w=w, t=np.ascontiguousarray(w.T), steps=steps, zeros=np.zeros(17, np.int8),
        b=np.arange(-800, 900, 100, dtype=np.int32), sb=np.float32(0.02) * steps, big=np.float32(0.4),
    )  # fmt: skip
    x = np.random.default_rng(5).uniform(-2.4, 2.7, (rows, 35)).astype(np.float32)
    here = runtime("onnxruntime-cpu")
    emulated, computed = run(haswell, net, {"x": x})["y"], run(Avx2Kernels(here), net, {"x": x})["y"]
    if kind.endswith("codes"):
        np.testing.assert_array_equal(emulated, computed)
    else:
        np.testing.assert_allclose(emulated, computed, rtol=1e-6, atol=1e-6)
    exact = run(Avx2Kernels(here, saturate=False), net, {"x": x})["y"]
    assert np.abs(emulated - exact).max() > 0.1, "it saturates"


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_bundle_and_its_repair(haswell: Runtime, seed: int, tmp_path: Path) -> None:
    """What is lost on the emulated processor is what was computed, and 7 bits in those layers give it back."""
    planted, names = saturating(seed)
    broken, mended = tmp_path / "broken", tmp_path / "mended"
    options: dict[str, Any] = {"target": "x86-64-vnni", "calibration": planted.calibration, "scheme": "a8w8"}
    edgec.compile(planted.model, output=broken, prove=False, **options)
    edgec.compile(
        planted.model, output=mended, prove=False, reduce_range_nodes=tuple(f"^{n}$" for n in names), **options
    )
    here = runtime("onnxruntime-cpu")
    reference = outputs(here, ir.serde.serialize_model(planted.model).SerializeToString(), planted.evaluation)
    lost = outputs(haswell, broken / "model.onnx", planted.evaluation)
    np.testing.assert_array_equal(lost, outputs(Avx2Kernels(here), broken / "model.onnx", planted.evaluation))
    assert sqnr(reference, lost) < 15
    assert sqnr(reference, outputs(here, broken / "model.onnx", planted.evaluation)) > 25
    assert sqnr(reference, outputs(haswell, mended / "model.onnx", planted.evaluation)) > 25


def outputs(place: Runtime, source: Path | bytes, samples: list[Mapping[str, np.ndarray]]) -> np.ndarray:
    with closing(place.open(source)) as session:
        return np.concatenate([next(iter(session.run(feeds).values())) for feeds in samples])


def sqnr(reference: np.ndarray, found: np.ndarray) -> float:
    return float(10 * np.log10(np.square(reference).sum() / np.square(found - reference).sum()))
