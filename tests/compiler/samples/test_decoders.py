"""Rows of tokens as samples of a decoder: what is fed beside them, what is to be told, where the cache starts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.checkpoints import write_tokenizer

from edgec.compiler.samples import open_samples
from edgec.compiler.samples.base import Sample
from edgec.compiler.samples.decoders import Afresh, decoder_state, golden_steps, is_decoder, is_listener
from edgec.errors import SamplesError
from edgec.runtimes.base import TensorInfo

INT64, FLOAT = np.dtype(np.int64), np.dtype(np.float32)
INPUTS = (
    TensorInfo(name="input_ids", dtype=INT64, shape=("batch", "tokens")),
    TensorInfo(name="attention_mask", dtype=INT64, shape=("batch", "total")),
    TensorInfo(name="past_key_values.0.key", dtype=FLOAT, shape=("batch", 2, "past", 8)),
    TensorInfo(name="past_key_values.0.value", dtype=FLOAT, shape=("batch", 2, "past", 8)),
)
OUTPUTS = (
    TensorInfo(name="logits", dtype=FLOAT, shape=("batch", "tokens", 20)),
    TensorInfo(name="present.0.key", dtype=FLOAT, shape=("batch", 2, "total", 8)),
    TensorInfo(name="present.0.value", dtype=FLOAT, shape=("batch", 2, "total", 8)),
)
STATE = decoder_state(INPUTS, OUTPUTS)


def test_the_cache_is_state_that_starts_empty() -> None:
    assert STATE.carried == {
        "past_key_values.0.key": "present.0.key",
        "past_key_values.0.value": "present.0.value",
    }
    assert {name: array.shape for name, array in STATE.start.items()} == dict.fromkeys(STATE.carried, (1, 2, 0, 8))


def test_other_models_are_no_decoders() -> None:
    more = TensorInfo(name="position_ids", dtype=INT64, shape=("batch", "tokens"))

    assert not is_decoder(INPUTS[:2])  # an encoder
    assert not is_decoder((*INPUTS, more))
    assert decoder_state(INPUTS[:2], OUTPUTS).carried == {}
    assert decoder_state(INPUTS, OUTPUTS[:1]).carried == {}


def test_a_decoder_that_listens_carries_its_own_cache_only() -> None:
    tokens = TensorInfo(name="input_ids", dtype=np.dtype(np.int32), shape=("batch", "tokens"))
    past = TensorInfo(name="past_key_self_0", dtype=FLOAT, shape=("batch", 2, "past", 8))
    known = TensorInfo(name="past_key_cross_0", dtype=FLOAT, shape=("batch", 2, 5, 8))
    outputs = (
        TensorInfo(name="logits", dtype=FLOAT, shape=("batch", "tokens", 20)),
        TensorInfo(name="present_key_self_0", dtype=FLOAT, shape=("batch", 2, "total", 8)),
    )
    heard = np.ones((1, 2, 5, 8), np.float32)

    state = decoder_state((tokens, past, known), outputs)
    sample = Sample(id="a", steps=({"input_ids": np.arange(30, dtype=np.int32)[None], "past_key_cross_0": heard},))
    steps = golden_steps(sample, (tokens, past, known)).steps

    assert state.carried == {"past_key_self_0": "present_key_self_0"}
    assert state.start["past_key_self_0"].shape == (1, 2, 0, 8)
    assert not is_listener((tokens, past))
    assert [sorted(step) for step in steps] == [["input_ids", "past_key_cross_0"]] * 8
    assert [step["input_ids"].shape[1] for step in steps] == [16, 1, 1, 1, 1, 1, 1, 1]


def test_a_row_is_all_but_its_last_token_and_tells_the_next_ones(tmp_path: Path) -> None:
    rows = np.arange(12, dtype=np.int16).reshape(3, 4)
    np.save(tmp_path / "rows.npy", rows)

    samples = list(open_samples(tmp_path / "rows.npy", INPUTS, role="evaluation", state=STATE))

    assert len(samples) == 3
    assert {name: array.tolist() for name, array in samples[1].feeds.items()} == {
        "input_ids": [[4, 5, 6]],
        "attention_mask": [[1, 1, 1]],
    }
    assert samples[1].label is not None
    assert samples[1].label.tolist() == [5, 6, 7]


def test_labels_of_the_data_count_and_then_all_tokens_are_fed(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", input_ids=np.arange(6).reshape(2, 3), label=np.array([7, 8]))

    samples = list(open_samples(tmp_path / "rows.npz", INPUTS, role="evaluation", state=STATE))

    assert samples[0].feeds["input_ids"].tolist() == [[0, 1, 2]]
    assert samples[1].label is not None
    assert samples[1].label.tolist() == 8


def test_without_state_the_empty_cache_is_fed(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.arange(6).reshape(2, 3))

    (first, _) = open_samples(tmp_path / "rows.npy", INPUTS, role="calibration")

    assert {name: array.shape for name, array in first.feeds.items()} == {
        "input_ids": (1, 2),
        "attention_mask": (1, 2),
        "past_key_values.0.key": (1, 2, 0, 8),
        "past_key_values.0.value": (1, 2, 0, 8),
    }


def test_samples_afresh_feed_what_was_carried(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.arange(6).reshape(2, 3))
    carried = open_samples(tmp_path / "rows.npy", INPUTS, role="calibration", state=STATE)

    afresh = Afresh(carried, INPUTS)

    assert len(afresh) == 2
    assert afresh.state.carried == {}
    assert afresh.digest() == carried.digest()
    assert [sorted(sample.feeds) for sample in afresh] == [sorted(info.name for info in INPUTS)] * 2


def test_data_that_give_every_input_are_read_as_they_are(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "all.npz",
        input_ids=np.arange(6).reshape(2, 3),
        attention_mask=np.array([[1, 1, 1], [1, 1, 0]]),
    )

    samples = list(open_samples(tmp_path / "all.npz", INPUTS, role="calibration", state=STATE))

    assert samples[1].feeds["attention_mask"].tolist() == [[1, 1, 0]]
    assert samples[1].label is None


def test_a_row_of_one_token_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.arange(2).reshape(2, 1))
    with pytest.raises(SamplesError) as error:
        list(open_samples(tmp_path / "rows.npy", INPUTS, role="evaluation", state=STATE))
    assert str(error.value) == (
        "rows.npy[0]: has 1 tokens, and a next one is to be told. Give rows of at least 2 tokens."
    )


def test_what_fills_rows_up_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.array([[4, 5, 6], [7, -100, -100]]))
    with pytest.raises(SamplesError) as error:
        list(open_samples(tmp_path / "rows.npy", INPUTS, role="evaluation", state=STATE))
    assert str(error.value) == (
        "rows.npy[1]: holds -100, which is no token: those are numbers from 0. "
        "Give rows of tokens, with nothing that fills them up."
    )


def test_the_golden_sample_is_a_prompt_and_then_tokens_one_by_one() -> None:
    ids = np.arange(100, 140)[None]

    steps = golden_steps(Sample(id="text[0]", steps=({"input_ids": ids},)), INPUTS).steps

    assert [step["input_ids"].shape[1] for step in steps] == [16, 1, 1, 1, 1, 1, 1, 1]
    assert [step["attention_mask"].shape[1] for step in steps] == list(range(16, 24))
    assert np.concatenate([step["input_ids"][0] for step in steps]).tolist() == list(range(100, 123))


@pytest.mark.parametrize("tokens", [0, 1, 8])
def test_a_sample_too_short_to_be_told_token_by_token_gives_way(tokens: int) -> None:
    steps = golden_steps(Sample(id="a", steps=({"input_ids": np.full((1, tokens), 5)},)), INPUTS).steps

    assert [step["input_ids"].shape[1] for step in steps] == [9, 1, 1, 1, 1, 1, 1, 1]


def test_text_becomes_rows_that_begin_as_texts_do(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    write_tokenizer(tmp_path / "tokenizer.json", 20)
    (tmp_path / "text.txt").write_text("w3 w4 w5 w6 w7 w8 w9 w10 w11 w12\nw13 w14", encoding="utf-8")
    companions = {
        "tokenizer.json": (tmp_path / "tokenizer.json").read_bytes(),
        "genai_config.json": json.dumps({"model": {"context_length": 5}}).encode(),
    }

    samples = list(open_samples(tmp_path / "text.txt", INPUTS, role="evaluation", state=STATE, companions=companions))

    assert [sample.feeds["input_ids"].tolist() for sample in samples] == [
        [[1, 3, 4, 5]],
        [[1, 7, 8, 9]],
        [[1, 11, 12, 13]],
    ]
    assert [sample.label.tolist() for sample in samples if sample.label is not None] == [
        [3, 4, 5, 6], [7, 8, 9, 10], [11, 12, 13, 14],
    ]  # fmt: skip


def test_text_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_bytes(b"w3 w4 \xff")

    def refused(companions: dict[str, bytes]) -> str:
        with pytest.raises(SamplesError) as error:
            len(open_samples(file, INPUTS, role="evaluation", state=STATE, companions=companions))
        return str(error.value)

    assert refused({}) == (
        f"{file}: is text, and the model brings no tokenizer.json. Give rows of token ids, an integer .npy of one row "
        "per sample."
    )
    pytest.importorskip("tokenizers")
    write_tokenizer(tmp_path / "tokenizer.json", 20)
    tokenizer = {"tokenizer.json": (tmp_path / "tokenizer.json").read_bytes()}
    assert refused(tokenizer) == f"{file}: is not UTF-8. Save the text in UTF-8."
    file.write_text("")
    assert refused(tokenizer) == f"{file}: is 0 tokens long. Give a longer text."
