"""Products by matrices in few bits: what blocks stand for, bit for bit, and gradients for the inputs alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.errors import ModelError
from edgec.passes.codebook.levels import NF4, nearest_levels
from edgec.passes.weight_only.blocks import BlockForm
from edgec.passes.weight_only.nearest import nearest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="needs edgec[torch]")

from edgec.compiler.training.graph.edges import Edges  # noqa: E402
from edgec.compiler.training.graph.linear import Linear  # noqa: E402
from edgec.compiler.training.low_rank.frozen_linear import FrozenLinear  # noqa: E402


def linear(rows: int, columns: int) -> Linear:
    return Linear("w", flipped=False, shape=(rows, columns), edges=Edges())


@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 70),
    bits=st.sampled_from([2, 3, 4, 8]),
    size=st.sampled_from([0, 16, 32]),
    symmetric=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_the_weight_is_what_blocks_stand_for(
    rows: int, columns: int, bits: int, size: int, symmetric: bool, seed: int
) -> None:
    W = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)  # noqa: N806
    blocks = nearest(W, BlockForm(bits=bits, size=size, symmetric=symmetric))

    frozen = FrozenLinear(linear(rows, columns), blocks)

    assert np.array_equal(frozen.weight.numpy(), blocks.real)
    assert frozen.codes.nbytes == rows * (columns if bits == 8 else -(-columns // 2))


def test_levels_are_kept_in_four_bits_and_stand_for_the_kernels_eight() -> None:
    W = np.random.default_rng(0).standard_normal((6, 130)).astype(np.float32)  # noqa: N806
    levelled = nearest_levels(W, NF4, 64)

    frozen = FrozenLinear(linear(6, 130), levelled.blocks, levelled)

    assert np.array_equal(frozen.weight.numpy(), levelled.blocks.real)
    assert frozen.codes.nbytes == 6 * 65


def test_gradients_pass_to_the_inputs_as_those_of_a_linear_do() -> None:
    rng = np.random.default_rng(1)
    blocks = nearest(rng.standard_normal((7, 33)).astype(np.float32), BlockForm(bits=4, size=16))
    frozen = FrozenLinear(linear(7, 33), blocks)
    x = torch.tensor(rng.standard_normal((2, 3, 33)), dtype=torch.float32, requires_grad=True)
    same = x.detach().clone().requires_grad_()

    frozen(x).square().sum().backward()
    torch.nn.functional.linear(same, torch.from_numpy(blocks.real)).square().sum().backward()

    assert torch.allclose(x.grad, same.grad, rtol=1e-6)
    assert list(frozen.parameters()) == []
    assert sorted(frozen.state_dict()) == ["codes", "scale", "table"]


def test_the_wide_matrix_is_not_kept_for_the_way_back() -> None:
    blocks = nearest(np.ones((64, 64), np.float32), BlockForm(bits=4, size=32))
    frozen, kept = FrozenLinear(linear(64, 64), blocks), []
    x = torch.ones(1, 64, requires_grad=True)

    with torch.autograd.graph.saved_tensors_hooks(lambda each: kept.append(each) or each, lambda each: each):
        frozen(x)

    assert kept == []


def test_nothing_is_merged_into_it_without_a_word() -> None:
    """As `merge_and_unload` of peft does; the weight is made anew whenever it is read, so nothing would be kept."""
    blocks = nearest(np.ones((4, 32), np.float32), BlockForm(bits=4, size=16))
    frozen = FrozenLinear(linear(4, 32), blocks)
    assert type(frozen.weight.t() @ frozen.weight) is torch.Tensor
    with pytest.raises(ModelError) as caught:
        frozen.weight.data += 1.0
    assert str(caught.value) == (
        "initializer 'w': is kept in few bits: no adapter can be merged into it. "
        "Save the adapter, and give it to edgec.compile: adapters={...}, or merge_adapter."
    )
