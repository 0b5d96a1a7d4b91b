"""Defects of ONNX Runtime that the targets' recipes avoid: as it is the graph fails, compiled it runs.

On Debian's 1.21 with the XNNPACK provider, where it is installed. A graph that no longer fails as it is says that a
rule has had its day.
"""

from __future__ import annotations

from collections.abc import Iterator

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import run
from support.recipes import compiled

from edgec.errors import EdgecError
from edgec.runtimes import runtime
from edgec.runtimes.base import Runtime, SessionSettings
from edgec.targets import find_target
from edgec.targets.xnnpack.pipeline import mend

pytestmark = pytest.mark.targets

ONE = SessionSettings(threads=1)
IMAGE = "float[N, 3, 8, 8] x"
CONSTANTS = {
    "w": weights(4, 3, 3, 3),
    "v": weights(2, 3, 3, 1),
    "g": weights(5, 4),
    "b": weights(4),
    "scales": np.float32([1, 1, 2, 2]),
    "low": np.float32(0.5),
    "high": np.float32(-0.5),
    "s": np.float32(0.03),
    "z": np.int8(4),
    "ws": np.float32([0.01, 0.02]),
    "wz": np.int8([0, 0]),
    "codes": np.clip(np.rint(weights(2, 3, 3, 1) / 0.02), -127, 127).astype(np.int8),
    "pads": np.int64([0, 0, 1, 0, 0, 0, 0, 0]),
}
# As it is: a Q, a DQ and an integer convolution with a scale per channel.
CONV = """q = QuantizeLinear(t, s, z)  d = DequantizeLinear(q, s, z)  k = DequantizeLinear <axis = 0> (codes, ws, wz)
          c = Conv(d, k)  e = QuantizeLinear(c, s, z)  y = DequantizeLinear(e, s, z)"""

FLOAT = {
    "Gemm without a bias": "g (float[N, 5] x) => (float[N, 4] y) { y = Gemm(x, g) }",
    "Gemm over rows nobody knows": "g (float[N, 5] x) => (float[N, 4] y) { y = Gemm(x, g, b) }",
    "MatMul and a bias over rows nobody knows": """g (float[N, 5] x) => (float[N, 4] y) {
        m = MatMul(x, g) y = Add(m, b) }""",
    "Resize of an image nobody knows": """g (float[N, 3, H, W] x) => (float[N, 3, A, B] y) {
        y = Resize <mode = "linear"> (x, "", scales) }""",
    "a convolution read by its Relu and by another": f"""g ({IMAGE}) => (float[N, 4, 6, 6] y) {{
        c = Conv(x, w) r = Relu(c) n = Neg(c) y = Mul(r, n) }}""",
    "a Clip without bounds": f"g ({IMAGE}) => (float[N, 4, 6, 6] y) {{ c = Conv(x, w) y = Clip(c) }}",
    "a Clip of an empty range": f"g ({IMAGE}) => (float[N, 4, 6, 6] y) {{ c = Conv(x, w) y = Clip(c, low, high) }}",
    "a convolution in a body": f"""g ({IMAGE}, bool f) => (float[N, 4, 6, 6] y) {{
        y = If(f) <then_branch = t () => (float[N, 4, 6, 6] i) {{ i = Conv(x, w) }},
                   else_branch = e () => (float[N, 4, 6, 6] j) {{ c = Conv(x, w) j = Neg(c) }}> }}""",
    "a reduction that does nothing": """g (float[N, 5] x) => (float[N, 5] y) {
        r = Relu(x) y = ReduceMean <noop_with_empty_axes = 1> (r) }""",
}  # fmt: skip
INTEGER = {
    "an integer convolution behind a Transpose": f"""g (float[N, 8, 3, 9] x) => (float[N, 2, A, B] y) {{
        t = Transpose <perm = [0, 2, 1, 3]> (x) {CONV} }}""",
    "an integer convolution behind a Transpose and an Unsqueeze": f"""g (float[N, 8, 3] x) => (float[N, 2, A, B] y) {{
        a = Transpose <perm = [0, 2, 1]> (x) t = Unsqueeze(a, last) {CONV} }}""",
    "Q behind a float Pad": f"""g (float[N, 3, 8, 9] x) => (float[N, 2, A, B] y) {{
        t = Pad <mode = "reflect"> (x, pads) {CONV} }}""",
    "a linear Resize between Q and DQ": """g (float[N, 3, 6, 6] x) => (float[N, 3, A, B] y) {
        a = QuantizeLinear(x, s, z) d = DequantizeLinear(a, s, z) t = Resize <mode = "linear"> (d, "", scales)
        e = QuantizeLinear(t, s, z) y = DequantizeLinear(e, s, z) }""",
}


def test_four_bit_integers_are_not_cast(xnnpack: Runtime) -> None:
    """Why armv7 and pixel-8 stay below operator set 21, and refuse weights of 4 bits."""
    made = model("g (float[N, 5] x) => (float[N, 5] y) { f = Cast <to = 1> (q) y = Add(x, f) }", opset=21,
                 q=np.arange(-2, 3).astype(ml_dtypes.int4))  # fmt: skip
    feeds = feeds_of(made)
    assert np.array_equal(run(made, feeds)["y"], feeds["x"] + np.arange(-2, 3, dtype=np.float32))
    assert answers(xnnpack, made, feeds) is None
    assert all(find_target(name).max_opset < 21 for name in ("armv7", "pixel-8"))


def test_the_bias_of_a_half_convolution(xnnpack: Runtime) -> None:
    half = {name: CONSTANTS[name].astype(np.float16) for name in ("w", "b")}
    made = model("g (float16[N, 3, 8, 8] x) => (float16[N, 4, 6, 6] y) { y = Conv(x, w, b) }", **half)
    feeds = feeds_of(made)
    wanted = run(made, feeds)["y"]
    assert not same(wanted, answers(xnnpack, made, feeds), 0.05)
    assert same(wanted, answers(xnnpack, compiled(made, "float", [feeds], target="pixel-8"), feeds), 0.02)


@pytest.fixture(scope="module")
def xnnpack() -> Iterator[Runtime]:
    place = runtime("xnnpack-x86-64")
    if reason := place.available():
        pytest.skip(f"xnnpack-x86-64: {reason}")
    yield place
    place.close()


def source(text: str) -> ir.Model:
    constants = {name: array for name, array in CONSTANTS.items() if f" {name})" in text or f" {name}," in text
                 or f"({name}," in text}  # fmt: skip
    if "last" in text:
        constants["last"] = np.int64([3])
    return model(text, opset=18, **constants)


def answers(place: Runtime, made: ir.Model, feeds: dict[str, np.ndarray]) -> np.ndarray | None:
    """What a place answers; None where it ends, refuses the model or fails."""
    try:
        session = place.open(ir.to_proto(made).SerializeToString(), ONE)
        return session.run(feeds)["y"]
    except EdgecError:
        return None


def same(wanted: np.ndarray, got: np.ndarray | None, tolerance: float) -> bool:
    return got is not None and got.shape == wanted.shape and bool(np.abs(wanted - got).max() <= tolerance)


@pytest.mark.parametrize("name", FLOAT)
def test_in_float(name: str, xnnpack: Runtime) -> None:
    made = source(FLOAT[name])
    feeds = feeds_of(made, sizes={"H": 5, "W": 6}) | ({"f": np.array(True)} if "bool f" in FLOAT[name] else {})
    wanted = run(made, feeds)["y"]
    assert not same(wanted, answers(xnnpack, made, feeds), 1e-3)
    for scheme in ("float", "w8"):
        tolerance = (1e-4 if scheme == "float" else 0.05) * float(np.abs(wanted).max())
        assert same(wanted, answers(xnnpack, compiled(made, scheme, [feeds], target="pixel-8"), feeds), tolerance)


@pytest.mark.parametrize("name", INTEGER)
def test_in_integers(name: str, xnnpack: Runtime) -> None:
    made = source(INTEGER[name])
    feeds = feeds_of(made)
    wanted = run(made, feeds)["y"]
    assert answers(xnnpack, made, feeds) is None
    mended = made.clone()
    for each in mend():
        each(mended)
    assert same(wanted, answers(xnnpack, mended, feeds), float(CONSTANTS["s"]) * 1.01)
