"""`edgec export`: bundles as GGUF files that read back."""

import json

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from support.checkpoints import write_checkpoint
from support.decoders import tiny_config, tiny_weights
from support.gguf_files import random_blocks, write_gguf

import edgec
from edgec.compiler.cli.app import run
from edgec.compiler.export import export
from edgec.compiler.exporting.decoder import rotary_of
from edgec.compiler.exporting.tokenizer import tokenizer_metadata
from edgec.compiler.sources.decoder.config import Rope
from edgec.compiler.sources.decoder.rope import rotary_tables
from edgec.compiler.sources.gguf.kinds import KINDS
from edgec.compiler.sources.gguf.read import read_gguf
from edgec.compiler.sources.gguf.tokenizer import tokenizer_files
from edgec.errors import ModelError, OptionError, OutputError

gguf = pytest.importorskip("gguf", reason="gguf is not installed")

_HIDDEN, _VOCABULARY = 64, 40
_METADATA = {
    "llama.context_length": 64,
    "llama.embedding_length": _HIDDEN,
    "llama.block_count": 1,
    "llama.feed_forward_length": 128,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.rope.freq_base": 500000.0,
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "a", "b", "ab", *(f"w{k}" for k in range(_VOCABULARY - 6))],
    "tokenizer.ggml.scores": [0.0] * 5 + [-1.0] + [-50.0] * (_VOCABULARY - 6),
    "tokenizer.ggml.token_type": [2, 3, 3] + [1] * (_VOCABULARY - 3),
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
}
_SHAPES = {
    "attn_q": (64, 64),
    "attn_k": (32, 64),
    "attn_v": (32, 64),
    "attn_output": (64, 64),
    "ffn_gate": (128, 64),
    "ffn_up": (128, 64),
    "ffn_down": (64, 128),
}


def source(folder, kind: str | None, *, factors: bool = False):
    """A small language model; its matrices of one type, or halves."""
    rng = np.random.default_rng(6)

    def matrix(shape):
        if kind is None:
            return (rng.standard_normal(shape) * 0.05).astype(np.float16)
        count = shape[0] * shape[1] // KINDS[kind].elements
        return random_blocks(kind, KINDS[kind].nbytes, count, rng).reshape(shape[0], -1), kind

    tensors = {
        "token_embd.weight": matrix((_VOCABULARY, _HIDDEN)),
        "output.weight": matrix((_VOCABULARY, _HIDDEN)),
        "output_norm.weight": np.ones(_HIDDEN, np.float32),
        "blk.0.attn_norm.weight": np.ones(_HIDDEN, np.float32),
        "blk.0.ffn_norm.weight": np.ones(_HIDDEN, np.float32),
        **{f"blk.0.{name}.weight": matrix(shape) for name, shape in _SHAPES.items()},
        **({"rope_freqs.weight": np.array([1, 1, 1, 2, 4, 8, 8, 8], np.float32)} if factors else {}),
    }
    return write_gguf(folder / "source.gguf", tensors, metadata=_METADATA)


def compiled(path, folder, **options):
    return edgec.compile(path, target="host", output=folder / "bundle", prove=False, **options)


@pytest.mark.parametrize("kind", ["Q4_0", "Q8_0", None])
def test_a_model_comes_back_byte_for_byte(kind, tmp_path):
    path = source(tmp_path, kind)
    done = export(compiled(path, tmp_path), tmp_path / "back.gguf")
    assert (done.lost, done.notes) == (0, ())
    given, back = read_gguf(path, "source"), read_gguf(done.file, "back")
    assert set(given.tensors) == set(back.tensors)
    for name, tensor in given.tensors.items():
        assert back.tensors[name].kind == tensor.kind, name
        np.testing.assert_array_equal(back.tensors[name].raw, tensor.raw, err_msg=name)
    for key in _METADATA:
        if key != "tokenizer.ggml.scores":
            assert back.metadata[key] == given.metadata[key], key


def test_factors_of_frequencies_come_back(tmp_path):
    path = source(tmp_path, "Q8_0", factors=True)
    done = export(compiled(path, tmp_path), tmp_path / "back.gguf")
    found = read_gguf(done.file, "back").tensors["rope_freqs.weight"].floats()
    np.testing.assert_allclose(found, [1, 1, 1, 2, 4, 8, 8, 8], rtol=1e-4)


def product(columns: int, rows: int) -> tuple[ir.Model, np.ndarray]:
    x = ir.Value(name="x", shape=ir.Shape([1, columns]), type=ir.TensorType(ir.DataType.FLOAT))
    w = np.random.default_rng(0).standard_normal((columns, rows)).astype(np.float32)
    held = ir.Value(name="w", const_value=ir.Tensor(w, name="w"), shape=ir.Shape(w.shape), type=x.type)
    node = ir.node("MatMul", [x, held], name="product")
    (y,) = node.outputs
    y.name, y.shape, y.type = "y", ir.Shape([1, rows]), x.type
    graph = ir.Graph([x], [y], nodes=[node], initializers=[held], opset_imports={"": 21}, name="g")
    return ir.Model(graph, ir_version=10), w


@pytest.mark.parametrize(
    ("scheme", "zero_points", "kind"), [("w4", False, "Q4_0"), ("w4", True, "Q4_1"), ("w8", False, "Q8_0")]
)
def test_edgecs_own_blocks(scheme, zero_points, kind, tmp_path):
    """Weights rounded by edgec: gguf reads the values that the bundle's kernel multiplies, its scales as halves."""
    model, _ = product(512, 1024)
    output = tmp_path / "bundle"
    bundle = edgec.compile(model, target="host", output=output, prove=False, scheme=scheme, zero_points=zero_points)
    done = export(bundle, tmp_path / "back.gguf")
    assert done.types == {kind: 1}
    assert 0 < done.lost <= 2.0**-11
    tensor = read_gguf(done.file, "back").tensors["w"]
    assert (tensor.kind, tensor.shape) == (kind, (1024, 512))
    w = gguf.quants.dequantize(np.array(tensor.raw), gguf.GGMLQuantizationType[kind])
    x = np.eye(512, dtype=np.float32)[:3]
    session = ort.InferenceSession(str(bundle.model), providers=["CPUExecutionProvider"])
    for k in range(3):
        (y,) = session.run(None, {"x": x[k : k + 1]})
        np.testing.assert_allclose(y[0], w[:, k], atol=2e-3 * np.abs(w).max())


def test_other_models_become_tensors(tmp_path):
    model, w = product(64, 8)
    bundle = edgec.compile(model, target="host", output=tmp_path / "bundle", prove=False, scheme="float")
    done = export(bundle, tmp_path / "back.gguf")
    assert done.notes == ("no decoder that edgec built: tensors by their names, no model",)
    back = read_gguf(done.file, "back")
    assert back.metadata["general.architecture"] == "edgec"
    np.testing.assert_array_equal(back.tensors["w"].floats(), w.T)


def test_what_minima_leave_over_is_refused(tmp_path):
    bundle = compiled(source(tmp_path, "Q4_1"), tmp_path)
    with pytest.raises(ModelError) as caught:
        export(bundle, tmp_path / "back.gguf")
    assert str(caught.value) == (
        f"{tmp_path / 'bundle'}, weight 'model.embed_tokens.weight_rest': is what blocks with minima leave over, which "
        "GGUF has no place for beside them. Give the GGUF file it was compiled from."
    )
    assert not list(tmp_path.glob("back*"))


def test_names_and_files_that_are_there(tmp_path):
    bundle = compiled(source(tmp_path, "Q8_0"), tmp_path)
    with pytest.raises(OptionError) as wrong:
        export(bundle, tmp_path / "back.bin")
    assert str(wrong.value) == f"{tmp_path / 'back.bin'}: is no name of a GGUF file. Let it end in .gguf."
    export(bundle, tmp_path / "back.gguf")
    with pytest.raises(OutputError) as there:
        export(bundle, tmp_path / "back.gguf")
    assert str(there.value) == f"{tmp_path / 'back.gguf'}: is there already. Give another name, or --overwrite."
    with pytest.raises(OutputError) as nowhere:
        export(bundle, tmp_path / "missing" / "back.gguf")
    assert str(nowhere.value) == (
        f"{tmp_path / 'missing' / 'back.gguf'}: cannot be written (No such file or directory). "
        "Check the folder and its permissions."
    )


def test_on_the_command_line(tmp_path, capsys):
    compiled(source(tmp_path, "Q8_0"), tmp_path)
    assert run(["export", str(tmp_path / "bundle"), str(tmp_path / "a.gguf")]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'a.gguf'}: 3 F32, 9 Q8_0\n"
    assert run(["export", str(tmp_path / "bundle"), str(tmp_path / "b.gguf"), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(tmp_path / "b.gguf"),
        "types": {"F32": 3, "Q8_0": 9},
        "lost": 0.0,
        "notes": [],
    }


@pytest.mark.parametrize("theta", [10000.0, 500000.0, 1e6])
@pytest.mark.parametrize("size", [8, 64, 128])
def test_the_base_of_frequencies(theta, size):
    found = rotary_of(*rotary_tables(Rope(theta=theta), size, 8))
    assert (found.theta, found.factors) == (theta, None)


def test_scaled_frequencies():
    rope = Rope(theta=500000.0, scaling="llama3", factor=8.0)
    found = rotary_of(*rotary_tables(rope, 128, 8))
    assert found.theta == 500000.0
    cos, _ = rotary_tables(Rope(theta=found.theta, factors=tuple(map(float, found.factors))), 128, 1000)
    np.testing.assert_allclose(cos, rotary_tables(rope, 128, 1000)[0], atol=2e-3)


def test_a_tokenizer_comes_back():
    said = {key: value for key, value in _METADATA.items() if key.startswith("tokenizer")}
    files, _ = tokenizer_files(said, "m.gguf")
    back = tokenizer_metadata(json.loads(files["tokenizer.json"]))
    again, _ = tokenizer_files({**said, **back}, "m.gguf")
    assert again == files


def test_tokenizers_without_a_name():
    assert tokenizer_metadata({"model": {"type": "Unigram"}}) is None
    odd = {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "pre_tokenizer": {"type": "Whitespace"}}
    assert tokenizer_metadata(odd) is None


@pytest.mark.parametrize("form", ["folded", "packed"])
@pytest.mark.parametrize("scheme", ["w3", "nf4", "w2"])
def test_what_is_expanded_when_the_model_opens_is_what_the_session_multiplies(scheme, form, tmp_path):
    """Planes, levels and 2-bit codes: the matrix, not a table or the scales it is made of."""
    model, _ = product(64, 32)
    output = tmp_path / "bundle"
    bundle = edgec.compile(
        model, target="host", output=output, prove=False, search=False, scheme=scheme, weight_form=form
    )
    done = export(bundle, tmp_path / "back.gguf")
    tensor = read_gguf(done.file, "back").tensors["w"]
    assert tensor.shape == (32, 64)
    w = gguf.quants.dequantize(np.array(tensor.raw), gguf.GGMLQuantizationType[tensor.kind]).reshape(tensor.shape)
    session = ort.InferenceSession(str(bundle.model), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": np.eye(64, dtype=np.float32)[:1]})
    np.testing.assert_allclose(y[0], w[:, 0], atol=1e-2 * np.abs(w).max())


def test_matrices_behind_a_change_of_their_inputs_are_refused(tmp_path):
    model, _ = product(64, 32)
    samples = [{"x": np.random.default_rng(k).normal(size=(1, 64)).astype(np.float32)} for k in range(8)]
    bundle = edgec.compile(
        model, target="host", output=tmp_path / "out", prove=False, search=False, scheme="w2h", calibration=samples
    )
    with pytest.raises(ModelError) as error:
        export(bundle, tmp_path / "back.gguf")
    assert str(error.value) == (
        f"{bundle.path}: stores its matrices behind a change of their inputs (scheme w2h), which GGUF has no place "
        "for. Compile it with another scheme, say w3 or w4."
    )


def test_of_two_forms_of_a_product_the_one_for_few_rows_is_written(tmp_path):
    config = tiny_config(hidden=64, heads=4, intermediate=128)
    folder = write_checkpoint(tmp_path / "checkpoint", config, tiny_weights(config))
    written = []
    for long_inputs in (False, True):
        bundle = edgec.compile(
            folder,
            target="host",
            scheme="w4",
            block_size=32,
            weight_form="packed",
            long_inputs=long_inputs,
            prove=False,
        )
        written.append(export(bundle, tmp_path / f"{long_inputs}.gguf").file.read_bytes())

    assert written[0] == written[1]
