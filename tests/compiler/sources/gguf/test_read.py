"""Files that are none, and what is said of them; metadata and tensors of those that are."""

import contextlib
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gguf_files import random_blocks, write_gguf

from edgec.compiler.sources.gguf.kinds import KINDS
from edgec.compiler.sources.gguf.read import GgufFile, read_gguf
from edgec.errors import MissingExtraError, ModelError

gguf = pytest.importorskip("gguf", reason="gguf is not installed")

AGAIN = "Copy or download the file again."


@pytest.fixture
def whole(tmp_path):
    """A small file of three tensors."""
    blocks = random_blocks("Q4_0", 18, 8, np.random.default_rng(0)).reshape(4, 36)
    tensors = {"a": np.arange(3, dtype=np.float32), "b": (blocks, "Q4_0"), "c": np.ones((2, 4), np.float16)}
    metadata = {"tokenizer.ggml.tokens": ["x", "y"], "llama.numbers": [1, 2, 3], "llama.block_count": 1}
    return write_gguf(tmp_path / "whole.gguf", tensors, metadata=metadata)


def refusal(path) -> str:
    with pytest.raises(ModelError) as caught:
        read_gguf(path, "m.gguf")
    return str(caught.value)


def test_a_whole_file(whole):
    file = read_gguf(whole, "m.gguf")
    assert file.metadata["general.architecture"] == "llama"
    assert file.metadata["tokenizer.ggml.tokens"] == ["x", "y"]
    assert {name: (each.kind, each.shape) for name, each in file.tensors.items()} == {
        "a": ("F32", (3,)),
        "b": ("Q4_0", (4, 64)),
        "c": ("F16", (2, 4)),
    }
    np.testing.assert_array_equal(file.tensors["a"].floats(), np.arange(3, dtype=np.float32))
    expected = gguf.quants.dequantize(np.array(file.tensors["b"].raw), gguf.GGMLQuantizationType.Q4_0)
    kind = KINDS["Q4_0"]
    real = kind.unpack(file.tensors["b"].rows(0, 4).reshape(-1, kind.nbytes)).in_rows(4).real
    np.testing.assert_array_equal(real, expected)


def test_the_package_is_an_extra(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtraError) as caught:
        read_gguf(whole, "m.gguf")
    assert str(caught.value) == (
        "m.gguf: needs the package 'gguf', which is not installed. Install it with: pip install \"edgec[gguf]\""
    )


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"GGUF", f"m.gguf: is no GGUF file. {AGAIN}"),
        (b"GGML" + bytes(40), f"m.gguf: is no GGUF file. {AGAIN}"),
        (
            b"GGUF" + struct.pack("<I", 1) + bytes(40),
            "m.gguf: is GGUF of version 1; read are 2 and 3. Convert the model to GGUF again.",
        ),
        (
            b"GGUF" + struct.pack(">I", 3) + bytes(40),
            "m.gguf: is written for big-endian machines. Convert it with: gguf-convert-endian FILE little.",
        ),
        (
            b"GGUF" + struct.pack("<I", 3) + bytes(8),
            f"m.gguf: is truncated or corrupt: its header goes on to byte 24, the file has 16. {AGAIN}",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 60) + bytes(40),
            f"m.gguf: is truncated or corrupt: its header goes on to byte {32 + (1 << 60)}, the file has 72. {AGAIN}",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 5, 1 << 40) + bytes(40),
            f"m.gguf: is truncated or corrupt: its header goes on to byte {49 + (4 << 40)}, the file has 89. {AGAIN}",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 99) + bytes(40),
            f"m.gguf: is truncated or corrupt: key 'k' has a value of the unknown type 99. {AGAIN}",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 17) + b"general.alignment" + struct.pack("<II", 4, 3) + bytes(9),
            f"m.gguf: is truncated or corrupt: general.alignment is 3, no power of two. {AGAIN}",
        ),
        (
            b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<I", 9) + bytes(99),
            f"m.gguf: is truncated or corrupt: tensor 't' has 9 dimensions. {AGAIN}",
        ),
    ],
)
def test_heads_that_are_none(tmp_path, head, said):
    path = tmp_path / "m.gguf"
    path.write_bytes(head)
    assert refusal(path) == said


def _with_tensor(path, dims: tuple[int, ...], kind: int, data: bytes) -> None:
    info = struct.pack("<Q", 1) + b"t" + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + info
    path.write_bytes(head + bytes(-len(head) % 32) + data)


@pytest.mark.parametrize(
    ("dims", "kind", "said"),
    [
        ((8,), 999, "is of type 999, which is not known. Update the package gguf."),
        ((8,), 16 + 8, "is of type I8, which is not read. Quantize the model to one of "),
        ((32,), 9, "is of type Q8_1, which llama.cpp only computes with. Quantize the model to one of "),
        ((24, 2), 2, "is Q4_0 [2, 24], whose rows are no whole blocks of 32. Write the file again."),
        ((0,), 0, "is F32 [0], whose rows are no whole blocks of 1. Write the file again."),
        ((64, 64), 0, f"lies in bytes 96 to 16480, the file has 196. {AGAIN}"),
    ],
)
def test_tensors_that_are_none(tmp_path, dims, kind, said):
    _with_tensor(tmp_path / "m.gguf", dims, kind, bytes(100))
    types = f"{', '.join([*KINDS, 'F32', 'F16', 'BF16'])}." if said.endswith("one of ") else ""
    assert refusal(tmp_path / "m.gguf") == f"m.gguf, tensor 't': {said}{types}"


def test_no_tensors(tmp_path):
    path = write_gguf(tmp_path / "m.gguf", {}, metadata={"llama.block_count": 1})
    assert refusal(path) == "m.gguf: holds no tensors: it is a vocabulary alone. Give the file with the weights."


def test_one_part_of_several(tmp_path):
    path = write_gguf(tmp_path / "m.gguf", {"a": np.ones(4, np.float32)}, metadata={"split.count": 3})
    assert refusal(path) == "m.gguf: is one of 3 parts. Join them with: llama-gguf-split --merge FIRST_PART WHOLE."


def test_names_that_are_there_twice(tmp_path):
    info = struct.pack("<Q", 1) + b"t" + struct.pack("<IQIQ", 1, 8, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 2, 0) + 2 * info
    (tmp_path / "m.gguf").write_bytes(head + bytes(-len(head) % 32) + bytes(64))
    assert refusal(tmp_path / "m.gguf") == f"m.gguf: is truncated or corrupt: tensor 't' is there twice. {AGAIN}"


def test_keys_that_are_there_twice(tmp_path):
    key = struct.pack("<Q", 1) + b"k" + struct.pack("<IB", 0, 1)
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + 2 * key)
    assert refusal(tmp_path / "m.gguf") == f"m.gguf: is truncated or corrupt: key 'k' is there twice. {AGAIN}"


def test_names_that_are_no_text(tmp_path):
    key = struct.pack("<Q", 2) + b"\xff\xfe" + struct.pack("<IB", 0, 1)
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key)
    assert refusal(tmp_path / "m.gguf") == f"m.gguf: is truncated or corrupt: bytes 32 to 34 are no text. {AGAIN}"


def test_metadata_are_those_that_the_package_reads(whole):
    expected = {name: field.contents() for name, field in gguf.GGUFReader(whole).fields.items()}
    found = read_gguf(whole, "m.gguf").metadata
    assert found == {name: value for name, value in expected.items() if not name.startswith("GGUF.")}


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_refused_or_harmless(tmp_path_factory, data):
    """Cut anywhere, or with any bytes changed: an error of ours or a file, never another exception, never a hang."""
    folder = tmp_path_factory.getbasetemp()
    path = folder / "damaged.gguf"
    blocks = random_blocks("Q8_0", 34, 2, np.random.default_rng(0)).reshape(2, 34)
    metadata = {"tokenizer.ggml.tokens": ["x", "y"], "llama.numbers": [1, 2, 3]}
    write_gguf(path, {"a": np.arange(3, dtype=np.float32), "b": (blocks, "Q8_0")}, metadata=metadata)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(1, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(ModelError):
        assert isinstance(read_gguf(path, "m.gguf"), GgufFile)
