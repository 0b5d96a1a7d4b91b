"""A decoder that somebody exported answers the same with a cache, token by token, in memory that stays in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
import pytest
from onnx_ir.passes.common import CheckerPass
from support.exported import CONTEXT, VOCABULARY, exported
from support.numerics import run

from edgec.compiler.sources.exported.adopt import LONGEST, adopt
from edgec.errors import ModelError

TOKENS = np.random.default_rng(0).integers(0, VOCABULARY, (1, 11))
CACHES = [f"past_key_values.{layer}.{what}" for layer in (0, 1) for what in ("key", "value")]
WAYS = ([11], [1] * 11, [5, 1, 1, 3, 1])
ENDING = (
    ". A prompt needs a decoder whose cache is fed back. Export its forward pass from tokens (batch, tokens) to logits"
    " (batch, tokens, vocabulary), with or without caches."
)


def whole(model: ir.Model, tokens: np.ndarray) -> np.ndarray:
    """What the exported decoder says of all tokens at once."""
    feeds: dict[str, np.ndarray] = {"tokens": tokens}
    feeds |= {
        str(value.name): np.zeros((len(tokens), 2, 0, 16), np.float32)
        for value in model.graph.inputs
        if value.name != "tokens"
    }
    return run(model, feeds)["scores"]


def in_steps(model: ir.Model, tokens: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
    """What the adopted one says, with a cache that grows."""
    cache = {name: np.zeros((len(tokens), 2, 0, 16), np.float32) for name in CACHES}
    said, at = [], 0
    for length in lengths:
        mask = np.ones((len(tokens), at + length), np.int64)
        found = run(model, {"input_ids": tokens[:, at : at + length], "attention_mask": mask, **cache})
        cache = {name: found[name.replace("past_key_values", "present")] for name in CACHES}
        said.append(found["logits"])
        at += length
    return np.concatenate(said, 1)


@pytest.mark.parametrize("cached", [False, True], ids=["plain", "cached"])
@pytest.mark.parametrize("table", ["constant", "computed"])
def test_it_says_the_same_step_by_step(table: str, *, cached: bool) -> None:
    model = exported(cached=cached, table=table)
    before = whole(model, TOKENS)

    found = adopt(model, "model.onnx")

    CheckerPass()(model.clone())
    assert [value.name for value in model.graph.inputs] == ["input_ids", "attention_mask", *CACHES]
    assert [value.name for value in model.graph.outputs] == [
        "logits", *(name.replace("past_key_values", "present") for name in CACHES)
    ]  # fmt: skip
    for lengths in WAYS:
        np.testing.assert_allclose(in_steps(model, TOKENS, lengths), before, rtol=1e-4, atol=1e-5)
    assert (found.vocabulary, found.hidden, found.layers) == (VOCABULARY, 64, 2)
    assert (found.heads, found.kv_heads, found.head_size) == (4, 2, 16)
    assert found.context == (CONTEXT if table == "constant" else LONGEST)
    assert found.added is not cached


def test_attention_turns_queries_and_keys_itself() -> None:
    model = exported()

    adopt(model, "model.onnx")

    counts = Counter(node.op_type for node in model.graph)
    assert (counts["RotaryEmbedding"], counts["GroupQueryAttention"], counts["Concat"]) == (0, 2, 0)
    assert all(
        node.attributes.get_int("do_rotary") == 1 for node in model.graph if node.op_type == "GroupQueryAttention"
    )


@pytest.mark.parametrize("cached", [False, True], ids=["plain", "cached"])
def test_a_cache_in_place_may_be_longer_than_what_is_in_it(*, cached: bool) -> None:
    import onnxruntime as ort

    model = exported(cached=cached)
    before = whole(model, TOKENS)
    adopt(model, "model.onnx")
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    cache = {name: ort.OrtValue.ortvalue_from_numpy(np.zeros((1, 2, 20, 16), np.float32)) for name in CACHES}

    said, at = [], 0
    for length in WAYS[2]:
        binding = session.io_binding()
        for name, value in cache.items():
            binding.bind_ortvalue_input(name, value)
            binding.bind_ortvalue_output(name.replace("past_key_values", "present"), value)
        binding.bind_cpu_input("input_ids", np.ascontiguousarray(TOKENS[:, at : at + length]))
        binding.bind_cpu_input("attention_mask", np.ones((1, at + length), np.int64))
        binding.bind_output("logits")
        session.run_with_iobinding(binding)
        said.append(binding.get_outputs()[-1].numpy())
        at += length

    np.testing.assert_allclose(np.concatenate(said, 1), before, rtol=1e-4, atol=1e-5)


def test_a_batch_reads_its_first_prompt_at_once() -> None:
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, (3, 6))
    model = exported()
    before = whole(model, tokens)

    adopt(model, "model.onnx")

    np.testing.assert_allclose(in_steps(model, tokens, [4, 1, 1]), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (
            "h@ = ReduceMean <keepdims = 1> (o@, token_axis) \n x@ = Add(h@, d@)",
            "lets tokens see each other in h1 (ReduceMean), so that none can be cached",
        ),
        (
            "h@ = Transpose <perm = [0, 2, 1]> (o@) \n i@ = Transpose <perm = [0, 2, 1]> (h@) \n x@ = Add(i@, d@)",
            "lets tokens see each other in h1 (Transpose), so that none can be cached",
        ),
        (
            "h@ = CumSum(o@, one_) \n x@ = Add(h@, d@)",
            "lets tokens see each other in h1 (CumSum), so that none can be cached",
        ),
    ],
)
def test_tokens_that_see_each_other(layer: str, problem: str) -> None:
    with pytest.raises(ModelError) as caught:
        adopt(exported(layer=layer), "model.onnx")

    assert str(caught.value) == f"model.onnx: {problem}{ENDING}"


def test_positions_that_are_stretched_by_their_number() -> None:
    with pytest.raises(ModelError) as caught:
        adopt(exported(table="stretched"), "model.onnx")

    assert str(caught.value) == f"model.onnx: turns queries and keys by how many tokens there are, in much{ENDING}"


def test_a_fixed_number_of_tokens() -> None:
    model = exported()
    model.graph.inputs[0].shape = ir.Shape(["B", 7])

    with pytest.raises(ModelError) as caught:
        adopt(model, "model.onnx")

    assert str(caught.value) == f"model.onnx: reads a fixed number of tokens, 'tokens' [B,7]{ENDING}"


def test_no_attention() -> None:
    from support.graphs import model, weights

    plain = model("g (int64[B,T] x) => (float[B,T,4] y) { y = Gather(w, x) }", w=weights(8, 4))

    with pytest.raises(ModelError) as caught:
        adopt(plain, "model.onnx")

    assert str(caught.value) == f"model.onnx: has no causal attention{ENDING}"
