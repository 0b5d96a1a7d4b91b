"""Q(Pad(x)) is Pad(Q(x)), in every mode, to the last code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import model, weights
from support.numerics import assert_same, run

from edgec.passes.edit import why_skipped
from edgec.passes.lower.quantize_before_pad import QuantizeBeforePad

PADS = np.int64([0, 0, 1, 2, 0, 0, 2, 0])
TAIL = "q = QuantizeLinear(p, s, z)\n y = DequantizeLinear(q, s, z)"


def source(pad: str, *, tail: str = TAIL, outputs: str = "float[N, 3, H, W] y", **more: np.ndarray) -> object:
    constants = {"s": np.float32(0.03), "z": np.int8(-5), "pads": PADS, **more}
    text = f"g (float[N, 3, 5, 6] x) => ({outputs}) {{ p = {pad}\n {tail} }}"
    return model(text, **{name: array for name, array in constants.items() if name in text})


@pytest.mark.parametrize(
    ("pad", "more"),
    [
        ("Pad(x, pads)", {}),
        ('Pad <mode = "reflect"> (x, pads)', {}),
        ('Pad <mode = "edge"> (x, pads)', {}),
        ("Pad(x, pads, v)", {"v": np.float32(1.37)}),
        ("Pad(x, pads, v)", {"v": np.float32(-1e6)}),
        ("Pad(x, pads, v)", {"v": np.float32(0.7), "z": np.uint8(12)}),
    ],
)
def test_the_codes_are_padded(pad: str, more: dict[str, np.ndarray]) -> None:
    made = source(pad, **more)
    feeds = {"x": weights(2, 3, 5, 6, scale=2.0)}
    before = run(made, feeds)
    assert QuantizeBeforePad()(made).modified
    assert [node.op_type for node in made.graph] == ["QuantizeLinear", "Pad", "DequantizeLinear"]
    assert_same(before, run(made, feeds), tolerance=0)
    assert not QuantizeBeforePad()(made).modified


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-3, 10), zero=st.integers(-128, 127), fill=st.floats(-1e4, 1e4, width=32))
def test_any_value_at_any_scale(scale: float, zero: int, fill: float) -> None:
    made = source("Pad(x, pads, v)", s=np.float32(scale), z=np.int8(zero), v=np.float32(fill))
    feeds = {"x": weights(1, 3, 5, 6, scale=scale * 60)}
    before = run(made, feeds)
    assert QuantizeBeforePad()(made).modified
    assert_same(before, run(made, feeds), tolerance=0)


def test_what_is_left_alone() -> None:
    two = source("Pad(x, pads)", tail=f"{TAIL}\n w = Neg(p)", outputs="float[N, 3, H, W] y, float[N, 3, H, W] w")
    assert not QuantizeBeforePad()(two).modified
    wide = source("Pad(x, pads)", z=np.int16(0), tail="y = Neg(p)")
    assert not QuantizeBeforePad()(wide).modified
    fed = model(
        f"g (float[N, 3, 5, 6] x, float v) => (float[N, 3, H, W] y) {{ p = Pad(x, pads, v)\n {TAIL} }}",
        pads=PADS, s=np.float32(0.03), z=np.int8(0),
    )  # fmt: skip
    assert not QuantizeBeforePad()(fed).modified
    assert why_skipped(fed.graph[0]) == "pads with a value that is computed at run time"
