"""`edgec compare` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Edgec = Callable[..., Any]
WORDS = ("compare", "model.onnx", "out", "--calibration", "calib.npz")


@pytest.mark.usefixtures("folder")
def test_values_stand_by_depth(edgec: Edgec) -> None:
    answer = edgec(*WORDS)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("reference  model.onnx\ncompared   out\nsamples    8\n")
    depths = [int(line.split()[0]) for line in answer.out.splitlines() if line[:1].isdigit()]
    assert depths == sorted(depths)
    assert "is fused: only 'positive' behind it is kept" in answer.out


@pytest.mark.usefixtures("folder")
def test_the_worst_stand_first_and_some_are_left_out(edgec: Edgec) -> None:
    answer = edgec(*WORDS, "--worst", "--top", "2", "--samples", "3")
    assert answer.code == 0
    assert "Values, the worst first\n" in answer.out
    assert "more values not shown\n" in answer.out
    assert len([line for line in answer.out.splitlines() if " dB " in line]) == 2


@pytest.mark.usefixtures("folder")
def test_json(edgec: Edgec) -> None:
    values = json.loads(edgec(*WORDS, "--format", "json").out)
    assert (values["a"], values["b"], values["samples"]) == ("model.onnx", "out", 8)
    assert {"name", "other", "op", "depth", "by", "sqnr_db", "cosine", "clipped"} <= values["values"][0].keys()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("compare", "model.onnx", "out"),
            "edgec: error: --calibration: is missing. Name the samples to run with --calibration or --evaluation.\n",
        ),
        (
            ("compare", "model.onnx", "absent", "--calibration", "calib.npz"),
            "edgec: error: absent: does not exist. Check the path.\n",
        ),
        ((*WORDS, "--top", "0"), "edgec: error: --top: 0 is not a positive number. Give at least 1.\n"),
    ],
)
def test_bad_words_end_in_2(words: tuple[str, ...], message: str, edgec: Edgec) -> None:
    answer = edgec(*words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == message


def test_a_folder_that_is_no_bundle(folder: Path, edgec: Edgec) -> None:
    (folder / "empty").mkdir()
    answer = edgec("compare", "model.onnx", "empty", "--calibration", "calib.npz")
    assert answer.code == 2
    assert answer.err == (
        "edgec: error: empty: is not a bundle: manifest.json is missing. "
        "Give the folder that `edgec compile -o` wrote.\n"
    )
