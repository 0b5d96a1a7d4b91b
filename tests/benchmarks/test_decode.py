"""The decode benchmark's models and its run, at a size that takes seconds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from decode import lines, main
from decode_models import OURS, THEIRS
from random_checkpoint import write_checkpoint
from random_decoders import SHAPES, RandomWeights, bytes_per_token, passes, write_gguf

import edgec
from edgec.compiler.sources.decoder import build
from edgec.passes.weight_only.blocks import BlockForm, Blocks

# What makes a product or a look-up fast or slow.
_NUMBERS = ("K", "N", "bits", "block_size", "accuracy_level", "num_heads", "kv_num_heads", "do_rotary")


def test_sizes_are_those_of_the_models_they_are_called_after() -> None:
    def parameters(shape: str) -> float:
        weights = RandomWeights(SHAPES[shape], OURS)
        return sum(np.prod(each) for each in weights.matrices.values()) / 1e6

    # Without the embedding: 12 layers of 4 · 768² + 3 · 768 · 2048, a head of 768 · 32000; TinyLlama's published 1.1 G.
    assert parameters("125m") == pytest.approx(12 * (4 * 0.768**2 + 3 * 0.768 * 2.048) + 0.768 * 32)
    assert 1000 < parameters("1.1b") < 1100


def test_bytes_of_a_token_are_codes_and_scales() -> None:
    weights = RandomWeights(SHAPES["tiny"], OURS)
    # 2 layers of 4 matrices 256 x 256, 2 of 512 x 256 and one of 256 x 512, a head of 32000 x 256.
    elements = 2 * (4 * 256 * 256 + 3 * 512 * 256) + 32000 * 256

    assert bytes_per_token(weights, OURS) == elements // 2 + 4 * elements // 128
    assert bytes_per_token(weights, THEIRS) == elements // 2 + 4 * elements // 32


def test_weights_are_the_same_each_time_and_make_a_model() -> None:
    weights = RandomWeights(SHAPES["tiny"], BlockForm(bits=4, size=32))
    first, again = weights["lm_head.weight"], weights["lm_head.weight"]

    assert isinstance(first, Blocks)
    assert isinstance(again, Blocks)
    assert np.array_equal(first.codes, again.codes)
    assert 0.5 < first.real.std() * np.sqrt(256) < 1.5
    assert len([node for node in build(SHAPES["tiny"], weights).graph if node.op_type == "MatMulNBits"]) == 15


def test_the_gguf_has_the_same_shapes(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    read = gguf.GGUFReader(write_gguf(tmp_path / "tiny.gguf", SHAPES["tiny"]))

    assert len(read.tensors) == len(RandomWeights(SHAPES["tiny"], THEIRS))
    shapes = {tensor.name: tuple(int(each) for each in reversed(tensor.shape)) for tensor in read.tensors}
    assert shapes["blk.1.ffn_down.weight"] == (256, 512)
    assert shapes["output.weight"] == (32000, 256)


@pytest.mark.parametrize("long_inputs", [False, True])
def test_edgecs_forms_are_what_it_compiles(tmp_path: Path, long_inputs: bool) -> None:
    config = replace(SHAPES["125m"], layers=2, vocabulary=2048)
    weights = RandomWeights(config, OURS)
    checkpoint = write_checkpoint(tmp_path / "checkpoint", config, weights.shapes)
    model = build(config, weights)
    for each in passes(long_inputs=long_inputs):
        each(model)

    bundle = edgec.compile(checkpoint, target="host", scheme="w4", long_inputs=long_inputs, prove=False)

    assert _forms(model) == _forms(ir.load(bundle.model))


def _forms(model: ir.Model) -> list[tuple[object, ...]]:
    """Operators in order, with what products and look-ups are like; constants by their type and shape."""
    forms = []
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        numbers = sorted((name, each.value) for name, each in node.attributes.items() if name in _NUMBERS)
        held = [(v.dtype, tuple(v.shape or ())) for v in node.inputs if v is not None and v.is_initializer()]
        forms.append((node.op_type, *numbers, *held))
    return forms


@pytest.mark.slow
def test_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EDGEC_GENAI_PYTHON", "EDGEC_LLAMA_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    words = ["--shapes", "tiny", "--threads", "1", "--tokens", "4", "--long-prompt", "20", "--rounds", "1", "--out"]

    assert main([*words, str(tmp_path / "out.json")]) == 0

    one, both = json.loads((tmp_path / "out.json").read_text())["records"]
    assert (one["engine"], both["engine"]) == ("edgec", "edgec, --long-inputs")
    assert one["tokens_per_second"] > 0
    assert both["stored"] > 1.8 * one["stored"]
    assert one["resident"] > 0
    table = capsys.readouterr().out
    assert table.startswith("| shape | threads | engine ")
    assert "prompt of 20 tokens/s" in table
    assert "asked" not in table  # nobody to compare with


def test_lines_say_what_holds_of_each_cell() -> None:
    def record(engine: str, rate: float, prompt: float) -> dict[str, object]:
        named = {"shape": "1.1b", "threads": 2, "engine": engine}
        return named | {"tokens_per_second": rate, "prompt_tokens_per_second": prompt}

    records = [record("edgec", 50.0, 100.0), record("edgec, --long-inputs", 48.0, 200.0)]
    records += [record("genai, its builder's", 40.0, 150.0), record("llama.cpp Q4_0", 51.0, 90.0)]

    assert lines(records) == [
        "green: 1.1b, 2 threads, decoding, genai's builder: 1.25x, 1.25x asked",
        "red: 1.1b, 2 threads, prompts with --long-inputs, genai's builder: 1.33x, 1.5x asked",
        "red: 1.1b, 2 threads, decoding, llama.cpp: 0.98x, 1x asked",
    ]
