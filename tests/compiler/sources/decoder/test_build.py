"""The decoder's graph, against its equations; what cannot be built is refused by name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from support.decoders import feeds_of, in_blocks, reference_logits, tiny_config, tiny_weights

from edgec.compiler.sources.decoder import Rope, build
from edgec.errors import ModelError
from edgec.passes.weight_only.blocks import BlockForm, Blocks

CONFIGS = {
    "llama": {},
    "tied": {"tied": True},
    "biases": {"qkv_bias": True, "output_bias": True, "mlp_bias": True},
    "qwen3": {"architecture": "qwen3", "qk_norm": True},
    "window": {"architecture": "mistral", "window": 4},
    "heads of 8": {"head_size": 8},
    "heads of 24, neighbours": {"head_size": 24, "rope": Rope(interleaved=True)},
    "one head of keys": {"heads": 4, "kv_heads": 1},
    "linear": {"rope": Rope(scaling="linear", factor=2.0, theta=5000.0)},
    "llama3": {"rope": Rope(scaling="llama3", factor=4.0, trained_context=16)},
    "neighbours": {"rope": Rope(interleaved=True)},
}
TOKENS = np.random.default_rng(7).integers(0, 61, 12)


@pytest.mark.parametrize("changed", CONFIGS.values(), ids=CONFIGS)
def test_a_prompt_and_its_tokens_one_by_one_answer_as_the_equations_do(changed: dict[str, object]) -> None:
    config = tiny_config(**changed)
    weights = tiny_weights(config)
    session = _open(build(config, weights))
    wanted = reference_logits(config, weights, TOKENS)

    whole = session.run(["logits"], feeds_of(config, TOKENS))[0][0]
    steps, past = [], None
    for token in TOKENS:
        answer = _answers(session, feeds_of(config, np.array([token]), past))
        steps.append(answer["logits"][0, 0])
        past = {name.replace("present", "past_key_values"): array for name, array in answer.items() if name != "logits"}

    scale = np.abs(wanted).max()
    assert np.abs(whole - wanted).max() < 1e-5 * scale
    assert np.abs(np.array(steps) - wanted).max() < 1e-5 * scale


def test_a_prompt_in_two_pieces_answers_as_one_does() -> None:
    config = tiny_config(head_size=8)
    session = _open(build(config, tiny_weights(config)))
    wanted = session.run(["logits"], feeds_of(config, TOKENS))[0][0]

    first = _answers(session, feeds_of(config, TOKENS[:5]))
    past = {name.replace("present", "past_key_values"): array for name, array in first.items() if name != "logits"}
    second = _answers(session, feeds_of(config, TOKENS[5:], past))

    assert np.allclose(np.concatenate([first["logits"][0], second["logits"][0]]), wanted, atol=1e-5)


def test_rows_of_a_first_prompt_may_end_early() -> None:
    config = tiny_config(head_size=8)
    weights = tiny_weights(config)
    feeds = feeds_of(config, TOKENS)
    feeds = {name: np.repeat(array, 2, axis=0) for name, array in feeds.items()}
    feeds["attention_mask"][1, 9:] = 0

    answer = _open(build(config, weights)).run(["logits"], feeds)[0]

    wanted = reference_logits(config, weights, TOKENS)
    assert np.allclose(answer[0], wanted, atol=1e-4)
    assert np.allclose(answer[1, :9], wanted[:9], atol=1e-4)


@pytest.mark.parametrize(
    "form",
    [
        BlockForm(bits=4, size=16),
        BlockForm(bits=4, size=128, symmetric=False),
        BlockForm(bits=8, size=32),
        BlockForm(bits=2, size=32, symmetric=False),
    ],
    ids=str,
)
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_blocks_answer_as_the_numbers_they_stand_for(form: BlockForm, tied: bool) -> None:
    config = tiny_config(tied=tied, qkv_bias=True)
    weights = tiny_weights(config)
    stored: Mapping[str, np.ndarray | Blocks] = {
        name: in_blocks(array, form) if array.ndim == 2 else array for name, array in weights.items()
    }
    meant = {name: each.real if isinstance(each, Blocks) else each for name, each in stored.items()}
    model = build(config, stored, accuracy_level=1)

    answer = _open(model).run(["logits"], feeds_of(config, TOKENS))[0][0]

    wanted = reference_logits(config, meant, TOKENS)
    assert np.abs(answer - wanted).max() < 1e-5 * np.abs(wanted).max()
    tables = [name for name in model.graph.initializers if name.startswith(("model.embed_tokens", "lm_head"))]
    once = tied and config.hidden % form.size == 0  # else the product's last blocks are filled up, the table's are not
    assert sum(name.endswith("_quantized") for name in tables) == (1 if once else 2)


def test_blocks_are_multiplied_in_integers_unless_told_otherwise() -> None:
    config = tiny_config(layers=1)
    weights = tiny_weights(config) | {
        "lm_head.weight": in_blocks(tiny_weights(config)["lm_head.weight"], BlockForm(bits=4, size=32))
    }

    (product,) = [node for node in build(config, weights).graph if node.op_type == "MatMulNBits"]

    assert product.attributes.get_int("accuracy_level") == 4


def test_names_are_those_of_the_checkpoint() -> None:
    config = tiny_config(layers=1)
    model = build(config, tiny_weights(config))

    assert onnx.checker.check_model(ir.to_proto(model)) is None
    assert [value.name for value in model.graph.inputs] == [
        "input_ids", "attention_mask", "past_key_values.0.key", "past_key_values.0.value",
    ]  # fmt: skip
    assert [value.name for value in model.graph.outputs] == ["logits", "present.0.key", "present.0.value"]
    assert set(tiny_weights(config)) < set(model.graph.initializers)
    products = {node.name: str(node.inputs[1].name) for node in model.graph if node.op_type == "MatMul"}
    assert products == {
        f"/model/layers.0/{part}/MatMul": f"model.layers.0.{part.replace('/', '.')}.weight"
        for part in (
            "self_attn/q_proj", "self_attn/k_proj", "self_attn/v_proj", "self_attn/o_proj",
            "mlp/gate_proj", "mlp/up_proj", "mlp/down_proj",
        )
    } | {"/lm_head/MatMul": "lm_head.weight"}  # fmt: skip


def test_a_tied_table_is_stored_once() -> None:
    config = tiny_config(tied=True)
    model = build(config, tiny_weights(config))

    (head,) = (node for node in model.graph if node.name == "/lm_head/Gemm")
    (table,) = (node for node in model.graph if node.name == "/model/embed_tokens/Gather")
    assert head.inputs[1] is table.inputs[0] is model.graph.initializers["model.embed_tokens.weight"]
    assert "lm_head.weight" not in model.graph.initializers


def test_weights_are_read_when_they_are_asked_for() -> None:
    config = tiny_config()
    weights = tiny_weights(config)
    model = build(config, weights)

    weights["lm_head.weight"] = weights["lm_head.weight"] + 1

    stored = model.graph.initializers["lm_head.weight"].const_value
    assert stored is not None
    assert np.array_equal(stored.numpy(), weights["lm_head.weight"].T)


def test_what_does_not_fit_is_refused() -> None:
    config = tiny_config()
    weights = tiny_weights(config)

    def refused(changed: dict[str, object]) -> str:
        with pytest.raises(ModelError) as error:
            build(config, {**weights, **changed}, origin="folder")  # type: ignore[arg-type]
        return str(error.value)

    without = {name: array for name, array in weights.items() if name != "model.norm.weight"}
    with pytest.raises(ModelError) as missing:
        build(config, without, origin="folder")
    assert str(missing.value) == (
        "folder: has no weight 'model.norm.weight'. Copy the checkpoint again, or check its configuration."
    )
    assert refused({"lm_head.weight": weights["lm_head.weight"].T}) == (
        "folder, weight 'lm_head.weight': is [48, 61], its configuration needs [61, 48]. Check that configuration and "
        "weights belong together."
    )
    assert refused({"lm_head.weight": in_blocks(weights["lm_head.weight"], BlockForm(bits=3, size=32))}) == (
        "folder, weight 'lm_head.weight': is in 3-bit blocks of 32, which no kernel multiplies. Give blocks of 16, 32, "
        "64, 128, 256 elements, of 2, 4 or 8 bits."
    )
    assert refused({"model.norm.weight": in_blocks(weights["lm_head.weight"], BlockForm(bits=4, size=32))}) == (
        "folder, weight 'model.norm.weight': is not an array of floats. Store norms and biases as floats."
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"architecture": "gpt2"}, "architecture: 'gpt2' is not one of llama, mistral, qwen2, qwen3"),
        ({"layers": 0}, "layers: 0 is below 1"),
        ({"kv_heads": 4}, "heads: 6 is no multiple of kv_heads, 4"),
        ({"head_size": 12}, "head_size: 12 is no multiple of 8, as the kernel of GroupQueryAttention needs"),
        ({"window": -1}, "window: -1 is below 0"),
        ({"epsilon": 0.0}, "epsilon: 0 is not above 0"),
    ],
)
def test_numbers_that_do_not_fit_each_other_make_no_configuration(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole text is compared
        tiny_config(**changed)
    assert str(error.value) == message


def _open(model: ir.Model) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])


def _answers(session: onnxruntime.InferenceSession, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))
