"""Blocks: what codes stand for, how many bytes they take, how the kernel reads them."""

import numpy as np
import pytest

from edgec.passes.weight_only.blocks import BlockForm, Blocks, kernel_bytes


def test_codes_stand_for_distances_from_the_middle():
    form = BlockForm(bits=4, size=2)
    codes = np.array([[0, 8, 15]], np.uint8)
    blocks = Blocks(form=form, codes=codes, scale=np.array([[0.5, 2.0]], np.float32))
    np.testing.assert_array_equal(blocks.real, np.array([[-4.0, 0.0, 14.0]], np.float32))


def test_zero_points_are_of_each_block():
    form = BlockForm(bits=2, size=2, symmetric=False)
    codes, zero = np.array([[0, 3, 1, 2]], np.uint8), np.array([[1, 3]], np.uint8)
    blocks = Blocks(form=form, codes=codes, scale=np.ones((1, 2), np.float32), zero=zero)
    np.testing.assert_array_equal(blocks.real, np.array([[-1, 2, -2, -1]], np.float32))
    assert blocks.nbytes == 1 + 8 + 1


def test_one_block_is_a_row():
    form = BlockForm(bits=8, size=0)
    assert form.blocks_of(5) == 1
    assert BlockForm(bits=8, size=2).blocks_of(5) == 3
    blocks = Blocks(form=form, codes=np.full((1, 5), 129, np.uint8), scale=np.full((1, 1), 3, np.float32))
    np.testing.assert_array_equal(blocks.real, np.full((1, 5), 3, np.float32))


@pytest.mark.parametrize(("bits", "made"), [(8, [1, 2, 3]), (4, [0x21, 0xF3]), (2, [0b00_11_10_01])])
def test_the_first_code_lies_in_the_lowest_bits(bits, made):
    fill = 15 if bits == 4 else 0
    assert kernel_bytes(np.array([1, 2, 3], np.uint8), bits, fill).tolist() == made


@pytest.mark.parametrize(
    ("wrong", "said"), [({"bits": 5}, "bits: 5 is not one of 2, 3, 4, 8"), ({"size": -1}, "size: -1 is below 0")]
)
def test_forms_that_are_none(wrong, said):
    with pytest.raises(ValueError, match=f"^{said}$"):
        BlockForm(**{"bits": 4, "size": 32, **wrong})
