"""Which zeros of a weight stay."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.compiler.training.zeros import kept_of


@pytest.mark.parametrize(("zeros", "stay"), [(0, False), (63, False), (64, True), (256, True)])
def test_a_quarter_of_zeros_stays(zeros: int, stay: bool) -> None:
    weight = np.ones((16, 16), np.float32)
    weight.flat[:zeros] = 0
    found = kept_of(weight)
    assert (found is not None) == stay
    assert found is None or np.array_equal(found, weight == 1)


def test_nothing_has_no_zeros() -> None:
    assert kept_of(np.zeros((0, 4), np.float32)) is None
