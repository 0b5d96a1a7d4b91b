"""Fake blocks: forward what the blocks stand for, bit for bit; backward what LSQ has."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.passes.weight_only.blocks import BlockForm
from edgec.passes.weight_only.nearest import nearest
from edgec.passes.weight_only.on_grid import on_grid
from edgec.passes.weight_only.storage import as_matrix

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
from edgec.compiler.training.distilling.fake_blocks import FakeBlocks  # noqa: E402 - after torch is known to be here
from edgec.compiler.training.distilling.fake_tokens import FakeTokens  # noqa: E402

pytestmark = pytest.mark.torch

_SITES = {
    "MatMul": ((40, 6), (0,)),
    "transB": ((6, 40), (1,)),
    "Conv": ((4, 3, 3, 3), (1, 2, 3)),
    "LSTM": ((2, 8, 20), (2,)),
}


def _fake(shape: tuple[int, ...], summed: tuple[int, ...], form: BlockForm) -> tuple[FakeBlocks, np.ndarray]:
    w = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    return FakeBlocks(nearest(as_matrix(w, summed), form), summed, shape), w


@pytest.mark.parametrize("site", _SITES)
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("size", [16, 0])
def test_forward_is_what_the_blocks_stand_for(site: str, bits: int, symmetric: bool, size: int) -> None:
    shape, summed = _SITES[site]
    fake, w = _fake(shape, summed, BlockForm(bits=bits, size=size, symmetric=symmetric))
    with torch.no_grad():
        fake.scale.mul_(torch.rand(fake.scale.shape, generator=torch.Generator().manual_seed(0)) + 0.5)
    weight = torch.from_numpy(w)
    made = fake(weight).detach().numpy()
    blocks = fake.blocks(weight)
    np.testing.assert_array_equal(as_matrix(made, summed), blocks.real)
    np.testing.assert_array_equal(fake.real(weight), made)
    assert made.shape == shape
    assert blocks.codes.max() <= fake.form.largest
    found = on_grid(as_matrix(fake.real(weight), summed), fake.form)
    assert found is not None
    np.testing.assert_array_equal(found.real, blocks.real)


def test_starts_where_the_nearest_ends() -> None:
    form = BlockForm(bits=4, size=16)
    fake, w = _fake((6, 40), (1,), form)
    # A code may differ where a quotient lies on the border of two.
    assert (fake.blocks(torch.from_numpy(w)).codes == nearest(w, form).codes).mean() > 0.99


def test_gradients_are_those_of_lsq() -> None:
    """One block, s = 0.5, codes -8 to 7: two inside, one beyond either end."""
    form = BlockForm(bits=4, size=4)
    w = np.array([[0.6, -1.4, 9.0, -9.0]], np.float32)
    fake = FakeBlocks(nearest(w, form), (1,), (1, 4))
    with torch.no_grad():
        fake.scale.fill_(0.5)
    weight = torch.from_numpy(w).requires_grad_()
    made = fake(weight)
    assert made.tolist() == [[0.5, -1.5, 3.5, -4.0]]
    made.backward(torch.tensor([[1.0, 10.0, 100.0, 1000.0]]))
    assert weight.grad.tolist() == [[1.0, 10.0, 0.0, 0.0]]
    inside = 1 * (1 - 1.2) + 10 * (-3 + 2.8)
    assert fake.scale.grad.item() == pytest.approx(inside + 100 * 7 - 1000 * 8, rel=1e-5)


def test_tokens_have_scales_of_their_own() -> None:
    x = torch.tensor([[1.0, -0.5, 0.26], [0.0, 0.0, 0.0], [100.0, 50.0, 0.3]], requires_grad=True)
    made = FakeTokens(3)(x)
    torch.testing.assert_close(made, torch.tensor([[1.0, -2 / 3, 1 / 3], [0.0, 0.0, 0.0], [100.0, 200 / 3, 0.0]]))
    made.sum().backward()
    assert (x.grad == 1).all()
