from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.codebook.double_scales import double_scales


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_each_is_off_by_half_a_step(rows: int, columns: int, seed: int) -> None:
    absmax = np.random.default_rng(seed).uniform(0.1, 4, (rows, columns)).astype(np.float32)
    stored = double_scales(absmax)
    flat, mean = absmax.reshape(-1), absmax.mean()
    for start in range(0, flat.size, 256):
        run = flat[start : start + 256]
        bound = np.abs(run - mean).max() / 254 + 1e-6
        assert np.abs(stored.real.reshape(-1)[start : start + 256] - run).max() <= bound
    assert stored.real.shape == absmax.shape


def test_equal_scales_are_exact() -> None:
    np.testing.assert_array_equal(double_scales(np.full((3, 5), 0.25, np.float32)).real, np.full((3, 5), 0.25))
