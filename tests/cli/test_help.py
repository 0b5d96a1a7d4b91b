"""Help says what there is: commands, options in both spellings, the contract's flags, exit codes, examples."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import edgec as package
from edgec.compiler.clauses import CLAUSE_KINDS
from edgec.compiler.cli.app import run
from edgec.compiler.cli.argv import normalised, wants_json
from edgec.compiler.cli.help import exit_code_rows

COMMANDS = ("compile", "search", "plan", "prove", "compare", "diagnose", "inspect", "run", "targets")
Edgec = Callable[..., Any]


def test_the_front_page_lists_commands_and_exit_codes(edgec: Edgec) -> None:
    page = edgec("--help").out
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", page, re.MULTILINE)
    codes = re.findall(r"^  (\d+) ", page.partition("Exit codes:")[2], re.MULTILINE)
    wanted = {0, 1, 2, 3, 4, 5, 130} | {kind.exit_code for kind in CLAUSE_KINDS.values()}
    assert [int(code) for code in codes] == sorted(wanted)
    assert edgec().out == edgec("-h").out == page


def test_every_clause_has_a_code_of_its_own() -> None:
    codes = [code for code, _ in exit_code_rows()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_examples_of_itself(command: str, edgec: Edgec) -> None:
    page = edgec(command, "--help").out
    examples = page.partition("\nExamples:\n")[2].splitlines()
    assert examples
    assert all(line.startswith(f"  edgec {command}") for line in examples)


@pytest.mark.parametrize("command", ["compile", "search", "plan", "prove"])
def test_every_clause_has_its_flag(command: str, edgec: Edgec) -> None:
    page = edgec(command, "--help").out
    for kind in CLAUSE_KINDS.values():
        assert not kind.flag or f"  {kind.flag} {kind.example} " in page


def test_options_stand_in_sections(edgec: Edgec) -> None:
    page = edgec("compile", "--help").out
    sections = re.findall(r"^(\w.*):$", page, re.MULTILINE)
    assert sections == [
        "Arguments", "Model", "Samples", "Quantization", "Pruning", "Contract (limits carry their unit)", "Output",
        "Passes", "Talk", "Other", "Examples",
    ]  # fmt: skip


def test_the_version(edgec: Edgec) -> None:
    assert edgec("--version").out == f"edgec {package.__version__}\n"


@pytest.mark.parametrize(
    ("words", "same"),
    [
        (["--per_channel"], ["--per-channel"]),
        (["--shape=my_input=1,3"], ["--shape=my_input=1,3"]),
        (["--op_types_to_quantize=Conv_"], ["--op-types-to-quantize=Conv_"]),
        (["-o", "my_out", "my_model.onnx"], ["-o", "my_out", "my_model.onnx"]),
        (["--dry_run", "--", "--my_model"], ["--dry-run", "--", "--my_model"]),
    ],
)
def test_underscores_in_names_of_options_are_dashes(words: list[str], same: list[str]) -> None:
    assert normalised(words) == same


@pytest.mark.parametrize(
    ("words", "wanted"),
    [(["--format", "json"], True), (["--format=json"], True), (["--format", "text"], False), (["json"], False)],
)
def test_json_is_known_before_parsing(words: list[str], wanted: bool) -> None:
    assert wants_json(words) is wanted


def test_the_command_line_ends_its_process_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgec.compiler.cli import app

    monkeypatch.setattr("sys.argv", ["edgec", "nonsense"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == run(["nonsense"]) == 2
