"""Which values are bytes, and with which scale and zero point."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.passes.quantize.whole_bytes import bytes_behind
from edgec.passes.spec import Fixed, QuantParams, QuantSpec

U8 = QuantSpec(dtype="uint8", symmetric=False)
I8 = QuantSpec(dtype="int8", symmetric=False)


def behind(body: str, kind: str = "uint8") -> ir.Value:
    text = f'<ir_version: 9, opset_import: ["": 17]> g ({kind}[2] x) => (float[2] y) {{ {body} }}'
    model = ir.from_proto(onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text)))
    return model.graph.outputs[0]


def number(name: str, value: float) -> str:
    return f"{name} = Constant<value = float {{{value}}}>()"


@pytest.mark.parametrize(
    ("body", "scale", "zero"),
    [
        ("y = Cast<to = 1>(x)", 1.0, 0),
        (f"{number('a', 0.25)} c = Cast<to = 1>(x) y = Mul(c, a)", 0.25, 0),
        (f"{number('a', 0.25)} {number('b', -32.0)} c = Cast<to = 1>(x) m = Mul(a, c) y = Add(m, b)", 0.25, 128),
        (f"{number('b', -100.0)} c = Cast<to = 1>(x) y = Add(c, b)", 1.0, 100),
    ],
)
def test_values_that_are_bytes(body: str, scale: float, zero: int) -> None:
    found = bytes_behind(behind(body))
    assert found is not None
    assert (found.stored.name, found.scale, found.zero_point) == ("x", scale, zero)
    assert found.fixed(U8) == Fixed(spec=U8, scale=scale, zero_point=zero)
    assert found.fixed(I8) == Fixed(spec=I8, scale=scale, zero_point=zero - 128)
    assert found.fixed(QuantSpec(dtype="uint16", symmetric=False)) is None
    assert found.fixed(QuantSpec(dtype="int8", symmetric=True)) is None
    params = QuantParams(spec=U8, scale=np.asarray(scale, np.float32), zero_point=np.asarray(zero, np.uint8))
    assert found.are_codes(params)
    shifted = QuantParams(spec=I8, scale=np.asarray(scale, np.float32), zero_point=np.asarray(zero - 128, np.int8))
    assert not found.are_codes(shifted)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("y = Cast<to = 1>(x)", "int8"),
        ("y = Identity(x)", "float"),
        (f"{number('b', -127.5)} c = Cast<to = 1>(x) y = Add(c, b)", "uint8"),
        (f"{number('b', 1.0)} c = Cast<to = 1>(x) y = Add(c, b)", "uint8"),
        (f"{number('b', -256.0)} c = Cast<to = 1>(x) y = Add(c, b)", "uint8"),
        (f"{number('a', -1.0)} c = Cast<to = 1>(x) y = Mul(c, a)", "uint8"),
        ("a = Constant<value = float[2] {1.0, 2.0}>() c = Cast<to = 1>(x) y = Mul(c, a)", "uint8"),
        ("c = Cast<to = 1>(x) y = Mul(c, c)", "uint8"),
    ],
    ids=["signed", "float", "half", "below", "above", "negative", "vector", "square"],
)
def test_values_that_are_not(body: str, kind: str) -> None:
    assert bytes_behind(behind(body, kind)) is None


@given(zero=st.integers(0, 255), scale=st.floats(1e-4, 1e4))
def test_every_byte_is_its_own_code(zero: int, scale: float) -> None:
    """round(x / s) + z of x = byte * s - z * s, in float32: the law that spares the QuantizeLinear."""
    step = np.float32(scale)
    codes = np.arange(256, dtype=np.float32)
    x = codes * step + np.float32(-zero * float(step))
    np.testing.assert_array_equal(np.round(x / step) + zero, codes)
