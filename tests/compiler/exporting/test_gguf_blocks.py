"""Blocks as GGUF's types: read back bit for bit by gguf, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.compiler.exporting.gguf_blocks import Packed, pack
from edgec.passes.weight_only.blocks import BlockForm, Blocks

gguf = pytest.importorskip("gguf", reason="gguf is not installed")


def blocks_of(
    bits: int, size: int, *, symmetric: bool, seed: int = 0, columns: int = 128, halves: bool = True
) -> Blocks:
    rng = np.random.default_rng(seed)
    form = BlockForm(bits=bits, size=size, symmetric=symmetric)
    groups = form.blocks_of(columns)
    scale = rng.uniform(0.001, 0.1, (3, groups)).astype(np.float16 if halves else np.float32).astype(np.float32)
    return Blocks(
        form=form,
        codes=rng.integers(0, 1 << bits, (3, columns), dtype=np.uint8),
        scale=scale,
        zero=None if symmetric else rng.integers(0, 1 << bits, (3, groups), dtype=np.uint8),
    )


def read_back(packed: Packed) -> np.ndarray:
    return gguf.quants.dequantize(packed.data, gguf.GGMLQuantizationType[packed.kind])


@given(seed=st.integers(0, 2**32 - 1), bits=st.sampled_from([2, 3, 4, 8]), size=st.sampled_from([32, 64, 128, 0]))
def test_symmetric_blocks_read_back_bit_for_bit(seed, bits, size):
    blocks = blocks_of(bits, size, symmetric=True, seed=seed)
    packed = pack(blocks)
    assert isinstance(packed, Packed)
    assert packed.kind == ("Q8_0" if bits == 8 else "Q4_0")
    assert packed.lost == 0
    np.testing.assert_array_equal(read_back(packed).view(np.uint32), blocks.real.view(np.uint32))


@given(seed=st.integers(0, 2**32 - 1))
def test_zero_points_become_minima(seed):
    """d q + m is what gguf reads: m is the half nearest to -zero d, which is said."""
    blocks = blocks_of(4, 32, symmetric=False, seed=seed)
    blocks.zero[0, 0], blocks.codes[0, 0] = 0, 15  # leaves Q4_0
    packed = pack(blocks)
    assert isinstance(packed, Packed)
    assert packed.kind == "Q4_1"
    assert packed.lost <= 2.0**-11
    d = np.repeat(blocks.scale, 32, axis=1)
    m = np.repeat((-blocks.zero.astype(np.float32) * blocks.scale).astype(np.float16).astype(np.float32), 32, axis=1)
    np.testing.assert_array_equal(read_back(packed), d * blocks.codes.astype(np.float32) + m)
    assert np.abs(read_back(packed) - blocks.real).max() <= 2.0**-11 * np.abs(m).max() * 1.001


def test_zero_points_that_leave_few_integers_need_no_minimum():
    blocks = blocks_of(2, 32, symmetric=False)
    packed = pack(blocks)
    assert isinstance(packed, Packed)
    assert packed.kind == "Q4_0"
    np.testing.assert_array_equal(read_back(packed), blocks.real)


def test_what_scales_lose_is_said():
    blocks = blocks_of(4, 32, symmetric=True, halves=False)
    packed = pack(blocks)
    assert isinstance(packed, Packed)
    assert 0 < packed.lost <= 2.0**-11
    halves = Blocks(form=blocks.form, codes=blocks.codes, scale=blocks.scale.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(read_back(packed), halves.real)


@pytest.mark.parametrize(
    ("blocks", "why"),
    [
        (blocks_of(4, 16, symmetric=True), "its blocks of 16 along 128 are no multiples of 32"),
        (blocks_of(4, 0, symmetric=True, columns=100), "its blocks of 100 along 100 are no multiples of 32"),
        (blocks_of(8, 32, symmetric=False), "its integers leave 8 bits"),
    ],
)
def test_what_no_type_holds(blocks, why):
    assert pack(blocks) == why


@pytest.mark.parametrize("scale", [1e-9, 1e6])
def test_scales_beyond_halves(scale):
    blocks = blocks_of(4, 32, symmetric=True)
    far = Blocks(form=blocks.form, codes=blocks.codes, scale=np.full_like(blocks.scale, scale))
    assert pack(far) == "its scales are beyond the normal halves"


def test_minima_beyond_halves_are_no_blocks():
    blocks = blocks_of(4, 32, symmetric=False, seed=0)
    blocks.scale[:], blocks.zero[:], blocks.codes[0, 0] = 30000.0, 15, 0  # 450 000
    assert pack(blocks) == "its minima are beyond the normal halves"
