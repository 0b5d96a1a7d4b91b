from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run
from support.recipes import measure_on, recipe

from edgec.passes.edit import SkipNotes
from edgec.passes.observe.statistics import Range, set_observation
from edgec.passes.quantize.absorb_clamps import AbsorbClamps
from edgec.passes.quantize.compute_params import ComputeParams


def before(clamp: str, widen: float = 1.0, **bounds: object) -> ir.Model:
    """Conv, clamp, Conv as they are right before this pass; `widen` stretches the clamped value's range."""
    source = model(
        f"""g (float[N,4,6,6] x) => (float[N,4,4,4] y) {{
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = {clamp}
            y = Conv(r, w)
        }}""",
        w=weights(4, 4, 3, 3),
        **{name: np.array(bound, np.float32) for name, bound in bounds.items()},
    )
    measure = measure_on([feeds_of(source, seed=seed) for seed in range(3)])
    for each in recipe("a8w8"):
        if isinstance(each, AbsorbClamps):
            return source
        if needs := each.needs(source):
            measure(source, needs)
        if isinstance(each, ComputeParams) and widen != 1.0:
            value = next(node.outputs[0] for node in source.graph if node.name == "r")
            asked = next(need.statistic for need in needs if need.value == "r")
            set_observation(value, asked, Range(low=np.float32(-widen), high=np.float32(widen)))
        each(source)
    raise AssertionError("the recipe does not absorb clamps")


@pytest.mark.parametrize(
    ("clamp", "bounds"),
    [
        ("Relu(a)", {}),
        ("Clip(a, low, high)", {"low": 0, "high": 6}),
        ("Clip(a, low, high)", {"low": 0, "high": 0.5}),
        ("Clip(a, low, high)", {"low": -1, "high": 1}),
        ("Clip(a, low, high)", {"low": -0.3, "high": 0.7}),
        ("Clip(a, low)", {"low": -0.3}),
        ('Clip(a, "", high)', {"high": 0.7}),
        ("Clip(a)", {}),
        ("Clip(a, low, high)", {"low": -1e6, "high": 1e6}),
    ],
)
def test_saturation_does_the_clamp_s_work(clamp: str, bounds: dict[str, float]) -> None:
    source = before(clamp, **bounds)
    feeds = feeds_of(source, seed=9)  # a sample that was not measured: it reaches beyond every range
    feeds["x"] *= 3
    answer = run(source, feeds)
    assert AbsorbClamps()(source).modified
    assert "r_QuantizeLinear_Output = QuantizeLinear(a, r_scale, r_zero_point)" in graph_text(source).splitlines()
    assert not any(node.op_type in ("Relu", "Clip") for node in source.graph)
    assert_same(answer, run(source, feeds), tolerance=0)
    assert not AbsorbClamps()(source).modified


@pytest.mark.parametrize(("clamp", "bounds"), [("Relu(a)", {}), ("Clip(a, low, high)", {"low": -9, "high": 1})])
def test_a_clamp_inside_the_range_stays(clamp: str, bounds: dict[str, float]) -> None:
    source = before(clamp, widen=5.0, **bounds)
    text = graph_text(source)
    assert not AbsorbClamps()(source).modified
    assert graph_text(source) == text
    assert SkipNotes.of(source) == {"r": "clamps inside the quantized range"}
