from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import optimized_ops, run
from support.recipes import compiled, measure_on, recipe

from edgec.passes.lower.limit_codes import LimitCodes
from edgec.passes.quantize.decision import set_params
from edgec.passes.quantize.params import dequantize, quantize
from edgec.passes.spec import QuantParams, QuantSpec

CHAIN = """g (float[N,4,6,6] x) => (float[N,4,6,6] y) {
    a = Conv(x, w1)
    r = Relu(a)
    p = MaxPool<kernel_shape = [1, 1]>(r)
    y = Conv(p, w2)
}"""


def chain() -> ir.Model:
    return model(CHAIN, opset=21, w1=weights(4, 4, 1, 1), w2=weights(4, 4, 1, 1, seed=1))


def before(scheme: str) -> ir.Model:
    """The model as it is right before this pass."""
    source = chain()
    measure = measure_on([feeds_of(source, seed=seed) for seed in range(3)])
    for each in recipe(scheme):
        if isinstance(each, LimitCodes):
            return source
        if needs := each.needs(source):
            measure(source, needs)
        each(source)
    raise AssertionError("the recipe limits no codes")


def test_it_cuts_stored_integers_off_where_their_codes_end() -> None:
    source = before("a4w4")
    assert LimitCodes()(source).modified
    wanted = (" Min(", " MaxPool", " QuantizeLinear")
    written = [line for line in graph_text(source).splitlines() if any(word in line for word in wanted)]
    assert written == [
        "x_QuantizeLinear_Output = QuantizeLinear(x, x_scale, x_zero_point)",
        "x_QuantizeLinear_Output_limited = Min(x_QuantizeLinear_Output, uint8_15)",
        "r_QuantizeLinear_Output = QuantizeLinear(r, r_scale, r_zero_point)",
        "r_QuantizeLinear_Output_limited = Min(r_QuantizeLinear_Output, uint8_15)",
        "p = MaxPool<kernel_shape=(1,1)>(r_DequantizeLinear_Output)",
        # What picks among limited codes is not limited again.
        "p_QuantizeLinear_Output = QuantizeLinear(p, r_scale, r_zero_point)",
        "y_QuantizeLinear_Output = QuantizeLinear(y_float, y_scale, y_zero_point)",
        "y_QuantizeLinear_Output_limited = Min(y_QuantizeLinear_Output, uint8_15)",
    ]
    assert not LimitCodes()(source).modified


def test_all_bits_are_left_alone() -> None:
    """A recipe of whole bytes has no such pass, and the pass finds nothing in its graphs."""
    source = chain()
    shipped = compiled(source, "a8w8", [feeds_of(source)])
    assert not any(isinstance(each, LimitCodes) for each in recipe("a8w8"))
    assert not LimitCodes()(shipped).modified


@pytest.mark.parametrize(("scheme", "levels"), [("a6w6", 64), ("a4w4", 16), ("a2w2", 4)])
def test_integer_kernels_give_no_more_levels_than_asked(scheme: str, levels: int) -> None:
    source = chain()
    shipped = compiled(source, scheme, [feeds_of(source, seed=seed) for seed in range(3)])
    ran = optimized_ops(shipped)
    assert (ran["QLinearConv"], ran["Conv"]) == (2, 0)
    loud = {name: 40 * array for name, array in feeds_of(source, seed=5).items()}  # far beyond what was observed
    (answer,) = run(shipped, loud, optimize=True).values()
    assert len(np.unique(answer)) <= levels


@given(
    st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=40),
    st.integers(2, 7),
    st.sampled_from(["uint8", "int8", "symmetric"]),
    st.floats(0.0078125, 10, width=32),
    st.data(),
)
def test_the_runtime_stores_what_the_params_say(
    numbers: list[float], bits: int, kind: str, scale: float, data: st.DataObject
) -> None:
    """Q and what this pass puts behind it are `quantize` of the limited codes, for every type and place of 0."""
    symmetric = kind == "symmetric"
    spec = QuantSpec(dtype="int8" if symmetric else kind, symmetric=symmetric, code_bits=bits)
    zero = 0 if symmetric else data.draw(st.integers(spec.qmin, spec.qmax))
    params = QuantParams(spec=spec, scale=np.asarray(scale, np.float32), zero_point=np.asarray(zero, spec.numpy_dtype))
    graph = model(
        "g (float[N] x) => (float[N] y) { q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z) }",
        opset=21,
        s=params.scale,
        z=params.zero_point,
    )
    quantizer = graph.graph[0]
    quantizer.outputs[0].type = ir.TensorType(spec.onnx_dtype)
    set_params(quantizer.outputs[0], params)
    assert LimitCodes()(graph).modified
    x = np.asarray(numbers, np.float32)
    np.testing.assert_array_equal(run(graph, {"x": x})["y"], dequantize(quantize(x, params), params))
