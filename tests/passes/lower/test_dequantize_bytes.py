"""DequantizeBytes: bytes meet a DequantizeLinear first, and every number stays."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from support.numerics import run

from edgec.passes.lower.dequantize_bytes import DequantizeBytes

SCALED = "s = Constant<value = float {0.5}>() z = Constant<value = uint8 {7}>()"


def model(body: str, output: str = "float[1, 3, 4, 5] y") -> ir.Model:
    text = f'<ir_version: 9, opset_import: ["": 17]> g (uint8[1, 4, 5, 3] x) => ({output}) {{ {body} }}'
    return ir.from_proto(onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text)))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("t = Transpose<perm = [0, 3, 1, 2]>(x) y = Cast<to = 1>(t)",
         ["DequantizeLinear", "Transpose", "QuantizeLinear", "DequantizeLinear"]),
        ("i = Constant<value = int64[3] {2, 1, 0}>() t = Transpose<perm = [0, 3, 1, 2]>(x) "
         "g = Gather<axis = 1>(t, i) y = Cast<to = 1>(g)",
         ["DequantizeLinear", "Transpose", "QuantizeLinear", "DequantizeLinear", "Gather", "QuantizeLinear",
          "DequantizeLinear"]),
        (f"{SCALED} t = Transpose<perm = [0, 3, 1, 2]>(x) y = DequantizeLinear(t, s, z)",
         ["DequantizeLinear", "Transpose", "QuantizeLinear", "DequantizeLinear"]),
    ],
    ids=["cast", "gather", "codes"],
)  # fmt: skip
def test_bytes_are_dequantized_first(body: str, wanted: list[str]) -> None:
    before, after = model(body), model(body)
    for node in tuple(after.graph):
        if node.op_type == "Constant":  # as the door leaves them
            value = node.outputs[0]
            value.const_value = ir.convenience.get_const_tensor(value)
            initializer = ir.Value(name=value.name, type=value.type, shape=value.shape, const_value=value.const_value)
            after.graph.register_initializer(initializer)
            ir.convenience.replace_all_uses_with(value, initializer)
            after.graph.remove(node, safe=True)
    assert DequantizeBytes()(after).modified
    assert [node.op_type for node in after.graph] == wanted
    x = np.arange(60, dtype=np.uint8).reshape(1, 4, 5, 3) * np.uint8(4)
    np.testing.assert_array_equal(run(after, {"x": x})["y"], run(before, {"x": x})["y"])
    assert not DequantizeBytes()(after).modified
    onnx.checker.check_model(ir.to_proto(after), full_check=True)


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("t = Transpose<perm = [0, 3, 1, 2]>(x) y = Cast<to = 10>(t)", "float16[1, 3, 4, 5] y"),
        ("y = Transpose<perm = [0, 3, 1, 2]>(x)", "uint8[1, 3, 4, 5] y"),
    ],
    ids=["half", "bytes"],
)
def test_what_is_no_float_stays(body: str, output: str) -> None:
    assert not DequantizeBytes()(model(body, output)).modified


def test_what_another_reads_stays_where_it_is() -> None:
    after = model("t = Transpose<perm = [0, 3, 1, 2]>(x) y = Cast<to = 1>(t) u = Identity(t)",
                  "float[1, 3, 4, 5] y, uint8[1, 3, 4, 5] u")  # fmt: skip
    assert DequantizeBytes()(after).modified
    assert [node.op_type for node in after.graph] == ["Transpose", "DequantizeLinear", "Identity"]
