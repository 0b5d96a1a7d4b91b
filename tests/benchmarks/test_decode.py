"""The decode benchmark's models and its run, at a size that takes seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from decode import OURS, THEIRS, main
from random_decoders import SHAPES, RandomWeights, bytes_per_token, write_gguf

from edgec.compiler.sources.decoder import build
from edgec.passes.weight_only.blocks import BlockForm, Blocks


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


@pytest.mark.slow
def test_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EDGEC_GENAI_PYTHON", "EDGEC_LLAMA_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    words = [
        "--shapes",
        "tiny",
        "--threads",
        "1",
        "--tokens",
        "4",
        "--rounds",
        "1",
        "--out",
        str(tmp_path / "out.json"),
    ]

    assert main(words) == 0

    (record,) = json.loads((tmp_path / "out.json").read_text())["records"]
    assert record["engine"] == "edgec"
    assert record["tokens_per_second"] > 0
    assert capsys.readouterr().out.startswith("| shape | threads | engine |")
