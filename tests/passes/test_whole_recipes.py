"""Whole recipes over the awkward graphs: what ships loads, runs, answers what float answers, and wastes no Q/DQ."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx_ir as ir
import pytest
from support.awkward import AWKWARD, build
from support.graphs import feeds_of
from support.kernels import orphans, still_float
from support.numerics import optimized, run
from support.recipes import compiled
from support.state import signature

from edgec.errors import ModelError
from edgec.passes.edit import SkipNotes
from edgec.passes.quantize.decision import decided_nodes

# Share of the output's root mean square that may be lost; the worst of these graphs loses 0.042.
SANE = 0.06


@cache
def quantized(name: str, scheme: str) -> ir.Model | None:
    """The model a scheme makes; None where it says that there is nothing to quantize."""
    return compile_again(name, scheme)


def compile_again(name: str, scheme: str) -> ir.Model | None:
    model = build(name)
    try:
        return compiled(model, scheme, [feeds_of(model, seed=seed) for seed in range(4)])
    except ModelError:
        return None


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("scheme", ["a8w8", "d8w8", "w8"])
def test_what_ships_runs_as_the_user_opens_it(name: str, scheme: str) -> None:
    shipped = quantized(name, scheme)
    if shipped is None:
        return
    model = build(name)
    feeds = feeds_of(model)
    expected, answered = run(model, feeds), run(shipped, feeds, optimize=True)
    assert signature(shipped) == signature(model)
    assert list(answered) == list(expected)
    for key, x in expected.items():
        y = answered[key]
        assert (y.dtype, y.shape) == (x.dtype, x.shape), key
        if np.issubdtype(x.dtype, np.floating):
            x, y = x.astype(np.float64), y.astype(np.float64)
            assert np.isfinite(y).all(), key
            lost = np.sqrt(np.mean((x - y) ** 2))
            assert lost <= SANE * np.sqrt(np.mean(x**2)), f"{key}: {lost} of {np.sqrt(np.mean(x**2))}"
        else:
            assert np.array_equal(x, y), key


@pytest.mark.parametrize("name", AWKWARD)
def test_what_was_decided_runs_in_integers(name: str) -> None:
    shipped = quantized(name, "a8w8")
    if shipped is None:
        return
    if not any(decided_nodes(shipped.graph)):  # tests/golden/awkward.txt says which
        assert not [node for node in shipped.graph if node.op_type == "QuantizeLinear"]
    assert orphans(shipped) == []
    assert still_float(shipped, optimized(shipped)) == []


@pytest.mark.parametrize("name", AWKWARD)
def test_a_second_compile_makes_the_same_bytes(name: str) -> None:
    first, second = quantized(name, "a8w8"), compile_again(name, "a8w8")
    if first is None or second is None:
        assert first is second
        return
    assert ir.serde.serialize_model(first).SerializeToString() == ir.serde.serialize_model(second).SerializeToString()


@pytest.mark.parametrize("name", AWKWARD)
def test_compute_left_float_has_a_reason(name: str) -> None:
    shipped = quantized(name, "a8w8")
    if shipped is None:
        return
    chosen = {node for node, _ in decided_nodes(shipped.graph)}
    notes = SkipNotes.of(shipped)
    for node in ir.traversal.RecursiveGraphIterator(shipped.graph):
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.domain == "" and node not in chosen:
            assert str(node.name) in notes, node.name
