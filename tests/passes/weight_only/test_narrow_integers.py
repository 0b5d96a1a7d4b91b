from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights
from support.numerics import optimized_ops
from support.rewrites import leaves_alone, rewrites

from edgec.passes.weight_only.narrow_integers import NarrowIntegers


def gather(indices: np.ndarray) -> ir.Model:
    return model(f"g (float[A,B] x) => (float[{indices.size},B] y) {{ y = Gather(x, i) }}", i=indices)


@pytest.mark.parametrize(
    ("top", "dtype"),
    [(1, "INT8"), (127, "INT8"), (128, "UINT8"), (-129, "INT16"), (40000, "UINT16"), (-40000, "INT32")],
)
def test_indices_are_stored_in_the_narrowest_type(top: int, dtype: str) -> None:
    indices = np.zeros(400, np.int64)
    indices[-1] = top
    after = gather(indices)
    assert NarrowIntegers()(after).modified
    (stored,) = after.graph.initializers.values()
    assert stored.dtype == ir.DataType[dtype]
    assert np.array_equal(stored.const_value.numpy(), indices)
    assert not NarrowIntegers()(after).modified


def test_the_graph_and_that_nothing_of_it_is_left_at_run_time() -> None:
    after = rewrites(
        NarrowIntegers(), gather(np.arange(400) % 2), "i_expanded = Cast<to=7>(i_int8)\ny = Gather(x, i_expanded)"
    )
    assert dict(optimized_ops(after)) == {"Gather": 1}


def test_what_stays() -> None:
    leaves_alone(NarrowIntegers(), gather(np.arange(16)))
    leaves_alone(NarrowIntegers(), gather(np.arange(400) + 2**40))
    text = "g (int64[400] i, float[A,B] x) => (float[400,B] y) { y = Gather(x, i) }"
    leaves_alone(NarrowIntegers(), model(text, i=np.zeros(400, np.int64)))
    text = "g (float[N,400] x) => (float[N,400] y, int64[400] i) { y = Gather<axis=1>(x, i) }"
    leaves_alone(NarrowIntegers(), model(text, i=np.zeros(400, np.int64)))
    # An int32 bias is part of a quantized kernel's pattern.
    text = "g (float[N,400] x) => (float[N,400] y) { d = DequantizeLinear(b, s) \n y = Add(x, d) }"
    leaves_alone(NarrowIntegers(), model(text, b=np.zeros(400, np.int32), s=weights()))
