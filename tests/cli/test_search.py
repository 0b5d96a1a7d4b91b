"""`edgec search`: what it prints and writes, how it exits."""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgec.compiler.exploring import dispatch
from edgec.compiler.exploring.trial import Trial, Tried, run_trial
from edgec.targets.policy import SCHEMES

Edgec = Callable[..., Any]
SEARCH = """
[model]
path = "model.onnx"
name = "faces"
[calibration]
path = "calib.npz"
[evaluation]
path = "eval.npz"
[contract]
sqnr = "5dB"
[search]
by = ["accuracy", "size"]
[search.recipes.int8]
scheme = "a8w8"
[search.recipes.stored]
scheme = "w8"
"""


@pytest.fixture
def project(folder: Path) -> Path:
    (folder / "edgec.toml").write_text(SEARCH, encoding="utf-8")
    return folder


def test_a_row_a_candidate_and_the_point_to_take(project: Path, edgec: Edgec) -> None:
    answer = edgec("search", "-j", "1")
    assert answer.code == 0, answer.err
    rows = [line.split() for line in answer.out.splitlines()]
    assert rows[0] == ["candidate", "accuracy", "size", "against", "float", "contract", "standing"]
    assert {row[0] for row in rows[1:3]} == {"faces/int8", "faces/stored"}
    _, _, below = answer.out.partition("\nRecommended\n")
    assert [line.split()[0] for line in below.splitlines() if line and not line.startswith(" ")] == [
        "point", "because", "bundle", "verdict",
    ]  # fmt: skip
    assert "because  2 of 2 points keep the contract\n" in below
    assert answer.err.count("is done in") == 2
    again = edgec("search", "-j", "1", "--format", "json")
    said = json.loads(again.out)
    assert [(each["name"], each["cached"]) for each in said["candidates"]] == [
        ("faces/int8", True),
        ("faces/stored", True),
    ]
    assert again.err.count("is done, as before") == 2
    assert said == json.loads((project / "search/search.json").read_text(encoding="utf-8"))
    assert said["recommended"] in (project / "search/search.md").read_text(encoding="utf-8")
    assert said["bundle"] == str(project / "search/recommended")
    assert said["verdict"]["word"] == "proved"


def test_words_go_over_the_project(project: Path, edgec: Edgec) -> None:
    words = ("search", "model.onnx", "--recipe", "w8", "--by", "size", "--max-size", "0.1KB", "-o", "one", "-j", "1")
    answer = edgec(*words, "--format", "json")
    said = json.loads(answer.out)
    assert (answer.code, said["exit_code"], said["recommended"], said["nearest"]) == (15, 15, None, "work/w8")
    assert said["contract"] == {"sqnr": "5dB", "size": "0.1KB", "proof": "checked"}
    assert [each["id"] for each in said["objectives"]] == ["size"]
    assert not (project / "one/recommended").exists()
    text = edgec(*words).out
    assert "\nNot met\npoint    work/w8\n" in text
    assert "work/w8 misses it least: size is broken" in text


def test_one_that_fails_stands_with_its_error(project: Path, edgec: Edgec) -> None:
    answer = edgec("search", "--recipe", "w8", "--recipe", "a16w4,rounding=hqq", "-j", "1")
    assert answer.code == 0, answer.err
    assert "work/a16w4,rounding=hqq" not in answer.out  # the project names the model
    row = next(line for line in answer.out.splitlines() if line.startswith("faces/a16w4"))
    assert row.split() == ["faces/a16w4,rounding=hqq", "failed"]
    _, _, errors = answer.out.partition("\nErrors\n")
    assert errors.startswith("faces/a16w4,rounding=hqq: --rounding hqq: is for weights stored alone")


def test_where_all_fail_the_code_is_theirs(project: Path, edgec: Edgec) -> None:
    answer = edgec("search", "--recipe", "a16w4,rounding=hqq")
    assert answer.code == 2
    assert "because  no candidate could be compiled" in answer.out


def test_interrupted_what_was_tried_is_kept(project: Path, edgec: Edgec, monkeypatch: pytest.MonkeyPatch) -> None:
    def once(trial: Trial) -> Tried:
        if trial.candidate.recipe == "stored":
            raise KeyboardInterrupt
        return run_trial(trial)

    monkeypatch.setattr(dispatch, "run_trial", once)
    answer = edgec("search", "-j", "1")
    assert (answer.code, answer.err.splitlines()[-1]) == (130, "edgec: interrupted")
    monkeypatch.undo()
    monkeypatch.chdir(project)
    said = json.loads(edgec("search", "-j", "1", "--format", "json").out)
    assert [each["cached"] for each in said["candidates"]] == [True, False]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--by", "speed"),
            "--by speed: is nothing to compare by. Choose among accuracy, latency, size, memory, sqnr.",
        ),
        (("--by", "size,sizes"), "--by sizes: is nothing to compare by, did you mean 'size'? Choose among accuracy, "
         "latency, size, memory, sqnr."),
        (("--by", "size,size"), "--by size,size: names one twice. Name each once."),
        (("--recipe", "w8", "--recipe", "w8"), "--recipe w8: is there twice. Leave one of them out."),
        (
            ("--recipe", "w8,fast"),
            "--recipe w8,fast: 'fast' is no option. Write it like a8w8,rounding=gptq,search=false.",
        ),
        (
            ("--recipe", "w9"),
            f"--recipe w9: scheme: 'w9' is not one of {', '.join(SCHEMES)}. Choose one of them.",
        ),
        (
            ("--recipe", "w8,target=host"),
            "--recipe w8,target=host: target: is not of a recipe: what is compared is compared on one device. Name the "
            "device with --target, or in [compile].",
        ),
        (("--jobs", "0"), "--jobs: 0 is not a positive number. Give at least 1."),
        (
            ("model.onnx", "../work/model.onnx"),
            "MODEL work: is there twice. Name them apart under [search.models].",
        ),
        (("other.onnx", "model.onnx", "--by", "sqnr"), "--by sqnr: is against each model's own float, and says nothing "
         "of one model against another. Compare different models by accuracy."),
    ],
)  # fmt: skip
def test_mistakes(words: tuple[str, ...], message: str, project: Path, edgec: Edgec) -> None:
    answer = edgec("search", "-q", *words)
    assert (answer.code, answer.err) == (2, f"edgec: error: {message}\n")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[search]\nrecipe = 3", "search.recipe: unknown key, did you mean 'recipes'? Keys here: by, models, recipes."),
        ("[search]\nrecipes = 3", "search.recipes: is not a table. Write it under [search.recipes.NAME]."),
        ("[search.recipes]\nw8 = 3", "search.recipes.w8: is not a table. Write it under [search.recipes.NAME]."),
        (
            '[search.recipes.w8]\ntarget = "host"',
            "search.recipes.w8.target: is not of a recipe: what is compared is compared on one device. Name the device "
            "with --target, or in [compile].",
        ),
        ("[search.models]\na = 3", "search.models.a: is an integer, a string is needed. Write a string."),
    ],
)
def test_mistakes_in_the_project(table: str, message: str, folder: Path, edgec: Edgec) -> None:
    (folder / "edgec.toml").write_text(table, encoding="utf-8")
    answer = edgec("search", "-q")
    assert (answer.code, answer.err) == (2, f"edgec: error: edgec.toml: {message}\n")


def test_without_a_model(folder: Path, edgec: Edgec) -> None:
    answer = edgec("search", "--recipe", "w8")
    assert (answer.code, answer.err) == (
        2, "edgec: error: MODEL: is missing. Name the models to compare, or write them under [search.models].\n"
    )  # fmt: skip


def test_without_dask(project: Path, edgec: Edgec, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *more: Any, **named: Any) -> Any:
        if name == "distributed":
            raise ImportError(name)
        return real(name, *more, **named)

    for module in [name for name in sys.modules if name.partition(".")[0] == "distributed"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", absent)
    answer = edgec("search", "-q", "--dask", "tcp://here:8786")
    assert (answer.code, answer.err) == (
        2, "edgec: error: --dask: needs the package 'distributed', which is not installed. Install it with: "
        'pip install "edgec[dask]"\n',
    )  # fmt: skip
