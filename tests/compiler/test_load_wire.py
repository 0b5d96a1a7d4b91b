"""Splitting serialized models: nothing is lost, nothing large is left, and no bytes crash it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from support.graphs import weights
from support.protos import proto

from edgec.compiler.loading.detached import TOKEN, index_of, is_detached, tensors
from edgec.compiler.loading.wire import WireError, split


def joined(data: bytes) -> tuple[onnx.ModelProto, int]:
    """A split model put together again, and the bytes that were split off."""
    skeleton, spans = split(memoryview(data), token=TOKEN)
    model = onnx.ModelProto.FromString(skeleton)
    for tensor in tensors(model):
        if is_detached(tensor):
            span = spans[index_of(tensor)]
            raw = data[span.offset : span.offset + span.nbytes]
            tensor.ClearField("data_location")
            del tensor.external_data[:]
            tensor.raw_data = raw
    return model, sum(span.nbytes for span in spans)


@st.composite
def tensor_protos(draw: st.DrawFn) -> onnx.TensorProto:
    size = draw(st.sampled_from([0, 1, 200, 255, 256, 257, 300, 5000]))
    dtype = draw(st.sampled_from([np.float32, np.float64, np.int64, np.int8, np.float16]))
    array = np.arange(size).astype(dtype)
    name = draw(st.text(max_size=3))
    if draw(st.booleans()):
        return numpy_helper.from_array(array, name)
    return onnx.helper.make_tensor(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), [size], array)


def canonical(tensor: onnx.TensorProto) -> tuple[str, int, bytes]:
    return tensor.name, tensor.data_type, numpy_helper.to_array(tensor).tobytes()


@settings(deadline=None, max_examples=60)
@given(st.lists(tensor_protos(), max_size=4), st.lists(tensor_protos(), max_size=3), st.text(max_size=2000))
def test_split_and_joined_is_the_same(
    initializers: list[onnx.TensorProto], constants: list[onnx.TensorProto], doc: str
) -> None:
    model = proto("g (bool c) => (float[2] y) { y = If(c) <then_branch = t () => (float[2] p) { p = Neg(q) }> }")
    model.doc_string = model.graph.doc_string = doc
    model.graph.initializer.extend(initializers)
    body = model.graph.node[0].attribute[0].g
    for graph in (model.graph, body):
        graph.node.extend(onnx.helper.make_node("Constant", [], ["k"], value=tensor) for tensor in constants)
    model.functions.add(name="f", domain="d").node.extend(body.node)
    again, _ = joined(model.SerializeToString())
    assert list(map(canonical, tensors(again))) == list(map(canonical, tensors(model)))
    for one in (model, again):
        for tensor in tensors(one):
            tensor.Clear()
    assert again.SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)


def test_large_data_is_split_off() -> None:
    model = proto("g (float[n, 64] x) => (float[n, 64] y) { y = MatMul(x, w) }", w=weights(64, 64))
    skeleton, spans = split(memoryview(model.SerializeToString()), token=TOKEN)
    assert [span.nbytes for span in spans] == [64 * 64 * 4]
    assert len(skeleton) < 300


def test_repeated_and_unpacked_data_is_left_as_it_is() -> None:
    """Protobuf allows a field in several pieces; then there is no one run of bytes to refer to."""
    tensor = numpy_helper.from_array(weights(32, 32), "w").SerializeToString()
    head = onnx.ModelProto(graph=onnx.GraphProto(initializer=[onnx.TensorProto.FromString(tensor)]))
    doubled = tensor + onnx.TensorProto(raw_data=b"\1" * 4096).SerializeToString()
    graph = b"\x2a" + _varint(len(doubled)) + doubled
    data = b"\x3a" + _varint(len(graph)) + graph
    skeleton, spans = split(memoryview(data), token=TOKEN)
    assert spans == []
    assert skeleton == data
    assert len(split(memoryview(head.SerializeToString()), token=TOKEN)[1]) == 1


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=3000))
def test_random_bytes_end_in_an_error_or_unchanged(data: bytes) -> None:
    with contextlib.suppress(WireError):
        skeleton, spans = split(memoryview(data), token=TOKEN)
        assert spans or skeleton == data


@settings(deadline=None, max_examples=60)
@given(st.integers(min_value=0, max_value=4600))
def test_truncated_models_never_pass_as_whole(size: int) -> None:
    whole = proto("g (float[n, 32] x) => (float[n, 32] y) { y = MatMul(x, w) }", w=weights(32, 32)).SerializeToString()
    data = whole[: min(size, len(whole) - 1)]
    with contextlib.suppress(WireError):
        skeleton, _ = split(memoryview(data), token=TOKEN)
        assert onnx.ModelProto.FromString(skeleton) != onnx.ModelProto.FromString(whole)


@pytest.mark.zoo
def test_real_models(zoo: Path) -> None:
    for path in sorted(zoo.glob("models/*/model.onnx")):
        data = path.read_bytes()
        again, nbytes = joined(data)
        original = onnx.ModelProto.FromString(data)
        assert list(map(canonical, tensors(again))) == list(map(canonical, tensors(original))), path
        assert nbytes > len(data) / 4, path


def _varint(number: int) -> bytes:
    digits = []
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])
