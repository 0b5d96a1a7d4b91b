"""Any small graph compiles or fails loudly; what comes out is valid, near float, and always the same."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, event, given, settings
from support.graphs import feeds_of
from support.kernels import orphans, still_float
from support.numerics import optimized, run
from support.recipes import compiled
from support.small_graphs import small_graphs
from support.state import signature

from edgec.passes.quantize.decision import decided_nodes

calm = settings(derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)
# Share of an output's root mean square that 8 bits may cost; the worst of several thousand graphs loses 0.045.
# Taken over all samples at once: in one alone, an output of two numbers may cancel to nearly nothing.
SANE = 0.1


def check(model: ir.Model, scheme: str, **options: object) -> None:
    samples = [feeds_of(model, seed=seed) for seed in range(3)]
    shipped = compiled(model, scheme, samples, **options)
    event(f"{scheme}: {'in integers' if any(decided_nodes(shipped.graph)) else 'nothing in integers'}")
    assert signature(shipped) == signature(model)
    again = compiled(model, scheme, samples, **options)
    assert ir.serde.serialize_model(again).SerializeToString() == ir.serde.serialize_model(shipped).SerializeToString()
    expected = [run(model, feeds) for feeds in samples]
    answered = [run(shipped, feeds, optimize=True) for feeds in samples]
    assert [list(each) for each in answered] == [list(each) for each in expected]
    for name in expected[0]:
        x, y = (np.stack([each[name] for each in outputs]) for outputs in (expected, answered))
        assert (y.dtype, y.shape) == (x.dtype, x.shape)
        assert np.isfinite(y).all()
        lost = np.sqrt(np.mean((x.astype(np.float64) - y) ** 2))
        size = np.sqrt(np.mean(x.astype(np.float64) ** 2))
        assert lost <= SANE * size + 1e-3, f"{name}: {lost:.3g} of {size:.3g}"
    if scheme == "a8w8":
        assert orphans(shipped) == []
        left = still_float(shipped, optimized(shipped))
        assert left == [], left


@settings(calm, max_examples=120)
@given(small_graphs())
def test_a8w8(model: ir.Model) -> None:
    check(model, "a8w8")


@settings(calm, max_examples=25)
@given(small_graphs())
def test_a8w8_rounded_and_corrected(model: ir.Model) -> None:
    check(model, "a8w8", rounding="gptq", bias_correction="sequential")


@settings(calm, max_examples=40)
@given(small_graphs())
def test_a8w8_equalized(model: ir.Model) -> None:
    check(model, "a8w8", equalize=True)


@settings(calm, max_examples=40)
@given(small_graphs())
def test_d8w8(model: ir.Model) -> None:
    check(model, "d8w8")


@settings(calm, max_examples=40)
@given(small_graphs())
def test_w8(model: ir.Model) -> None:
    check(model, "w8")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["a8w8", "d8w8", "w8"])
def test_many_more(scheme: str) -> None:
    @settings(calm, max_examples=1500)
    @given(small_graphs())
    def law(model: ir.Model) -> None:
        check(model, scheme)

    law()
