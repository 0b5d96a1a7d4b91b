"""The scale at a model's own ends: one where every reader agrees, none where it is not told."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.protos import proto

from edgec.compiler.port_scales import port_scales

S, T = np.float32(0.5), np.float32(0.25)
Z = np.uint8(128)
X = {"dtype": "uint8", "scale": 0.5, "zero_point": 128}


ONE_SCALE = "q = QuantizeLinear(x, s, z)\n y = DequantizeLinear(q, s, z)"
READ_TWICE = """q = QuantizeLinear(x, s, z)
    r = QuantizeLinear(x, {0})
    a = DequantizeLinear(q, s, z)
    b = DequantizeLinear(r, {0})
    y = Add(a, b)"""
ALSO_FLOAT = "q = QuantizeLinear(x, s, z)\n a = DequantizeLinear(q, s, z)\n y = Add(a, x)"
FROM_CODES = "a = DequantizeLinear(x, s, z)\n y = Relu(a)"
PER_CHANNEL = "q = QuantizeLinear(x, c, d)\n y = DequantizeLinear(q, c, d)"
AS_A_SCALE = "y = QuantizeLinear(v, x, z)"


@pytest.mark.parametrize(
    ("ends", "nodes", "wanted"),
    [
        ("(float[2] x) => (float[2] y)", ONE_SCALE, {"x": X, "y": X}),
        ("(float[2] x) => (float[2] y)", READ_TWICE.format("s, z"), {"x": X}),
        ("(float[2] x) => (float[2] y)", READ_TWICE.format("t, z"), {}),
        ("(float[2] x) => (float[2] y)", ALSO_FLOAT, {}),
        ("(uint8[2] x) => (float[2] y)", FROM_CODES, {"x": X}),
        ("(float[2] x) => (float[2] y)", PER_CHANNEL, {}),
        ("(float[2] x) => (float[2] y)", "y = Relu(x)", {}),
        ("(float x, float[2] v) => (uint8[2] y)", AS_A_SCALE, {}),
    ],
)
def test_ends(ends: str, nodes: str, wanted: dict[str, object]) -> None:
    constants = {"s": S, "t": T, "z": Z, "c": np.array([1, 2], np.float32), "d": np.zeros(2, np.uint8)}
    made = proto(f"g {ends} {{ {nodes} }}", opset=21, ir_version=10, **constants)
    assert port_scales(ir.serde.deserialize_model(made)) == wanted


def test_no_zero_point_is_zero() -> None:
    made = proto(
        "g (float[2] x) => (float[2] y) { q = QuantizeLinear(x, s)\n y = DequantizeLinear(q, s) }",
        opset=21,
        ir_version=10,
        s=S,
    )
    found = port_scales(ir.serde.deserialize_model(made))
    assert found == {"x": {"dtype": "uint8", "scale": 0.5, "zero_point": 0}}
