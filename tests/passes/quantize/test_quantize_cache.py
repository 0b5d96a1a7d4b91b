"""A cache in int8: scales that cover what is stored, the kernel's answers, and what keeps its cache."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.decoders import feeds_of, tiny_config, tiny_weights

from edgec.compiler.sources.decoder import DecoderConfig, Rope, build
from edgec.passes.edit import SkipNotes
from edgec.passes.observe.statistics import Extremes, Range, set_observation
from edgec.passes.quantize.quantize_cache import QuantizeCache, _key_bound
from edgec.passes.spec import PerAxis

TOKENS = np.random.default_rng(5).integers(0, 61, 30)
CONFIGS = {
    "halves": {},
    "neighbours": {"rope": Rope(interleaved=True)},
    "turned before": {"head_size": 8},
    "one head": {"kv_heads": 1},
}


@pytest.mark.parametrize("changed", CONFIGS.values(), ids=CONFIGS)
def test_answers_are_those_of_float_but_for_half_a_step(changed: dict[str, object]) -> None:
    config = tiny_config(**changed)
    model = build(config, tiny_weights(config))
    wanted = _answer(model, config, np.float32)
    _observe(model, config)

    assert QuantizeCache()(model).modified

    answer = _answer(model, config, np.int8)
    for layer in range(config.layers):
        for what in ("key", "value"):
            (node,) = (
                each for each in model.graph if each.name == f"/model/layers.{layer}/self_attn/GroupQueryAttention"
            )
            stored = node.inputs[12 if what == "key" else 13]
            assert stored is not None
            assert stored.const_value is not None
            scale = stored.const_value.numpy()
            assert scale.shape == (1, config.kv_heads, 1, config.head_size)
            codes, real = answer[f"present.{layer}.{what}"], wanted[f"present.{layer}.{what}"]
            assert codes.dtype == np.int8
            if layer == 0:  # later ones read what the first one's rounding changed
                assert np.abs(codes * scale - real).max() <= 0.51 * scale.max()
                assert np.abs(codes).max() == 127
    noise = answer["logits"] - wanted["logits"]
    assert 20 * np.log10(np.linalg.norm(wanted["logits"]) / np.linalg.norm(noise)) > 35
    assert not QuantizeCache()(model).modified


def test_scales_are_magnitudes_by_127() -> None:
    config = tiny_config(layers=1, kv_heads=1, head_size=16)
    model = build(config, tiny_weights(config))
    key = np.arange(1, 17, dtype=np.float32)
    ranges = {
        "/model/layers.0/self_attn/k_proj/MatMul/output_0": (2, -key, np.zeros(16)),
        "/model/layers.0/self_attn/v_proj/MatMul/output_0": (2, -key, 2 * key),
        "present.0.key": (3, np.full(16, -13.0), np.full(16, 12.0)),
    }
    for value in _values(model):
        if value.name in ranges:
            axis, low, high = ranges[str(value.name)]
            seen = Range(low=low.astype(np.float32), high=high.astype(np.float32))
            set_observation(value, Extremes(granularity=PerAxis(axis=axis)), seen)

    QuantizeCache()(model)

    scales = {
        name: value.const_value.numpy().ravel()
        for name, value in model.graph.initializers.items()
        if value.const_value is not None and name.endswith("_scale")
    }
    turned = np.hypot(key, np.roll(key, 8))  # (1, 9): 9.06, (2, 10): 10.2, (8, 16): 17.9, stored are at most 13
    assert np.allclose(scales["/model/layers.0/self_attn/GroupQueryAttention.key_scale"], np.minimum(turned, 13) / 127)
    assert np.allclose(scales["/model/layers.0/self_attn/GroupQueryAttention.value_scale"], 2 * key / 127)


@settings(deadline=None)
@given(seed=st.integers(0, 1 << 30), angle=st.floats(-10, 10), neighbours=st.booleans())
def test_no_turn_reaches_beyond_the_bound(seed: int, angle: float, neighbours: bool) -> None:
    draw = np.random.default_rng(seed)
    keys = draw.standard_normal((5, 2, 8)) * draw.uniform(0.1, 10, 8)
    pairs = keys.reshape(5, 2, 4, 2) if neighbours else np.stack([keys[..., :4], keys[..., 4:]], axis=-1)
    turned = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angle * np.arange(4))
    parts = np.stack([turned.real, turned.imag], axis=-1)
    stored = parts.reshape(5, 2, 8) if neighbours else np.concatenate([parts[..., 0], parts[..., 1]], axis=-1)
    node = ir.node(
        "GroupQueryAttention", [], {"do_rotary": 1, "rotary_interleaved": int(neighbours)}, domain="com.microsoft"
    )

    bound = _key_bound(node, np.abs(keys).max(axis=0), np.abs(stored).max(axis=(0, 1)))

    assert np.all(np.abs(stored).max(axis=0) <= bound * (1 + 1e-9))


def test_a_cache_that_others_read_stays_float() -> None:
    config = tiny_config(layers=2)
    model = build(config, tiny_weights(config))
    first, second = (node for node in model.graph if node.op_type == "GroupQueryAttention")
    reader = ir.node("Identity", [first.outputs[1]], name="reader")
    reader.outputs[0].name = "copy"
    model.graph.append(reader)
    other = ir.node("Neg", [second.inputs[3]], name="other")
    model.graph.append(other)
    _observe(model, config)

    assert not QuantizeCache()(model).modified
    assert dict(SkipNotes.of(model)) == {
        str(first.name): "its cache stays float: others read it",
        str(second.name): "its cache stays float: it does not come from inputs of its own",
    }


def test_nothing_is_done_without_observations() -> None:
    config = tiny_config()
    model = build(config, tiny_weights(config))

    assert not QuantizeCache()(model).modified
    assert [need.value for need in QuantizeCache().needs(model)][:3] == [
        "/model/layers.0/self_attn/k_proj/MatMul/output_0",
        "/model/layers.0/self_attn/v_proj/MatMul/output_0",
        "present.0.key",
    ]


def _values(model: ir.Model) -> list[ir.Value]:
    return [value for node in model.graph for value in node.outputs if value.name]


def _observe(model: ir.Model, config: DecoderConfig) -> None:
    """What the pass needs, taken from one run."""
    needs = QuantizeCache().needs(model)
    copy = model.clone()
    names = {need.value for need in needs}
    for value in _values(copy):
        if value.name in names and not value.is_graph_output():
            copy.graph.outputs.append(value)
    seen = _answer(copy, config, np.float32)
    by_name = {value.name: value for value in _values(model)}
    for need in needs:
        assert isinstance(need.statistic, Extremes)
        assert isinstance(need.statistic.granularity, PerAxis)
        array = seen[need.value]
        rest = tuple(axis for axis in range(array.ndim) if axis != need.statistic.granularity.axis)
        set_observation(by_name[need.value], need.statistic, Range(low=array.min(axis=rest), high=array.max(axis=rest)))


def _answer(model: ir.Model, config: DecoderConfig, dtype: type) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {
        name: array.astype(dtype) if name.startswith("past") else array
        for name, array in feeds_of(config, TOKENS).items()
    }
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))
