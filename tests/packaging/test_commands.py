"""What the documents tell a reader to type works.

`edgec` commands, Python and TOML are run on the shipped example, which also stands in for `model.onnx` and its samples;
other commands must exist.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.checkpoints import write_checkpoint
from support.decoders import tiny_config, tiny_weights
from support.lowrank import write_peft
from support.speech import small_config, small_weights, write_whisper

from edgec.compiler.project import Project

DOCUMENTS = (
    "README.md", "CONTRIBUTING.md", "docs/language-models.md",
    "docs/pytorch.md", "docs/pruning.md", "docs/search.md",
    "examples/digits/README.md",
)  # fmt: skip
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
# Documents whose commands take PyTorch.
TORCH = ("docs/pytorch.md",)


def blocks(text: str, language: str) -> list[str]:
    """The bodies of a document's fenced blocks in one language."""
    return [match["body"] for match in BLOCK.finditer(text) if match["language"] == language]


def commands(text: str) -> list[list[str]]:
    """The commands of a document's sh blocks, split as a shell would; continued lines joined, comments gone."""
    lines = "".join(blocks(text, "sh")).replace("\\\n", " ").splitlines()
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


@pytest.fixture
def desk(digits: Path, tmp_path: Path) -> Path:
    """A folder where the documents' commands find what they name."""
    shutil.copytree(digits, tmp_path / "examples" / "digits", ignore=shutil.ignore_patterns("out", "__pycache__"))
    for file, name in (("digits.onnx", "model.onnx"), ("calibration.npz", "calib.npz"), ("evaluation.npz", "eval.npz")):
        shutil.copy(digits / file, tmp_path / name)
    with np.load(digits / "evaluation.npz") as samples:
        np.savez(tmp_path / "feeds.npz", image=samples["image"][:2])
        bytes_ = np.rint(samples["image"] * 255).astype(np.uint8).transpose(0, 2, 3, 1)
        np.savez(tmp_path / "photos.npz", image=bytes_[:60], label=samples["label"][:60])
        np.savez(tmp_path / "more-photos.npz", image=bytes_[60:], label=samples["label"][60:])
    _language_model(tmp_path)
    if importlib.util.find_spec("torch"):
        _torch_module(tmp_path)
    return tmp_path


_NET = """
import sys
sys.path.insert(0, {tests!r})
import torch
from support.torch_models import DigitsCnn, seeded

def build():
    return seeded(DigitsCnn())

def with_example():
    return build(), torch.zeros(1, 1, 24, 24)
"""


def _torch_module(desk: Path) -> None:
    """Code that builds a network of random weights, its state dict, and the same as a program."""
    (desk / "net.py").write_text(_NET.format(tests=str(Path(__file__).parents[1])), encoding="utf-8")
    save = (
        "import net, torch; module, image = net.with_example(); torch.save(module.state_dict(), 'weights.pth'); "
        "torch.export.save(torch.export.export(module, (image,)), 'model.pt2')"
    )
    subprocess.run([sys.executable, "-c", save], cwd=desk, check=True, capture_output=True)


def _language_model(desk: Path) -> None:
    """A checkpoint of random weights, two texts in its words, and an adapter."""
    config, rng = tiny_config(), np.random.default_rng(0)
    write_checkpoint(desk / "checkpoint", config, tiny_weights(config))
    heard = small_config()
    write_whisper(desk / "whisper", heard, small_weights(heard))
    features = np.random.default_rng(0).standard_normal((4, heard.mels, 2 * heard.frames)).astype(np.float32)
    np.savez(desk / "speech.npz", audio_features=features, input_ids=np.arange(40).reshape(4, 10) % heard.vocabulary)
    for name in ("story.txt", "more-stories.txt"):
        (desk / name).write_text(" ".join(f"w{token}" for token in rng.integers(3, config.vocabulary, 300)))
    shapes = ((2, config.hidden), (config.heads * config.head_size, 2))
    down, up = ((0.1 * rng.standard_normal(shape)).astype(np.float32) for shape in shapes)
    write_peft(desk / "peft-law", {"model.layers.0.self_attn.q_proj": (down, up)})


@pytest.mark.parametrize(
    "document", [pytest.param(each, marks=pytest.mark.torch if each in TORCH else ()) for each in DOCUMENTS]
)
def test_edgec_commands_run(document: str, repository: Path, desk: Path) -> None:
    """In the document's order, in one folder, its project there from the start.

    What would fetch says only what it would, and its runtimes are absent.
    """
    if document in TORCH:
        pytest.importorskip("torch", reason="needs edgec[torch]")
    for body in blocks((repository / document).read_text(encoding="utf-8"), "toml"):
        if "[model]" in body or "[search]" in body:
            (desk / "edgec.toml").write_text(body, encoding="utf-8")
    found = [words for words in commands((repository / document).read_text(encoding="utf-8")) if words[0] == "edgec"]
    for words in found:
        planned = ["--dry-run"] if words[1:3] == ["runtime", "install"] else []
        done = run(["-m", *words, *planned], desk)
        absent = "--on" in words and done.returncode == 3 and "it is not installed" in done.stderr
        said = f"{shlex.join(words)} ended in {done.returncode}:\n{done.stdout}{done.stderr}"
        assert done.returncode == 0 or absent, said


@pytest.mark.parametrize("document", ["README.md", "docs/search.md"])
def test_python_of_a_document_runs(document: str, repository: Path, desk: Path) -> None:
    given = "import numpy\nimage = numpy.load('feeds.npz')['image']\n"
    found = blocks((repository / document).read_text(encoding="utf-8"), "python")
    assert found
    for body in found:
        done = run(["-c", given + body], desk)
        assert done.returncode == 0, f"{body}\n{done.stderr}"


def test_toml_of_the_readme_is_a_project_file(repository: Path, desk: Path) -> None:
    found = blocks((repository / "README.md").read_text(encoding="utf-8"), "toml")
    assert found
    for body in found:
        (desk / "edgec.toml").write_text(body, encoding="utf-8")
        assert Project.load(desk / "edgec.toml").contract.clauses


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False
    )


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
