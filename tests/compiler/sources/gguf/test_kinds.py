"""Every quantized type decodes as the dequantizer of gguf does, bit for bit; the kernel gets its integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.gguf_files import random_blocks
from support.llama_cpp import quantizer

from edgec.compiler.sources.gguf.kinds import KINDS
from edgec.compiler.sources.gguf.planes import codes_by_level, planes_of
from edgec.passes.weight_only.blocks import kernel_bytes

gguf = pytest.importorskip("gguf", reason="gguf is not installed")

_TYPES = gguf.GGMLQuantizationType
_DECODED = [name for name in KINDS if name != "Q1_0"]
_WRITTEN = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4"]


def assert_decoded(name: str, blocks: np.ndarray) -> None:
    expected = gguf.quants.dequantize(blocks, _TYPES[name])
    decoded = KINDS[name].unpack(blocks).real
    np.testing.assert_array_equal(decoded.view(np.uint32), expected.view(np.uint32))


def test_the_table_is_that_of_the_package():
    sizes = {kind.name: kind for kind in gguf.GGML_QUANT_SIZES}
    for name, kind in KINDS.items():
        assert gguf.GGML_QUANT_SIZES[sizes[name]] == (kind.elements, kind.nbytes), name
    left = set(sizes) - set(KINDS) - {"F16", "BF16", "F32", "F64", "I8", "I16", "I32", "I64"}
    assert left == {"Q8_1", "Q8_K"}, "types that llama.cpp computes with, and does not store"


@pytest.mark.parametrize("name", _DECODED)
def test_random_bytes(name):
    blocks = random_blocks(name, KINDS[name].nbytes, 300, np.random.default_rng(7))
    assert_decoded(name, blocks)


@pytest.mark.parametrize("name", _DECODED)
@pytest.mark.parametrize("byte", [0, 0x7B, 0xFF & ~0x04])
def test_every_byte_the_same(name, byte):
    blocks = np.full((1, KINDS[name].nbytes), byte, np.uint8)
    assert_decoded(name, blocks)


@pytest.mark.parametrize("name", _WRITTEN)
def test_what_the_package_quantizes(name):
    w = np.random.default_rng(3).standard_normal((16, 512)).astype(np.float32)
    try:
        blocks = gguf.quants.quantize(w, _TYPES[name])
    except NotImplementedError:
        pytest.skip(f"this gguf does not quantize {name}")
    assert_decoded(name, blocks.reshape(-1, KINDS[name].nbytes))


@pytest.mark.parametrize("name", [name for name in _DECODED if name not in _WRITTEN])
def test_what_llama_cpp_quantizes(name):
    quantize = quantizer()
    if quantize is None:
        pytest.skip("llama.cpp's libggml-base is not installed (llama-cpp-python)")
    w = np.random.default_rng(4).standard_normal((8, 512)).astype(np.float32)
    assert_decoded(name, quantize(w, int(_TYPES[name])).reshape(-1, KINDS[name].nbytes))


def test_signs_of_q1_0():
    # ggml-quants.c, dequantize_row_q1_0: bit j of byte i is the sign of element 8 i + j; gguf has no decoder.
    blocks = np.concatenate([np.array([[2.5]], np.float16).view(np.uint8), np.zeros((1, 16), np.uint8)], axis=1)
    blocks[0, 2], blocks[0, 17] = 0b101, 0x80
    real = KINDS["Q1_0"].unpack(blocks).real[0]
    assert np.flatnonzero(real > 0).tolist() == [0, 2, 127]
    assert set(np.abs(real)) == {2.5}


@pytest.mark.parametrize("name", KINDS)
def test_blocks_lie_side_by_side_in_rows(name):
    kind = KINDS[name]
    blocks = random_blocks(name, kind.nbytes, 6, np.random.default_rng(5))
    rows = kind.unpack(blocks).in_rows(2)
    np.testing.assert_array_equal(rows.real.reshape(6, -1), kind.unpack(blocks).real)
    assert rows.whole.shape == (2, 3 * kind.elements)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.levels is not None])
@given(seed=st.integers(0, 2**32 - 1))
def test_planes_make_the_kernels_bytes(name, seed):
    kind = KINDS[name]
    levels = np.random.default_rng(seed).integers(0, len(kind.levels), (2, 32), dtype=np.uint8)
    made = 0
    for plane in planes_of(kind):
        stored = plane.pack(levels)
        made = made | (stored if plane.table is None else plane.table[stored].reshape(2, -1))
    np.testing.assert_array_equal(made, kernel_bytes(codes_by_level(kind)[levels], kind.bits, 0))
