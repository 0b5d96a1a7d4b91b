from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, optimized_ops, run
from support.recipes import compiled, measure_on, recipe

from edgec.passes.lower.min_integers import MinIntegers

CHAIN = """g (float[N,4,6,6] x) => (float[N,4,6,6] y) {
    a = Conv(x, w1)
    r = Relu(a)
    m = Min(r, c)
    y = Conv(m, w2)
}"""


def before(text: str, *, scheme: str = "a8w8", opset: int = 17, **constants: np.ndarray) -> ir.Model:
    """The model as it is right before this pass."""
    source = model(text, opset=opset, **constants)
    measure = measure_on([feeds_of(source, seed=seed) for seed in range(3)])
    for each in recipe(scheme):
        if isinstance(each, MinIntegers):
            return source
        if needs := each.needs(source):
            measure(source, needs)
        each(source)
    raise AssertionError("the recipe does not cut integers off")


def chain(**options: object) -> dict[str, np.ndarray]:
    ceiling = np.array([0.1, 0.6, 9.0, 0.3], np.float32).reshape(4, 1, 1)
    return {"w1": weights(4, 4, 1, 1), "w2": weights(4, 4, 1, 1, seed=1), "c": ceiling, **options}  # type: ignore[dict-item]


def test_it_runs_on_the_stored_integers() -> None:
    source = before(CHAIN, **chain())
    feeds = feeds_of(source, seed=9)
    answer = run(source, feeds)
    assert MinIntegers()(source).modified
    assert graph_text(source).splitlines()[-8:-3] == [
        "a = Conv(x_DequantizeLinear_Output, w1_DequantizeLinear_Output)",
        "r = Relu(a)",
        "m_QuantizeLinear_Output = QuantizeLinear(r, m_scale, m_zero_point)",
        "m_QuantizeLinear_Output_min = Min(m_QuantizeLinear_Output, c_quantized)",
        "m_DequantizeLinear_Output = DequantizeLinear(m_QuantizeLinear_Output_min, m_scale, m_zero_point)",
    ]
    assert_same(answer, run(source, feeds), tolerance=0)
    assert not MinIntegers()(source).modified


def test_the_bound_in_front_and_the_clamp_gone() -> None:
    """Behind the whole recipe no Relu is left, and both convolutions run in integers."""
    source = model(CHAIN.replace("Min(r, c)", "Min(c, r)"), **chain())
    shipped = compiled(source, "a8w8", [feeds_of(source, seed=seed) for seed in range(3)])
    assert [node.op_type for node in shipped.graph if node.op_type in ("Relu", "Min", "Conv")] == [
        "Conv",
        "Min",
        "Conv",
    ]
    ran = optimized_ops(shipped)
    assert (ran["QLinearConv"], ran["Conv"], ran["Min"]) == (2, 0, 1)


def test_one_bound_at_the_end_of_the_range_needs_no_min() -> None:
    source = before(CHAIN, **chain(c=np.array(0.5, np.float32)))
    feeds = feeds_of(source)
    answer = run(source, feeds)
    assert MinIntegers()(source).modified
    assert "Min" not in graph_text(source)
    assert_same(answer, run(source, feeds), tolerance=0)


STAYS = {
    "16 bits have no kernel": before(CHAIN, scheme="a16w8", opset=21, **chain()),
    "Min of integers is younger than the graph": before(CHAIN, opset=11, infer=True, **chain()),
    "a bound below 0 shifts the range": before(CHAIN, **chain(c=np.array(-0.5, np.float32))),
    "two values": before(
        "g (float[N,4,6,6] x) => (float[N,4,6,6] y) { a = Conv(x, w1) \n b = Conv(x, c) \n m = Min(a, b) "
        "\n y = Conv(m, w2) }",
        **chain(c=weights(4, 4, 1, 1, seed=2)),
    ),
    "another reader of what it cuts": before(
        CHAIN.replace("=> (float[N,4,6,6] y)", "=> (float[N,4,6,6] y, float[N,4,6,6] r)"), **chain()
    ),
}


@pytest.mark.parametrize("source", STAYS.values(), ids=STAYS)
def test_left_alone(source: ir.Model) -> None:
    assert "Min" in graph_text(source)
    assert not MinIntegers()(source).modified


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0, 4, width=32), min_size=4, max_size=4), st.integers(0, 2**31))
def test_any_ceilings(ceilings: list[float], seed: int) -> None:
    """Not one code changes, whatever the bounds and beyond what was seen."""
    source = before(CHAIN, **chain(c=np.array(ceilings, np.float32).reshape(1, 4, 1, 1)))
    feeds = {name: 5 * x for name, x in feeds_of(source, seed=seed).items()}
    answer = run(source, feeds)
    MinIntegers()(source)
    assert_same(answer, run(source, feeds), tolerance=0)
