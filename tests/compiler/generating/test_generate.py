"""The loop, on a decoder that counts; the cache that stays in place, against one that grows; the runtime of others."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.checkpoints import write_checkpoint
from support.decoders import reference_logits, tiny_config, tiny_weights

import edgec
from edgec.compiler.generating.generate import Generation
from edgec.compiler.generating.sampling import Sampling
from edgec.compiler.sources.decoder import build
from edgec.errors import ModelError
from edgec.runtimes.base import SessionSettings
from edgec.runtimes.cached_decoder import CachedDecoder, open_decoder
from edgec.runtimes.ort import OrtCpu

# An interpreter that has onnxruntime-genai: edgec never imports it.
GENAI = os.environ.get("EDGEC_GENAI_PYTHON", "")


class Counting:
    """Answers the token after the last one it was fed."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.length = 0
        self.given: list[list[int]] = []

    def feed(self, tokens: Sequence[int]) -> np.ndarray:
        self.given.append(list(tokens))
        self.length += len(tokens)
        return np.eye(20, dtype=np.float32)[tokens[-1] + 1]


def test_the_prompt_is_fed_at_once_and_every_token_after_it() -> None:
    steps = Counting(20)
    generation = Generation(steps=steps, prompt=[1, 2, 3], most=4)

    assert list(generation) == [4, 5, 6, 7] == generation.tokens
    assert steps.given == [[1, 2, 3], [4], [5], [6]]
    assert generation.fed == 3
    assert generation.prompt_rate > 0
    assert generation.rate is not None


def test_an_answer_ends_at_its_end_or_where_there_is_no_room() -> None:
    assert list(Generation(steps=Counting(20), prompt=[1], most=9, ends=frozenset({4}))) == [2, 3]
    full = Generation(steps=Counting(3), prompt=[1], most=9)
    assert list(full) == [2, 3, 4]  # the last one is told, and has no room to be fed
    alone = Generation(steps=Counting(20), prompt=[1], most=1)
    assert list(alone) == [2]
    assert alone.rate is None


@pytest.mark.parametrize("head_size", [8, 16])
def test_a_cache_in_place_answers_as_the_equations_do(head_size: int) -> None:
    config = tiny_config(head_size=head_size)
    weights = tiny_weights(config)
    model = ir.to_proto(build(config, weights)).SerializeToString()
    tokens = [int(each) for each in np.random.default_rng(3).integers(0, 61, 14)]
    decoder = CachedDecoder(OrtCpu().open(model), capacity=14)

    wanted = reference_logits(config, weights, np.array(tokens))
    found = [decoder.feed(tokens[:6]), *(decoder.feed([token]) for token in tokens[6:])]

    assert np.abs(np.array(found) - wanted[5:]).max() < 1e-5 * np.abs(wanted).max()
    with pytest.raises(ModelError) as full:
        decoder.feed([1])
    assert str(full.value) == (
        "the cache: holds 14 of 14 tokens, 1 more were given. Give at least one token, and no more than there is "
        "room for."
    )
    decoder.forget()
    assert np.allclose(decoder.feed(tokens[:6]), found[0], atol=1e-6)


def test_opened_to_decode_it_answers_as_otherwise(tmp_path: Path) -> None:
    config = tiny_config()
    ir.save(build(config, tiny_weights(config)), tmp_path / "model.onnx", external_data="model.onnx.data")
    settings = SessionSettings(threads=1)

    plain = CachedDecoder(OrtCpu().open(tmp_path / "model.onnx", settings), capacity=9)
    decoder = CachedDecoder(open_decoder(OrtCpu(), tmp_path / "model.onnx", settings), capacity=9)

    assert np.allclose(plain.feed([1, 5, 9]), decoder.feed([1, 5, 9]), atol=1e-5)
    assert np.allclose(plain.feed([7]), decoder.feed([7]), atol=1e-5)
    assert "ORT_GQA_DISABLE_FLASH_ATTENTION" not in os.environ


class Meeting:
    """Opens nothing: remembers how many openings were under way at once, and what they found in the environment."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str | None]] = []
        self._under_way = 0

    def open(self, model: Path, settings: SessionSettings) -> None:
        self._under_way += 1
        time.sleep(0.01)
        self.found.append((self._under_way, os.environ.get("ORT_GQA_DISABLE_FLASH_ATTENTION")))
        self._under_way -= 1
        raise ModelError(where="here", problem="it is refused", affects="all", remedy="none")


def test_decoders_are_opened_one_at_a_time_and_what_was_set_is_taken_back(tmp_path: Path) -> None:
    there = Meeting()
    (tmp_path / "model.onnx").write_bytes(b"")

    def attempt(_: int) -> bool:
        try:
            open_decoder(there, tmp_path / "model.onnx", SessionSettings())  # type: ignore[arg-type]
        except ModelError:
            return True
        return False

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(attempt, range(8)))

    assert there.found == [(1, "1")] * 8
    assert "ORT_GQA_DISABLE_FLASH_ATTENTION" not in os.environ


def test_a_long_prompt_is_fed_in_pieces() -> None:
    config = tiny_config(context=2048)
    model = ir.to_proto(build(config, tiny_weights(config))).SerializeToString()
    tokens = [int(each) for each in np.random.default_rng(3).integers(0, 61, 600)]
    session = OrtCpu().open(model)

    whole = CachedDecoder(session, capacity=2048)
    pieces = CachedDecoder(session, capacity=2048)

    for each in tokens[:-1]:
        pieces.feed([each])
    assert np.allclose(whole.feed(tokens), pieces.feed(tokens[-1:]), atol=1e-4)
    assert whole.length == pieces.length == 600


def test_a_model_without_a_cache_is_refused() -> None:
    model = ir.from_onnx_text(
        '<ir_version: 10, opset_import: ["": 20]> g (int64[1, n] input_ids, float[1, 2] x) => (float[1, 2] logits)'
        " { logits = Relu (x) }"
    )
    with pytest.raises(ModelError) as error:
        CachedDecoder(OrtCpu().open(ir.to_proto(model).SerializeToString()), capacity=4)
    assert str(error.value) == (
        "input 'x': is not the cache of a decoder: no output carries it on. Give a bundle whose inputs are input_ids, "
        "attention_mask and past_key_values.0.key …."
    )


@pytest.mark.parametrize(
    ("changed", "options"),
    [
        ({}, {}),
        ({"tied": True, "head_size": 8}, {}),
        ({"architecture": "qwen3", "qk_norm": True}, {}),
        ({}, {"long_inputs": True}),
    ],
)
@pytest.mark.skipif(not GENAI, reason="EDGEC_GENAI_PYTHON names no interpreter with onnxruntime-genai")
def test_the_folder_of_a_bundle_is_one_of_genai(
    tmp_path: Path, changed: dict[str, object], options: dict[str, object]
) -> None:
    config = tiny_config(**changed)
    folder = write_checkpoint(tmp_path / "tiny", config, tiny_weights(config))
    bundle = edgec.compile(folder, target="host", scheme="w8", prove=False, **options)  # type: ignore[arg-type]
    prompts = [[1, 20, 21, 22], [1, 5], [1, 40, 41, 42, 43, 44, 45], [1, 9, 9, 9]]
    script = (
        "import json, sys, onnxruntime_genai as og\n"
        "model = og.Model(sys.argv[1]); answers = []\n"
        "for prompt in json.loads(sys.argv[2]):\n"
        "    params = og.GeneratorParams(model); params.set_search_options(max_length=30); answer = []\n"
        "    generator = og.Generator(model, params); generator.append_tokens(prompt)\n"
        "    while not generator.is_done():\n"
        "        generator.generate_next_token(); answer.append(int(generator.get_next_tokens()[0]))\n"
        "    answers.append([token for token in answer if token != 2])\n"
        "print(json.dumps(answers))\n"
    )

    told = subprocess.run(
        [GENAI, "-c", script, str(bundle.path), json.dumps(prompts)], capture_output=True, text=True, check=True
    )

    session, ours = OrtCpu().open(bundle.model), []
    for prompt in prompts:
        steps = CachedDecoder(session, capacity=30)
        ours.append(list(Generation(steps=steps, prompt=prompt, most=30 - len(prompt), ends=frozenset({2}))))
    assert ours == json.loads(told.stdout)
    assert sum(map(len, ours)) > 20


def test_seeded_draws_repeat() -> None:
    config = tiny_config()
    model = ir.to_proto(build(config, tiny_weights(config))).SerializeToString()
    session = OrtCpu().open(model)

    def drawn(seed: int) -> list[int]:
        sampling = Sampling(temperature=1.5)
        return list(Generation(steps=CachedDecoder(session, 20), prompt=[1, 2], most=18, sampling=sampling, seed=seed))

    assert drawn(1) == drawn(1) != drawn(2)
