"""Messages between Python and JavaScript: what one writes the other reads, and back, byte for byte."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from support.node import NEEDS_NODE

from edgec.runtimes import runner
from edgec.runtimes.web import RUNNER

pytestmark = NEEDS_NODE

# Reads messages, decodes each, sends it back encoded anew; "garbage" for what is none.
ECHO = """
import { readSync, writeSync } from "node:fs";
const { HEAD_BYTES, decode, encode, readHead } = await import(process.argv[1]);
function read(size) {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; ) {
    const got = readSync(0, bytes, at, size - at, null);
    if (got === 0) process.exit(0);
    at += got;
  }
  return bytes;
}
for (;;) {
  const { header, payload } = readHead(read(HEAD_BYTES));
  const parts = [read(header), read(payload)];
  let answer;
  try {
    const { header, tensors } = decode(...parts);
    answer = encode(header, tensors);
  } catch (error) {
    answer = encode({ garbage: error.message });
  }
  for (const part of answer) {
    for (let at = 0; at < part.byteLength; ) at += writeSync(1, part, at);
  }
}
"""
DTYPES = ["bool", "float16", "float32", "float64", *(f"{s}int{b}" for s in ("", "u") for b in (8, 16, 32, 64))]
SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
NUMBERS = st.sampled_from(DTYPES).flatmap(lambda name: arrays_of.arrays(np.dtype(name), SHAPES))
TEXTS = arrays_of.arrays(np.dtype(object), SHAPES, elements=st.text(max_size=5))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda inner: st.lists(inner, max_size=3)
)
NAMES = st.text(max_size=8)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Ask = Callable[[bytes], tuple[dict, dict]]


@pytest.fixture(scope="module")
def echo() -> Iterator[Ask]:
    command = [str(shutil.which("node")), "--input-type=module", "-e", ECHO, RUNNER.with_name("messages.mjs").as_uri()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:

        def ask(message: bytes) -> tuple[dict, dict]:
            process.stdin.write(message)  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            return runner.read_message(process.stdout)  # type: ignore[arg-type,return-value]

        yield ask
        process.stdin.close()  # type: ignore[union-attr]
    assert process.returncode == 0


def sent(header: dict, arrays: dict) -> bytes:
    stream = io.BytesIO()
    runner.write_message(stream, header, arrays)
    return stream.getvalue()


@given(
    st.dictionaries(NAMES.filter(lambda name: name != "tensors"), JSON, max_size=3),
    st.dictionaries(NAMES, NUMBERS | TEXTS),
)
@QUICK
def test_a_message_comes_back_as_it_was_sent(echo: Ask, header: dict, arrays: dict) -> None:
    found, values = echo(sent(header, arrays))
    assert found == header
    assert list(values) == list(arrays)
    for name, array in arrays.items():
        assert (values[name].dtype, values[name].shape) == (array.dtype, array.shape)
        if array.dtype == object:
            assert values[name].tolist() == array.tolist()
        else:
            assert values[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (5,), (2, 3, 1)], ids=str)
def test_every_dtype_in_every_shape(echo: Ask, dtype: str, shape: tuple[int, ...]) -> None:
    before = np.arange(3, dtype=np.uint8)  # what follows begins at no multiple of its element
    array = np.random.default_rng(1).integers(0, 2, shape).astype(dtype)
    _, values = echo(sent({}, {"before": before, "array": array}))
    np.testing.assert_array_equal(values["before"], before)
    assert (values["array"].dtype, values["array"].shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(values["array"], array)


def test_extremes_and_patterns_keep_their_bits(echo: Ask) -> None:
    arrays = {
        "nan": np.array([0x7FC00001, 0xFFC00000, 0x7F800000], np.uint32).view(np.float32),
        "half": np.arange(0x10000, dtype=np.uint16).view(np.float16),
        "int64": np.array([-(2**63), 2**63 - 1, 2**53 + 1], np.int64),
        "uint64": np.array([2**64 - 1], np.uint64),
    }
    _, values = echo(sent({}, arrays))
    for name, array in arrays.items():
        assert values[name].tobytes() == array.tobytes()


def test_a_dtype_it_does_not_know_keeps_its_bytes(echo: Ask) -> None:
    import ml_dtypes

    array = np.array([1, 2], dtype=ml_dtypes.bfloat16)
    _, values = echo(sent({}, {"a": array}))
    assert values["a"].dtype == array.dtype
    assert values["a"].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("header", "payload", "why"),
    [
        (b"no JSON!", b"", "no JSON"),
        (b"\xff", b"", "no JSON"),
        (b"[{}]", b"", "no tensors"),
        (b"{}", b"", "no tensors"),
        (b'{"tensors": [1]}', b"", "no tensor"),
        (b'{"tensors": [["a", "int8", [-1], -1]]}', b"", "no tensor"),
        (b'{"tensors": [["a", "int8", [1.5], 1]]}', b"", "no tensor"),
        (b'{"tensors": [["a", "int16", [2], 2]]}', b"ab", "no tensor"),
        (b'{"tensors": [["a", "string", [2], ["x"]]]}', b"", "no strings"),
        (b'{"tensors": [["a", "int8", [2], 2]]}', b"a", "fewer bytes than announced"),
        (b'{"tensors": []}', b"a", "more bytes than announced"),
    ],
)
def test_garbage_is_found(echo: Ask, header: bytes, payload: bytes, why: str) -> None:
    found, _ = echo(struct.pack("<4sIQ", b"EDGC", len(header), len(payload)) + header + payload)
    assert found == {"garbage": why}


ENTRY = st.lists(JSON | st.sampled_from([*DTYPES, "string", "toString"]), max_size=5)


@given(JSON | st.fixed_dictionaries({"tensors": JSON | st.lists(ENTRY, max_size=2)}))
@QUICK
def test_any_json_is_garbage_or_a_header(echo: Ask, header: object) -> None:
    text = json.dumps(header).encode()
    found, _ = echo(struct.pack("<4sIQ", b"EDGC", len(text), 0) + text)
    assert isinstance(found, dict)
