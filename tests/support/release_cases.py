"""Small models, some of which older releases of ONNX Runtime do not open: types, operators, attributes, versions."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import TensorProto, helper

__all__ = ["release_cases"]

_FLOAT, _HALF = TensorProto.FLOAT, TensorProto.FLOAT16
_CODES = {
    name: getattr(TensorProto, name)
    for name in ("INT8", "UINT8", "INT16", "UINT16", "INT4", "UINT4", "INT32", "FLOAT8E4M3FN", "INT2", "UINT2")
}
# What Q/DQ of each set take (ONNX operator changelog); ONNX Runtime refuses the others as invalid.
_SINCE = {"INT16": 21, "UINT16": 21, "INT4": 21, "UINT4": 21, "FLOAT8E4M3FN": 19, "INT2": 25, "UINT2": 25}
_LONE = (
    ("Add", 2), ("Abs", 1), ("Acos", 1), ("ArgMax", 1), ("Clip", 1), ("Gelu", 1), ("Greater", 2), ("GreaterOrEqual", 2),
    ("HardSwish", 1), ("LessOrEqual", 2), ("Max", 2), ("Mish", 1), ("Mul", 2), ("ReduceMax", 1), ("ReduceMean", 1),
    ("Relu", 1), ("Round", 1), ("Sign", 1), ("Softmax", 1), ("Sub", 2), ("Sum", 2), ("Where", 0),
)  # fmt: skip
_TYPES = ("FLOAT", "FLOAT16", "DOUBLE", "INT8", "UINT8", "INT16", "INT32", "INT64", "UINT32", "BFLOAT16")


def release_cases(opsets: tuple[int, ...] = (13, 19, 21, 22, 23, 25)) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Name and model of each."""
    for opset in opsets:
        yield from _quantized(opset)
        yield from _lone(opset)
    yield from _contrib()


def _quantized(opset: int) -> Iterator[tuple[str, onnx.ModelProto]]:
    for name, code in _CODES.items():
        if _SINCE.get(name, 10) > opset:
            continue
        for dtype in (_FLOAT, _HALF) if opset >= 19 else (_FLOAT,):
            scale = helper.make_tensor("s", dtype, [1], [0.5])
            read = helper.make_node("DequantizeLinear", ["c", "s"], ["y"], "read", axis=0)
            codes = helper.make_tensor("c", code, [1], [1])
            yield f"dequantize {name} {opset} {dtype}", _model([read], opset, [], dtype, [codes, scale])
            if name == "INT32":
                continue
            zero = helper.make_tensor("z", code, [1], [0])
            write = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "write", axis=0)
            back = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], "back", axis=0)
            yield f"both {name} {opset} {dtype}", _model([write, back], opset, [("x", dtype)], dtype, [scale, zero])
    if opset >= 21:
        codes = helper.make_tensor("c", TensorProto.INT4, [4, 2], [1, 2, 3, 4, 5, 6, 7, 0])
        scale = helper.make_tensor("s", _FLOAT, [2, 2], [0.5] * 4)
        read = helper.make_node("DequantizeLinear", ["c", "s"], ["y"], "read", axis=0, block_size=2)
        yield f"blocks {opset}", _model([read], opset, [], _FLOAT, [codes, scale])


def _lone(opset: int) -> Iterator[tuple[str, onnx.ModelProto]]:
    for op_type, inputs in _LONE:
        if not onnx.defs.has(op_type, opset):
            continue
        schema = onnx.defs.get_schema(op_type, opset)
        for name in _TYPES:
            if f"tensor({name.lower()})" not in schema.inputs[-1].types:
                continue
            code = getattr(TensorProto, name)
            given = [f"x{index}" for index in range(inputs)] or ["b", "x0", "x1"]
            node = helper.make_node(op_type, given, ["y"], "lone")
            feeds = [(each, TensorProto.BOOL if each == "b" else code) for each in given]
            found = schema.outputs[0].types
            result = code if len(found) > 1 else getattr(TensorProto, next(iter(found))[7:-1].upper())
            yield f"{op_type} {name} {opset}", _model([node], opset, feeds, result, [])


def _contrib() -> Iterator[tuple[str, onnx.ModelProto]]:
    """MatMulNBits and GatherBlockQuantized, which grew over the releases; DynamicQuantizeLSTM, which did not."""
    codes = helper.make_tensor("c", TensorProto.UINT8, [16, 1, 16], [136] * 256)
    scale = helper.make_tensor("s", _FLOAT, [16, 1], [0.5] * 16)
    given = {"K": 32, "N": 16, "block_size": 32}
    for more in ({"bits": 4}, {"bits": 4, "accuracy_level": 4}, {"bits": 4, "weight_prepacked": 0}):
        node = helper.make_node("MatMulNBits", ["x", "c", "s"], ["y"], "n", domain="com.microsoft", **given, **more)
        name = f"MatMulNBits {', '.join(more)}"
        yield name, _model([node], 17, [("x", _FLOAT)], _FLOAT, [codes, scale], shape=[2, 32])
    bias = helper.make_tensor("b", _FLOAT, [16], [0.5] * 16)
    node = helper.make_node(
        "MatMulNBits", ["x", "c", "s", "", "", "b"], ["y"], "n", domain="com.microsoft", bits=4, **given
    )
    yield "MatMulNBits bias", _model([node], 17, [("x", _FLOAT)], _FLOAT, [codes, scale, bias], shape=[2, 32])
    rows = helper.make_tensor("c", TensorProto.UINT4, [4, 32], [1] * 128)
    scale = helper.make_tensor("s", _FLOAT, [4, 1], [0.5] * 4)
    node = helper.make_node(
        "GatherBlockQuantized", ["c", "x", "s"], ["y"], "n", domain="com.microsoft", block_size=32, quantize_axis=1
    )
    yield "GatherBlockQuantized", _model([node], 21, [("x", TensorProto.INT64)], _FLOAT, [rows, scale])
    node = helper.make_node("QuickGelu", ["x"], ["y"], "n", domain="com.microsoft")
    yield "QuickGelu", _model([node], 17, [("x", _FLOAT)], _FLOAT, [])


def _model(
    nodes: list[onnx.NodeProto],
    opset: int,
    feeds: list[tuple[str, int]],
    result: int,
    constants: list[onnx.TensorProto],
    *,
    shape: list[int] | None = None,
) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info(name, dtype, shape or [1]) for name, dtype in feeds]
    output = onnx.ValueInfoProto(name="y")
    output.type.tensor_type.elem_type = result
    graph = helper.make_graph(nodes, "case", inputs, [output], constants)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)
