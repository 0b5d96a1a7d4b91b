from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import assert_within, optimized_ops, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.weight_only.half_weights import HalfWeights

KINDS = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def gemm(scale: float = 0.5) -> ir.Model:
    return model("g (float[N,16] x) => (float[N,16] y) { y = Gemm(x, w) }", w=weights(16, 16, scale=scale))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 2.0**-10), ("bfloat16", 2.0**-7)])
def test_weights_are_rounded_to_16_bits_and_nothing_is_left_at_run_time(dtype: str, tolerance: float) -> None:
    before = gemm()
    w = before.graph.initializers["w"].const_value.numpy()
    after = rewrites(
        HalfWeights(dtype=dtype), gemm(), f"w_expanded = Cast<to=1>(w_{dtype})\ny = Gemm(x, w_expanded)", tolerance=None
    )
    stored = after.graph.initializers[f"w_{dtype}"].const_value.numpy()
    assert stored.dtype == KINDS[dtype]
    assert np.array_equal(stored, w.astype(KINDS[dtype]))
    assert dict(optimized_ops(after)) == {"Gemm": 1}
    feeds = feeds_of(before)
    expected = run(before, feeds)["y"]
    assert_within(expected, run(after, feeds)["y"], 4 * tolerance * np.abs(expected).max())


def test_what_16_bits_cannot_hold_stays_and_says_so() -> None:
    large, small = gemm(), gemm(scale=1e-6)
    array = large.graph.initializers["w"].const_value.numpy().copy()
    array[3, 3] = 70000
    large.graph.initializers["w"].const_value = ir.tensor(array, name="w")
    assert HalfWeights(dtype="bfloat16")(large.clone()).modified
    assert HalfWeights(dtype="bfloat16")(small.clone()).modified
    leaves_alone(HalfWeights(dtype="float16"), large, y="its constant 'w' reaches 70000, beyond float16")
    top = np.abs(small.graph.initializers["w"].const_value.numpy()).max()
    leaves_alone(
        HalfWeights(dtype="float16"),
        small,
        y=f"its constant 'w' reaches {top:.6g} only, where float16 has no precision left",
    )


def test_small_public_and_replaceable_ones_stay() -> None:
    leaves_alone(HalfWeights(dtype="float16", minimum=500), gemm())
    text = "g (float[N,16] x, float[16,16] w) => (float[N,16] y) { y = Gemm(x, w) }"
    leaves_alone(HalfWeights(dtype="float16"), model(text, w=weights(16, 16)))
    text = "g (float[N,16] x) => (float[N,16] y, float[16,16] w) { y = Gemm(x, w) }"
    leaves_alone(HalfWeights(dtype="float16"), model(text, w=weights(16, 16)))


def test_what_the_user_excludes_stays_and_says_so() -> None:
    leaves_alone(HalfWeights(dtype="float16", exclude_ops=("Gemm",)), gemm(), y="is excluded by operator type")
    leaves_alone(HalfWeights(dtype="float16", exclude_nodes=("^y$",)), gemm(), y="is excluded by name")
