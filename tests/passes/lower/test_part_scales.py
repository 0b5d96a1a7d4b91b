from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model
from support.numerics import run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.lower.part_scales import PartScales

CODES, CHANNEL = np.uint8([[16, 3], [5, 16]]), np.float32([0.013, 1.7])
SCALE = CODES.astype(np.float32) * CHANNEL


def stored(scale: np.ndarray, dtype: type = ml_dtypes.int4, attributes: str = "axis=0, block_size=4") -> ir.Model:
    """x times an 8 x 2 matrix of small integers."""
    codes = np.random.default_rng(0).integers(-7, 8, (8, 2))
    made = model(
        f"g (float[3,8] x) => (float[3,2] y) {{ d = DequantizeLinear<{attributes}>(w, s) y = MatMul(x, d) }}",
        opset=21,
        infer=False,
        w=codes.astype(np.int8),
        s=scale,
    )
    value = made.graph.initializers["w"]
    tensor = ir.Tensor(codes.astype(dtype), dtype=ir.DataType.from_numpy(np.dtype(dtype)), name="w")
    value.const_value, value.dtype, value.shape = tensor, tensor.dtype, ir.Shape((8, 2))
    return made


def test_scales_become_codes_and_one_scale_per_column() -> None:
    made = rewrites(
        PartScales(),
        stored(SCALE),
        """
        s_DequantizeLinear_Output = DequantizeLinear<axis=1>(s_codes, s_channel, s_zero_point)
        d = DequantizeLinear<axis=0, block_size=4>(w, s_DequantizeLinear_Output)
        y = MatMul(x, d)
        """,
        tolerance=None,
    )
    found = {name: value.const_value.numpy() for name, value in made.graph.initializers.items()}
    np.testing.assert_array_equal(found["s_codes"], CODES)
    np.testing.assert_array_equal(found["s_channel"], CHANNEL)
    np.testing.assert_array_equal(found["s_zero_point"], np.uint8([0, 0]))


def test_not_a_bit_changes() -> None:
    before, after = stored(SCALE), stored(SCALE)
    assert PartScales()(after).modified
    feeds = {"x": np.random.default_rng(1).normal(0, 1, (3, 8)).astype(np.float32)}
    np.testing.assert_array_equal(run(before, feeds)["y"], run(after, feeds)["y"])


@pytest.mark.parametrize(
    "made",
    [
        lambda: stored(np.float32([[1, 2], [0.3, 0.5]])),
        lambda: stored(SCALE, dtype=np.int8),
        lambda: stored(SCALE[0], attributes="axis=1"),
        lambda: stored(np.repeat(SCALE[:1], 8, axis=0)[:, :1], attributes="axis=1, block_size=2"),
    ],
    ids=["no products", "8 bits", "one scale per column", "blocks along the columns"],
)
def test_it_stays(made: object) -> None:
    leaves_alone(PartScales(), made())  # type: ignore[operator]
