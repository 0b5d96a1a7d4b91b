"""Commands in the documents work: `edgec` lines are run on the shipped example, the others must exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "examples/digits/README.md")
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The commands of a document's ```sh blocks, split as a shell would; continued lines joined, comments gone."""
    bodies = [match["body"] for match in BLOCK.finditer(text) if match["language"] == "sh"]
    lines = "".join(bodies).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def complaint(words: list[str], repository: Path) -> str | None:
    """Why a command that is not run cannot work; None where it can."""
    match words:
        case ["make", *targets]:
            known = re.findall(r"^([a-z][a-z-]*):", (repository / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            unknown = [target for target in targets if "=" not in target and target not in known]
            return f"no such target of make: {', '.join(unknown)}" if unknown else None
        case [python, "-m", module, *_] if _is_python(python):
            return None if importlib.util.find_spec(module) else f"no such module: {module}"
        case [runner, script, *_] if _is_python(runner) or runner == "bash":
            return None if (repository / script).is_file() else f"no such file: {script}"
        case ["pip", "install", *_] | ["git", *_]:
            return None
    return "not a command this test knows"


def _is_python(word: str) -> bool:
    return Path(word).name in ("python", "python3")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_exist(document: str, repository: Path) -> None:
    found = commands((repository / document).read_text(encoding="utf-8"))
    assert found
    complaints = {shlex.join(words): complaint(words, repository) for words in found if words[0] != "edgec"}
    assert {command: why for command, why in complaints.items() if why} == {}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_edgec_commands_run(document: str, repository: Path, digits: Path, tmp_path: Path) -> None:
    """In the document's order, in one folder that holds the example as the repository does."""
    found = [words for words in commands((repository / document).read_text(encoding="utf-8")) if words[0] == "edgec"]
    shutil.copytree(digits, tmp_path / "examples" / "digits", ignore=shutil.ignore_patterns("out", "__pycache__"))
    for words in found:
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, f"{shlex.join(words)} ended in {done.returncode}:\n{done.stdout}{done.stderr}"


def test_the_reader_joins_lines_and_drops_comments() -> None:
    text = "```sh\nmake demo  # two minutes\nedgec compile a.onnx \\\n  -o 'my out'\n```\n```toml\nmake = 1\n```\n"
    assert commands(text) == [["make", "demo"], ["edgec", "compile", "a.onnx", "-o", "my out"]]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("make demo", None),
        ("make test PYTHON=python3.12", None),
        ("make nothing-of-the-kind", "no such target of make: nothing-of-the-kind"),
        ("python -m no_such_module", "no such module: no_such_module"),
        ("python examples/digits/no_such.py", "no such file: examples/digits/no_such.py"),
        ("rm -rf /", "not a command this test knows"),
    ],
)
def test_a_command_that_cannot_work_is_found(command: str, why: str | None, repository: Path) -> None:
    assert complaint(shlex.split(command), repository) == why
