"""Llama-architecture graphs from GGUF: those of Hugging Face's weights, whatever types they are stored in."""

from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from support.gguf_files import interleave, random_blocks, write_gguf

from edgec.compiler.load import load_model
from edgec.compiler.sbom.source_licence import source_licence
from edgec.compiler.sources.decoder.build import build
from edgec.compiler.sources.decoder.config import DecoderConfig, Rope
from edgec.compiler.sources.gguf.kinds import KINDS
from edgec.compiler.sources.gguf.model import read_gguf_model
from edgec.errors import ModelError

pytest.importorskip("gguf", reason="gguf is not installed")

_ORIGINAL = "Export the model to ONNX from its original checkpoint."
_LAYERS, _HIDDEN, _MIDDLE, _HEADS, _KV, _VOCABULARY = 2, 256, 512, 8, 4, 40
_SIZE = _HIDDEN // _HEADS
_SHAPES = {
    "attn_q": (_HIDDEN, _HIDDEN),
    "attn_k": (_KV * _SIZE, _HIDDEN),
    "attn_v": (_KV * _SIZE, _HIDDEN),
    "attn_output": (_HIDDEN, _HIDDEN),
    "ffn_gate": (_MIDDLE, _HIDDEN),
    "ffn_up": (_MIDDLE, _HIDDEN),
    "ffn_down": (_HIDDEN, _MIDDLE),
}
_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}


def metadata(architecture: str = "llama", **more: Any) -> dict[str, Any]:
    said = {
        "context_length": 64,
        "embedding_length": _HIDDEN,
        "block_count": _LAYERS,
        "feed_forward_length": _MIDDLE,
        "attention.head_count": _HEADS,
        "attention.head_count_kv": _KV,
        "attention.layer_norm_rms_epsilon": 1e-5,
        **{key.replace("__", "."): value for key, value in more.items()},
    }
    return {f"{architecture}.{key}": value for key, value in said.items()}


def weights(kinds: dict[str, str], *, head: bool = True, biases: bool = False, norms: bool = False) -> dict[str, Any]:
    """GGUF's tensors; `kinds` says which are quantized. Rows of queries and keys as Hugging Face has them."""
    rng = np.random.default_rng(1)
    found: dict[str, Any] = {}

    def matrix(name: str, shape: tuple[int, int], kind: str | None) -> None:
        if kind in KINDS:
            blocks = random_blocks(kind, KINDS[kind].nbytes, shape[0] * shape[1] // KINDS[kind].elements, rng)
            found[name] = (blocks.reshape(shape[0], -1), kind)
        else:
            found[name] = (rng.standard_normal(shape) * 0.05).astype(kind or np.float32)

    matrix("token_embd.weight", (_VOCABULARY, _HIDDEN), kinds.get("token_embd"))
    if head:
        matrix("output.weight", (_VOCABULARY, _HIDDEN), kinds.get("output"))
    found["output_norm.weight"] = rng.uniform(0.5, 1.5, _HIDDEN).astype(np.float32)
    for layer in range(_LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            found[f"blk.{layer}.{name}.weight"] = rng.uniform(0.5, 1.5, _HIDDEN).astype(np.float32)
        for name, shape in _SHAPES.items():
            matrix(f"blk.{layer}.{name}.weight", shape, kinds.get(name))
            if biases and name in ("attn_q", "attn_k", "attn_v"):
                found[f"blk.{layer}.{name}.bias"] = rng.standard_normal(shape[0]).astype(np.float32)
        for name in ("attn_q_norm", "attn_k_norm") if norms else ():
            found[f"blk.{layer}.{name}.weight"] = rng.uniform(0.5, 1.5, _SIZE).astype(np.float32)
    return found


def as_floats(tensor: Any) -> np.ndarray:
    if not isinstance(tensor, tuple):
        return tensor.astype(np.float32)
    kind = KINDS[tensor[1]]
    return kind.unpack(tensor[0].reshape(-1, kind.nbytes)).in_rows(len(tensor[0])).real


def checkpoint(tensors: dict[str, Any]) -> dict[str, np.ndarray]:
    """The same by Hugging Face's names, float32."""
    whole = {"token_embd": "model.embed_tokens", "output": "lm_head", "output_norm": "model.norm"}
    found = {}
    for name, tensor in tensors.items():
        stem, what = name.rsplit(".", 1)
        if stem in whole:
            found[f"{whole[stem]}.{what}"] = as_floats(tensor)
        elif stem.startswith("blk."):
            _, layer, kind = stem.split(".")
            found[f"model.layers.{layer}.{_NAMES[kind]}.{what}"] = as_floats(tensor)
    return found


def as_llama_cpp(tensors: dict[str, Any]) -> dict[str, Any]:
    """Rows of queries and keys as llama.cpp's converter writes them for llama."""
    heads = {"attn_q": _HEADS, "attn_k": _KV}

    def moved(name: str, tensor: Any) -> Any:
        count = heads.get(name.split(".")[2] if name.startswith("blk.") else "")
        if count is None:
            return tensor
        return (interleave(tensor[0], count), tensor[1]) if isinstance(tensor, tuple) else interleave(tensor, count)

    return {name: moved(name, tensor) for name, tensor in tensors.items()}


def logits(model: ir.Model, tokens: int = 7) -> np.ndarray:
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {
        "input_ids": np.arange(3, 3 + tokens, dtype=np.int64)[None],
        "attention_mask": np.ones((1, tokens), np.int64),
        **{
            f"past_key_values.{layer}.{what}": np.zeros((1, _KV, 0, _SIZE), np.float32)
            for layer in range(_LAYERS)
            for what in ("key", "value")
        },
    }
    return session.run(["logits"], feeds)[0]


def config(**changes: Any) -> DecoderConfig:
    said = {
        "vocabulary": _VOCABULARY,
        "hidden": _HIDDEN,
        "intermediate": _MIDDLE,
        "layers": _LAYERS,
        "heads": _HEADS,
        "kv_heads": _KV,
        "head_size": _SIZE,
        "context": 64,
        "epsilon": 1e-5,
    }
    return DecoderConfig(**{**said, **changes})


def off(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


_MIXES = {
    "floats": {},
    "halves": dict.fromkeys([*_SHAPES, "token_embd", "output"], np.float16),
    "q4_0": dict.fromkeys([*_SHAPES, "token_embd", "output"], "Q4_0"),
    "q4_k_m": {**dict.fromkeys(_SHAPES, "Q4_K"), "attn_v": "Q6_K", "ffn_down": "Q6_K", "token_embd": "Q6_K"},
    "q2_k": {**dict.fromkeys(_SHAPES, "Q2_K"), "attn_v": "Q4_K", "output": "Q6_K", "token_embd": "Q2_K"},
    "iq3_xxs": {**dict.fromkeys(_SHAPES, "IQ3_XXS"), "attn_output": "IQ3_S", "attn_k": "IQ2_S"},
    "ternary": {**dict.fromkeys(_SHAPES, "TQ2_0"), "token_embd": "Q4_K"},
}


@pytest.mark.parametrize("mix", _MIXES)
def test_logits_are_those_of_the_weights_as_floats(mix, tmp_path):
    tensors = weights(_MIXES[mix])
    path = write_gguf(tmp_path / "m.gguf", as_llama_cpp(tensors), metadata=metadata())
    expected = logits(build(config(), checkpoint(tensors)))
    assert off(logits(read_gguf_model(path, "m.gguf", accuracy_level=1).model), expected) < 5e-6
    # As it ships: activations in int8.
    assert off(logits(read_gguf_model(path, "m.gguf").model), expected) < 0.05


def test_a_tied_head(tmp_path):
    tensors = weights({"token_embd": "Q8_0"}, head=False)
    path = write_gguf(tmp_path / "m.gguf", as_llama_cpp(tensors), metadata=metadata())
    expected = logits(build(config(tied=True), checkpoint(tensors)))
    assert off(logits(read_gguf_model(path, "m.gguf", accuracy_level=1).model), expected) < 5e-6


def test_factors_of_rotary_frequencies(tmp_path):
    factors = np.linspace(1, 8, _SIZE // 2).astype(np.float32)
    tensors = weights({})
    path = write_gguf(
        tmp_path / "m.gguf",
        {**as_llama_cpp(tensors), "rope_freqs.weight": factors},
        metadata=metadata(rope__freq_base=5000.0),
    )
    rope = Rope(theta=5000.0, factors=tuple(float(each) for each in factors))
    expected = logits(build(config(rope=rope), checkpoint(tensors)))
    assert off(expected, logits(build(config(rope=Rope(theta=5000.0)), checkpoint(tensors)))) > 0.01
    np.testing.assert_array_equal(logits(read_gguf_model(path, "m.gguf").model), expected)


@pytest.mark.parametrize(("architecture", "biases", "norms"), [("qwen2", True, False), ("qwen3", False, True)])
def test_relatives_with_halves(architecture, biases, norms, tmp_path):
    """Qwen's rows are stored as Hugging Face has them."""
    tensors = weights({}, biases=biases, norms=norms)
    path = write_gguf(
        tmp_path / "m.gguf", tensors, architecture=architecture, metadata=metadata(architecture, rope__freq_base=1e6)
    )
    rope = Rope(theta=1e6)
    expected = build(config(architecture=architecture, qkv_bias=biases, qk_norm=norms, rope=rope), checkpoint(tensors))
    np.testing.assert_array_equal(logits(read_gguf_model(path, "m.gguf").model), logits(expected))


def test_weights_are_read_when_they_are_written(tmp_path):
    """Loaded, a model holds no decoded weight; saved, it holds them all."""
    path = write_gguf(tmp_path / "m.gguf", as_llama_cpp(weights(_MIXES["q4_k_m"])), metadata=metadata())
    loaded = load_model(path, already_quantized="stored")
    assert loaded.stored
    assert loaded.files == (path.resolve(),)
    lazy = [value for value in loaded.model.graph.initializers.values() if value.const_value.nbytes > 1 << 14]
    assert lazy
    assert all(isinstance(value.const_value, ir.LazyTensor) for value in lazy)
    np.testing.assert_array_equal(logits(loaded.model), logits(read_gguf_model(path, "m.gguf").model))


def test_the_licence_goes_along(tmp_path):
    said = {**metadata(), "general.license": "apache-2.0"}
    path = write_gguf(tmp_path / "m.gguf", as_llama_cpp(weights({"ffn_up": "Q4_0"})), metadata=said)
    loaded = load_model(path, already_quantized="stored")
    assert source_licence(loaded.model.metadata_props, ()) == "apache-2.0"


def test_floats_are_quantized_on_request(tmp_path):
    tensors = weights(_MIXES["halves"])
    path = write_gguf(tmp_path / "m.gguf", as_llama_cpp(tensors), metadata=metadata())
    loaded = load_model(path)
    assert not loaded.stored
    types = {value.dtype for value in loaded.model.graph.initializers.values() if value.const_value.size > 1000}
    assert types == {ir.DataType.FLOAT}


def refusal(tmp_path, tensors: dict[str, Any], said: dict[str, Any], architecture: str = "llama") -> str:
    path = write_gguf(tmp_path / "m.gguf", tensors, architecture=architecture, metadata=said)
    with pytest.raises(ModelError) as caught:
        read_gguf_model(path, "m.gguf")
    return str(caught.value)


def test_other_architectures(tmp_path):
    assert refusal(tmp_path, weights({}), metadata("mamba"), "mamba") == (
        f"m.gguf: is of architecture 'mamba'; built are llama, qwen2, qwen3. {_ORIGINAL}"
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"expert_count": 8}, "says llama.expert_count = 8, which this graph has no place for"),
        ({"attention__key_length": 64}, "says llama.rope.dimension_count = 16 where heads have 64"),
        ({"rope__dimension_count": 16}, "says llama.rope.dimension_count = 16 where heads have 32"),
        ({"rope__scale_linear": 2.0}, "says llama.rope.scale_linear = 2.0, which this graph has no place for"),
        ({"attention__scale": 0.5}, "says llama.attention.scale = 0.5 where heads have 32"),
        ({"rope__scaling__type": "yarn"}, "scales rotary positions by 'yarn'; built are none, linear"),
    ],
)
def test_variants_with_another_graph(more, said, tmp_path):
    given = metadata(**({"rope__dimension_count": 16} if "attention__key_length" in more else {}), **more)
    assert refusal(tmp_path, weights({}), given) == f"m.gguf: {said}. {_ORIGINAL}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"llama.block_count": None}, "llama.block_count is missing"),
        ({"llama.embedding_length": "many"}, "llama.embedding_length: 'many' is no whole number"),
        ({"llama.rope.freq_base": "high"}, "llama.rope.freq_base: 'high' is no number"),
    ],
)
def test_metadata_that_are_missing_or_wrong(changes, said, tmp_path):
    given = {key: value for key, value in {**metadata(), **changes}.items() if value is not None}
    assert refusal(tmp_path, weights({}), given) == f"m.gguf, metadata: {said}. Convert the model to GGUF again."


def test_layers_that_differ(tmp_path):
    given = {**metadata(), "llama.attention.head_count_kv": [4, 8]}
    assert refusal(tmp_path, weights({}), given) == (
        f"m.gguf, metadata: llama.attention.head_count_kv differs from layer to layer. {_ORIGINAL}"
    )


def test_a_tensor_is_missing(tmp_path):
    tensors = weights({})
    del tensors["blk.1.ffn_up.weight"]
    assert refusal(tmp_path, tensors, metadata()) == (
        "m.gguf: has no weight 'model.layers.1.mlp.up_proj.weight'. "
        "Copy the checkpoint again, or check its configuration."
    )


def test_a_tensor_of_another_shape(tmp_path):
    tensors = {**weights({}), "blk.0.ffn_up.weight": np.ones((_MIDDLE, 128), np.float32)}
    assert refusal(tmp_path, tensors, metadata()) == (
        "m.gguf, weight 'model.layers.0.mlp.up_proj.weight': is [512, 128], its configuration needs [512, 256]. "
        "Check that configuration and weights belong together."
    )


def test_rows_that_heads_do_not_share(tmp_path):
    tensors = {**weights({}), "blk.0.attn_q.weight": np.ones((250, _HIDDEN), np.float32)}
    assert refusal(tmp_path, tensors, metadata()) == (
        "m.gguf, tensor 'blk.0.attn_q.weight': has 250 rows, which 8 heads do not share. "
        "Convert the model to GGUF again."
    )


def test_tensors_without_a_place(tmp_path):
    tensors = {**weights({}), "blk.0.attn_sinks.weight": np.ones(8, np.float32)}
    assert refusal(tmp_path, tensors, metadata()) == (
        f"m.gguf: has tensors that the graph of llama has no place for: blk.0.attn_sinks.weight. {_ORIGINAL}"
    )


def test_scales_that_are_not_finite(tmp_path):
    tensors = weights({"ffn_up": "Q4_0"})
    tensors["blk.1.ffn_up.weight"][0][5, :2] = np.array([np.inf], np.float16).view(np.uint8)
    assert refusal(tmp_path, tensors, metadata()) == (
        "m.gguf, tensor 'blk.1.ffn_up.weight': has scales that are not finite (row 5). Copy or download the file again."
    )


def test_an_adapter_is_no_model(tmp_path):
    assert refusal(tmp_path, weights({}), {**metadata(), "general.type": "adapter"}) == (
        "m.gguf: holds no model: its general.type is 'adapter'. Give the model's file."
    )
