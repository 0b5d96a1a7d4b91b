from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import model, weights
from support.numerics import run
from support.recipes import measure_on, recipe

from edgec.compiler.pipeline import run_passes
from edgec.passes.lower.part_clamps import PartClamps
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.insert_qdq import InsertQdq

TEXT = """g (float[1,4,6,6] x) => (float[1,4,6,6] y) {
    c = Conv(x, w) r = Clip(c, low, high) d = Conv(r, v) y = Relu(d) }"""
SAMPLES = [{"x": np.random.default_rng(k).normal(0, 1, (1, 4, 6, 6)).astype(np.float32)} for k in range(3)]


def inserted(low: float, high: float):  # type: ignore[no-untyped-def]
    """Two convolutions with Q/DQ, the clamp still between the first and its Q."""
    graph = model(
        TEXT, w=weights(4, 4, 1, 1), v=weights(4, 4, 1, 1, seed=1), low=np.float32(low), high=np.float32(high)
    )
    passes = recipe("a8w8", target="snapdragon-8-gen-3")
    end = next(k for k, each in enumerate(passes) if isinstance(each, InsertQdq))
    wanted = tuple(each for each in passes[: end + 1] if type(each).__module__.split(".")[2] == "quantize")
    assert any(isinstance(each, DecideQuantization) for each in wanted)
    run_passes(graph, wanted, measure=measure_on(SAMPLES), observers=())
    return graph


def test_q_and_dq_stand_right_around_the_kernel() -> None:
    graph = inserted(-0.25, 0.5)
    clip = next(node for node in graph.graph if node.op_type == "Clip")
    assert clip.inputs[0].producer().op_type == "Conv"
    assert PartClamps()(graph).modified
    assert not PartClamps()(graph).modified
    dq = clip.inputs[0].producer()
    q = dq.inputs[0].producer()
    assert (q.op_type, dq.op_type, q.inputs[0].producer().op_type) == ("QuantizeLinear", "DequantizeLinear", "Conv")
    (behind,) = [reader for reader, _ in clip.outputs[0].uses()]
    assert behind.op_type == "QuantizeLinear"
    assert q.inputs[1:3] == behind.inputs[1:3] == dq.inputs[1:3]
    assert q.outputs[0].dtype == behind.outputs[0].dtype


@settings(max_examples=15, deadline=None)
@given(low=st.floats(-1, 0, width=32), high=st.floats(0.0625, 2, width=32))
def test_it_moves_no_value_by_more_than_a_step(low: float, high: float) -> None:
    graph = inserted(low, high)
    parted = graph.clone()
    for mine, its in zip(graph.graph, parted.graph, strict=True):
        its.meta.update(mine.meta)
    PartClamps()(parted)
    clip = next(node for node in graph.graph if node.op_type == "Clip")
    (q,) = [reader for reader, _ in clip.outputs[0].uses()]
    step = float(q.inputs[1].const_value.numpy())
    for each in (graph, parted):
        dq = next(node for node in each.graph if node.op_type == "Clip").outputs[0].uses()[0][0].outputs[0].uses()[0][0]
        each.graph.outputs.append(dq.outputs[0])
    before, after = (run(each, SAMPLES[0]) for each in (graph, parted))
    name = str(graph.graph.outputs[-1].name)
    assert np.abs(before[name] - after[name]).max() <= 1.01 * step
