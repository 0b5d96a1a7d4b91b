from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.codebook.planes import byte_table, half_byte_table, planes


@settings(deadline=None)
@given(st.integers(1, 9), st.booleans(), st.integers(0, 2**32 - 1))
def test_three_rows_of_the_table_make_eight_codes(groups: int, raised: bool, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 8, groups * 8).astype(np.uint8)
    stored, table = planes(codes), half_byte_table(raised=raised)
    assert (stored.shape, stored.dtype, table.shape) == ((3, groups), np.uint8, (768, 4))
    for group in range(groups):
        low, mid, high = (int(stored[plane, group]) for plane in range(3))
        halves = table[low] | table[256 + mid] | table[512 + high]
        made = [int(byte) >> shift & 15 for byte in halves for shift in (0, 4)]
        each = byte_table()
        assert (each[low] | each[mid] << 1 | each[high] << 2).tolist() == codes[group * 8 : group * 8 + 8].tolist()
        assert made == (codes[group * 8 : group * 8 + 8] + 4 * raised).tolist()
