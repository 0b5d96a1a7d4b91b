"""The portability table: every line can be green, and turns red, amber or undecided by its own figure alone."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from fixed import TOKENS, fixed_shapes, padded
from models import MODELS
from portable import judge, partitions, places_table, provider_share

Record = dict[str, Any]
QNN, CPU = "QNNExecutionProvider", "CPUExecutionProvider"


def _kernel(provider: str, macs: int, integer: bool) -> Record:
    return {"provider": provider, "macs": macs, "integer": integer}


def _record() -> Record:
    metric = {
        "name": "top1", "n": 400, "float_value": 0.9, "value": 0.895, "drop": 0.005, "drop_interval": [-0.002, 0.012],
    }  # fmt: skip
    kernels = [_kernel(CPU, 0, False), _kernel(QNN, 96, True), _kernel(QNN, 2, False), _kernel(CPU, 2, False)]
    placement = {
        "kernels": kernels, "macs": 100, "integer_mac_share": 0.96, "wanted": QNN, "evidence": "the backend's graph",
    }  # fmt: skip
    return {
        "model": "kws_dscnn",
        "target": "snapdragon-8-gen-3",
        "scheme": "a8w8",
        "place": "qnn-htp",
        "verdict": {"word": "proved"},
        "proof": {
            "evaluation": {"metric": metric},
            "placement": placement,
            "context": {"exact": True},
            "apart": {"y": {"max_steps": 2.5, "equal_share": 0.75}},
            "versions": {"onnxruntime": "1.31.1"},
        },
    }


def _statuses(record: Record) -> dict[str, str]:
    return {line.name: line.status for line in judge(record)}


GREEN = dict.fromkeys(("proved", "metric", "on-qnn", "integers", "one-partition", "context"), "green")


def _spoil(record: Record, path: str, value: Any) -> Record:
    spoiled = copy.deepcopy(record)
    *way, last = path.split(".")
    part = spoiled
    for key in way:
        part = part[int(key)] if isinstance(part, list) else part[key]
    part[last] = value
    return spoiled


@pytest.mark.parametrize(
    ("path", "value", "line", "word"),
    [
        ("verdict.word", "broken", "proved", "red"),
        ("proof.evaluation.metric.drop", 0.0101, "metric", "amber"),
        ("proof.placement.kernels.1.macs", 92, "on-qnn", "red"),
        ("proof.placement.integer_mac_share", 0.89, "integers", "red"),
        ("proof.placement.kernels.2.provider", CPU, "one-partition", "green"),
        ("proof.context", None, "context", "red"),
        ("proof.context.exact", False, "context", "red"),
    ],
)
def test_each_line_hangs_on_its_own_figure(path: str, value: Any, line: str, word: str) -> None:
    assert _statuses(_record()) == GREEN
    assert _statuses(_spoil(_record(), path, value)) == {**GREEN, line: word}


def test_a_loss_is_red_where_its_whole_interval_is_beyond_the_limit() -> None:
    lost = _spoil(_record(), "proof.evaluation.metric.drop", 0.03)
    assert _statuses(lost)["metric"] == "amber"
    assert _statuses(_spoil(lost, "proof.evaluation.metric.drop_interval", [0.011, 0.05]))["metric"] == "red"
    assert _statuses(_spoil(lost, "proof.evaluation.metric.drop_interval", None))["metric"] == "red"
    assert _statuses(_spoil(_record(), "proof.evaluation.metric.drop", 0.915 - 0.905))["metric"] == "green"


def test_a_graph_in_pieces_is_seen() -> None:
    record = _record()
    record["proof"]["placement"]["kernels"].append(_kernel(QNN, 0, False))
    assert _statuses(record) == {**GREEN, "one-partition": "red"}
    assert partitions(record["proof"]["placement"], QNN) == 2


def test_what_is_asked_of_which_model_and_place() -> None:
    assert set(_statuses({**_record(), "model": "sentence_encoder"})) == {"proved", "metric", "on-qnn", "context"}
    assert set(_statuses({**_record(), "place": "openvino-cpu"})) == {"proved", "metric"}
    assert _statuses({**_record(), "place": "xnnpack-arm64"})["on-xnnpack"] == "red"  # its provider is not there


@pytest.mark.parametrize(("key", "word"), [("error", "red"), ("absent", "unknown")])
def test_a_place_that_is_missing(key: str, word: str) -> None:
    record = {name: _record()[name] for name in ("model", "target", "scheme", "place")}
    (line,) = judge({**record, key: "it is not installed"})
    assert (line.name, line.status) == ("proved", word)
    assert line.text == "snapdragon-8-gen-3 a8w8 on qnn-htp: it is not installed"


def test_the_row() -> None:
    placement = _record()["proof"]["placement"]
    assert (provider_share(placement, QNN), provider_share(placement, QNN, integer=True)) == (0.98, 0.96)
    row = [cell.strip() for cell in places_table([_record()]).splitlines()[2].strip("|").split("|")]
    assert row == [
        "kws_dscnn", "snapdragon-8-gen-3", "a8w8", "qnn-htp", "1.31.1", "top1", "0.9000", "0.8950", "400", "2.50",
        "75.00%", "98.0% QNN", "1", "96.0%", "the backend's graph",
    ]  # fmt: skip


def test_sentences_are_padded_and_their_mask_says_so() -> None:
    ids = np.array([[101, 7, 102]])
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    encoder = MODELS["sentence_encoder"]
    (step,) = padded(encoder, (feeds,))
    assert fixed_shapes((step,)) == dict.fromkeys(feeds, (1, TOKENS))
    assert step["attention_mask"].sum() == 3
    assert step["input_ids"][0, :3].tolist() == [101, 7, 102]
    assert not step["input_ids"][0, 3:].any()
    with pytest.raises(ValueError, match="a sample has 65 tokens, and 64 are compiled for"):
        padded(encoder, ({"input_ids": np.ones((1, 65), np.int64)},))


def test_images_are_what_they_are() -> None:
    image = np.ones((1, 3, 4, 4), np.float32)
    (step,) = padded(MODELS["mobilenetv2_100"], ({"input": image},))
    assert step["input"] is image
