"""`edgec prove --on`: one place gives a verdict as always, several a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ELSEWHERE = f"python:{sys.executable}"
PROVE = ("prove", "out", "--evaluation", "eval.npz", "--model", "model.onnx", "--threads", "1", "--latency-runs", "1")


def test_one_place_gives_its_verdict(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec(*PROVE, "--on", ELSEWHERE)
    assert answer.code == 0, answer.err
    assert "verdict: proved" in answer.out
    assert "identical to this machine's" in answer.out
    assert json.loads((folder / "out/proof/proof.json").read_text())["runtime"] == ELSEWHERE


def test_several_places_give_a_table(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec(*PROVE, "--on", f"host,{ELSEWHERE}")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert " ".join(lines[0].split()) == "place verdict metric drop max steps equal integer MACs on provider"
    assert [line.split()[:2] for line in lines[1:3]] == [["host", "proved"], [ELSEWHERE, "proved"]]
    assert "(reference)" in lines[1]


def test_several_places_as_json(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec(*PROVE, "--on", f"host,{ELSEWHERE}", "--format", "json")
    found = json.loads(answer.out)
    assert (answer.code, found["exit_code"], found["path"]) == (0, 0, str(folder / "out"))
    assert [place["place"] for place in found["places"]] == ["host", ELSEWHERE]


def test_a_broken_clause_is_shown_for_its_place(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec(*PROVE, "--min-sqnr", "200dB", "--on", f"host,{ELSEWHERE}")
    assert answer.code not in (0, 1, 2)
    assert answer.out.count("verdict: broken; broken: sqnr") == 2


def test_a_place_that_is_missing_ends_in_3(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec(*PROVE, "--on", "python:/nowhere")
    assert answer.code == 3
    assert answer.err == (
        "edgec: error: runtime 'python:/nowhere': is not available here: /nowhere is no program. "
        "See `edgec runtime list`.\n"
    )


@pytest.mark.parametrize(("word", "probe"), [("--probe", True), ("--no-probe", False)])
@pytest.mark.parametrize("command", ["prove", "places", "compile"])
def test_what_ran_off_the_provider_is_tried_unless_told_otherwise(
    command: str, word: str, probe: bool, folder: Path, edgec: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def off_wanted(*given: object, probe: bool, **options: object) -> tuple[()]:
        asked.append(probe)
        return ()

    monkeypatch.setattr("edgec.compiler.proving.measure.off_wanted", off_wanted)
    lines = {
        "prove": PROVE,
        "places": (*PROVE, "--on", f"host,{ELSEWHERE}"),
        "compile": ("compile", "model.onnx", "--calibration", "calib.npz", "--no-diagnose", "-o", "new"),
    }
    answer = edgec(*lines[command], word)
    assert answer.code in (0, 5), answer.err
    assert asked == [probe] * (2 if command == "places" else 1)
