"""The runner by itself: its messages, and the program as any client sees it."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from support.hosts import model

from edgec.runtimes import runner

NUMERIC = [
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("bool", "float16", "float32", "float64", "complex64"),
]
NARROW = ["bfloat16", "float8_e4m3fn", "int4", "uint4"]


def sent(header: dict, arrays: dict) -> bytes:
    stream = io.BytesIO()
    runner.write_message(stream, header, arrays)
    return stream.getvalue()


def received(data: bytes) -> tuple[dict, dict]:
    stream = io.BytesIO(data)
    message = runner.read_message(stream)
    assert message is not None
    assert stream.read() == b""  # not a byte more was taken, nor one left
    return message


def assert_same(found: np.ndarray, array: np.ndarray) -> None:
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    if array.dtype == object:
        assert found.tolist() == array.tolist()
    else:
        assert found.tobytes() == array.tobytes()


SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
NUMBERS = st.sampled_from(NUMERIC).flatmap(lambda name: arrays_of.arrays(np.dtype(name), SHAPES))
TEXTS = arrays_of.arrays(np.dtype(object), SHAPES, elements=st.text(max_size=5))
VALUES = NUMBERS | TEXTS
NAMES = st.text(max_size=8)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(st.dictionaries(NAMES.filter(lambda name: name != "tensors"), JSON, max_size=3), st.dictionaries(NAMES, VALUES))
@QUICK
def test_a_message_comes_out_as_it_went_in(header, arrays):
    found, values = received(sent(header, arrays))
    assert found == header
    assert list(values) == list(arrays)
    for name, array in arrays.items():
        assert_same(values[name], array)
        assert values[name].flags.writeable


@given(NUMBERS, st.data())
@QUICK
def test_how_an_array_lies_in_memory_does_not_matter(array, data):
    turned = array.transpose(data.draw(st.permutations(range(array.ndim))))
    stepped = turned[tuple(slice(None, None, data.draw(st.sampled_from([1, 2, -1]))) for _ in range(array.ndim))]
    _, values = received(sent({}, {"a": stepped}))
    assert_same(values["a"], np.ascontiguousarray(stepped).reshape(stepped.shape))


@given(VALUES, st.data())
@QUICK
def test_a_torn_message_is_the_end_of_the_stream(array, data):
    whole = sent({"do": "run"}, {"a": array})
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(EOFError):
        runner.read_message(io.BytesIO(whole[:cut]))


@given(st.binary(max_size=200))
@QUICK
def test_random_bytes_are_garbage_or_an_end(data):
    try:
        message = runner.read_message(io.BytesIO(data))
    except (runner.GarbageError, EOFError):
        return
    assert message is None
    assert data == b""


@given(st.data(), VALUES)
@QUICK
def test_changed_bytes_are_garbage_or_an_end_or_another_message(data, array):
    whole = bytearray(sent({"do": "run", "session": 1}, {"a": array}))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = runner.read_message(io.BytesIO(bytes(whole)))
    except (runner.GarbageError, EOFError):
        return
    assert message is not None


ENTRY = st.lists(JSON | st.sampled_from([*NUMERIC, *NARROW, "string", "object", "finfo", "M8[s]", "f4,f4"]), max_size=5)


@given(JSON | st.fixed_dictionaries({"tensors": JSON | st.lists(ENTRY, max_size=2)}))
@QUICK
def test_any_json_is_garbage_or_a_header(header):
    text = json.dumps(header).encode()
    data = struct.pack("<4sIQ", b"EDGC", len(text), 0) + text
    try:
        message = runner.read_message(io.BytesIO(data))
    except (runner.GarbageError, EOFError):
        return
    assert message is not None


@pytest.mark.parametrize("name", NARROW)
def test_narrow_types_pass(name):
    array = np.array([[0, 1], [2, 3]]).astype(np.dtype(getattr(ml_dtypes, name)))
    _, values = received(sent({}, {"a": array}))
    assert_same(values["a"], array)


def test_strings_of_every_kind_are_text():
    arrays = {
        "text": np.array([["a", "bé"]]),
        "bytes": np.array([b"a", "bé".encode()]),
        "objects": np.array([b"c", "d", 3], dtype=object),
        "one": np.array("x"),
        "none": np.zeros((0, 2), dtype=object),
    }
    _, values = received(sent({}, arrays))
    assert {name: (value.dtype, value.tolist()) for name, value in values.items()} == {
        "text": (np.dtype(object), [["a", "bé"]]),
        "bytes": (np.dtype(object), ["a", "bé"]),
        "objects": (np.dtype(object), ["c", "d", "3"]),
        "one": (np.dtype(object), "x"),
        "none": (np.dtype(object), []),
    }
    assert values["none"].shape == (0, 2)


def test_numbers_of_the_other_byte_order_keep_their_value():
    _, values = received(sent({}, {"a": np.array([1, 256], dtype=">i4")}))
    np.testing.assert_array_equal(values["a"], [1, 256])


def test_the_layout_is_the_documented_one():
    text = b'{"do": "run", "tensors": [["a", "int16", [2], 4]]}'
    assert sent({"do": "run"}, {"a": np.array([1, 2], np.int16)}) == (
        b"EDGC" + struct.pack("<IQ", len(text), 4) + text + b"\x01\x00\x02\x00"
    )


def test_what_is_found_in_the_place_of_a_message_is_kept():
    with pytest.raises(runner.GarbageError) as caught:
        runner.read_message(io.BytesIO(b"Segmentation fault"))
    assert caught.value.found == b"Segmentation fau"


def test_garbage_is_known_by_its_first_bytes():
    """A program that prints three bytes and waits is found out at once."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream:
        os.write(writing, b"hi\n")
        with pytest.raises(runner.GarbageError):
            runner.read_message(stream)
    os.close(writing)


@pytest.mark.parametrize("size", [1 << 31, (1 << 32) - 1])
def test_a_header_too_long_is_not_read(size):
    with pytest.raises(runner.GarbageError):
        runner.read_message(io.BytesIO(struct.pack("<4sIQ", b"EDGC", size, 0)))


# ---- the program


@pytest.fixture
def program():
    """`ask(header, arrays)` of a runner that has said what it is."""
    with subprocess.Popen(
        [sys.executable, runner.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        hello, _ = runner.read_message(process.stdout)  # type: ignore[arg-type,misc]
        assert hello["process"] == process.pid

        def ask(header: dict, arrays: dict | None = None) -> tuple[dict, dict]:
            runner.write_message(process.stdin, header, arrays or {})  # type: ignore[arg-type]
            return runner.read_message(process.stdout)  # type: ignore[arg-type,return-value]

        yield ask
    assert process.returncode == 0  # leaving the block closed its input


OPEN = {"do": "open", "providers": ["CPUExecutionProvider"], "settings": {}}


def test_requests_that_are_none_are_refused_and_the_next_is_answered(program):
    assert program({"do": "dance"}) == ({"error": "request", "message": "'dance' is not a request"}, {})
    assert program({}) == ({"error": "request", "message": "KeyError: 'do'"}, {})
    assert program({"do": "run", "session": 7}) == ({"error": "request", "message": "KeyError: 7"}, {})
    bytes_of = {"model:": np.frombuffer(model(), np.uint8)}
    header, _ = program(OPEN, bytes_of)
    assert header["session"] == 1
    assert (header["inputs"], header["outputs"]) == ([["x", "tensor(float)", ["N"]]], [["y", "tensor(float)", ["N"]]])
    _, found = program({"do": "run", "session": 1}, {"x": np.ones(2, np.float32)})
    np.testing.assert_array_equal(found["y"], 1)


def test_sessions_are_closed_on_demand_and_beside_other_requests(program):
    bytes_of = {"model:": np.frombuffer(model(), np.uint8)}
    assert [program(OPEN, bytes_of)[0]["session"] for _ in range(3)] == [1, 2, 3]
    assert program({"do": "close", "session": 1}) == ({}, {})
    assert program({"do": "close", "session": 3, "forget": [2, 99]}) == ({}, {})
    for number in (1, 2, 3):
        header, _ = program({"do": "run", "session": number}, {"x": np.ones(2, np.float32)})
        assert header["message"] == f"KeyError: {number}"


@pytest.mark.parametrize("name", ["../model.onnx", "/model.onnx", "sub/../../model.onnx"])
def test_files_stay_in_their_folder(program, name):
    header, _ = program({**OPEN, "files": [name]}, {f"file:{name}": np.frombuffer(model(), np.uint8)})
    assert header == {"error": "open", "message": f"{name} lies outside the model's folder"}


def test_it_imports_nothing_of_edgec():
    """One file is all that is sent to other places."""
    code = "import runpy, sys; runpy.run_path(sys.argv[1]); print(any(m.startswith('edgec') for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, runner.__file__], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_it_is_legible_to_the_oldest_python_it_serves():
    import ast
    from pathlib import Path

    ast.parse(Path(runner.__file__).read_text(encoding="utf-8"), feature_version=(3, 10))


@pytest.mark.parametrize(
    ("entry", "size"),
    [
        (["a", "float32", [1 << 40], 4], 4),
        (["a", "float32", [2, -2], 16], 16),
        (["a", "float32", [1.0], 4], 4),
        (["a", "string", [2], ["one"]], 0),
        (["a", "string", [1], [1]], 0),
        (["a", "object", [1], 8], 8),
        (["a", "float32", [1], 4], 8),
        (["a", "float32", [1]], 4),
    ],
)
def test_arrays_that_do_not_add_up_are_garbage_before_memory_is_asked_for(entry, size):
    text = json.dumps({"tensors": [entry]}).encode()
    with pytest.raises(runner.GarbageError) as caught:
        runner.read_message(io.BytesIO(struct.pack("<4sIQ", b"EDGC", len(text), size) + text + bytes(64)))
    assert caught.value.found == text
