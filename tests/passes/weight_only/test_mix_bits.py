from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model, weights
from support.recipes import measure_on

from edgec.passes.weight_only.allocate import allocate
from edgec.passes.weight_only.decide_storage import DecideStorage
from edgec.passes.weight_only.mix_bits import MixBits
from edgec.passes.weight_only.storage import storage_of

NET = """g (float[N, 64] x, int64[N] i) => (float[N, 64] y, float[N, 40] e) {
    a = MatMul (x, first)
    r = Relu (a)
    y = MatMul (r, second)
    e = Gather (table, i)
}"""


@given(st.integers(1, 5), st.integers(1, 4), st.floats(0.5, 1.5), st.integers(0, 2**32 - 1))
def test_the_budget_is_kept_and_no_choice_is_much_better(matrices: int, forms: int, share: float, seed: int) -> None:
    """Against every choice there is: no worse than the best one that has the dearest step less to spend."""
    rng = np.random.default_rng(seed)
    costs = np.sort(rng.uniform(1, 10, (matrices, forms)), axis=1)
    losses = np.sort(rng.uniform(0, 1, (matrices, forms)), axis=1)[:, ::-1]
    budget = share * costs.mean(axis=1).sum()
    each = np.arange(matrices)
    chosen = allocate(losses, costs, budget)
    spent, least = costs[each, chosen].sum(), costs[:, 0].sum()
    assert spent <= max(budget, least) * (1 + 1e-9)
    tighter = budget - (costs.max(axis=1) - costs.min(axis=1)).max()
    within = [
        losses[each, list(choice)].sum()
        for choice in itertools.product(range(forms), repeat=matrices)
        if costs[each, list(choice)].sum() <= tighter
    ]
    assert losses[each, chosen].sum() <= min(within, default=np.inf) + 1e-9


def test_a_form_that_costs_more_and_loses_more_is_never_taken() -> None:
    losses, costs = np.array([[0.5, 0.9, 0.1]]), np.array([[1.0, 2.0, 3.0]])
    assert allocate(losses, costs, 2.5).tolist() == [0]
    assert allocate(losses, costs, 3.0).tolist() == [2]
    assert allocate(losses, costs, 0.1).tolist() == [0], "the cheapest, where nothing fits"


def mixed(bpw: float, **options: object) -> dict[str, int]:
    """Bits by weight, after a mix; what `second` gives is far smaller than what `first` does."""
    small = weights(64, 64, scale=0.001)
    source = model(NET, opset=21, first=weights(64, 64), second=small, table=weights(50, 40))
    DecideStorage(block_size=32, minimum=1, **options)(source)
    before = {name: storage_of(source.graph.initializers[name]).form.bits for name in ("first", "second", "table")}
    each = MixBits(bpw=bpw)
    if needs := each.needs(source):
        measure_on([feeds_of(source, sizes={"N": 200})])(source, needs)
    changed = each(source).modified
    found = {name: storage_of(source.graph.initializers[name]).form.bits for name in ("first", "second", "table")}
    assert changed == (found != before)
    assert not each.needs(source)
    assert not each(source).modified
    return found


def test_bits_go_where_they_are_missed() -> None:
    assert mixed(9.5) == {"first": 8, "second": 8, "table": 4}
    assert mixed(1.0) == {"first": 2, "second": 2, "table": 4}
    assert mixed(5.0) == {"first": 4, "second": 3, "table": 4}, "the layer of larger outputs first"


def test_what_the_user_fixed_stays() -> None:
    assert mixed(9.5, keep=("mlp=int3", "lm_head=int2"))["first"] == 3
    assert mixed(9.5, keep=("mlp=int3", "lm_head=int2"))["second"] == 2


@pytest.mark.parametrize(("bpw", "bits"), [(9.01, 8), (8.99, 4), (5.01, 4), (4.99, 3), (4.01, 3), (3.99, 2)])
def test_scales_count(bpw: float, bits: int) -> None:
    """A scale of 32 bits for 32 elements is one bit more for each."""
    source = model("g (float[N, 64] x) => (y) { y = MatMul (x, w) }", opset=21, w=weights(64, 64))
    DecideStorage(block_size=32, minimum=1)(source)
    each = MixBits(bpw=bpw)
    measure_on([feeds_of(source, sizes={"N": 100})])(source, each.needs(source))
    each(source)
    assert storage_of(source.graph.initializers["w"]).form.bits == bits
