"""What docs/training.md tells a reader to write works, block after block, on the shipped example."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.checkpoints import write_checkpoint
from support.decoders import tiny_config, tiny_weights

pytest.importorskip("torch", reason="needs edgec[torch]")
pytest.importorskip("peft", reason="needs peft")

pytestmark = pytest.mark.torch

BLOCK = re.compile(r"^```(?P<language>python|sh)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_document_runs(repository: Path, digits: Path, tmp_path: Path) -> None:
    """Python blocks are one program; commands follow it, in the folder it leaves."""
    for file, name in (("digits.onnx", "model.onnx"), ("calibration.npz", "calib.npz"), ("evaluation.npz", "eval.npz")):
        shutil.copy(digits / file, tmp_path / name)
    config = tiny_config()
    write_checkpoint(tmp_path / "checkpoint", config, tiny_weights(config))
    found = list(BLOCK.finditer((repository / "docs" / "training.md").read_text(encoding="utf-8")))
    program = "\n".join(each["body"] for each in found if each["language"] == "python")
    lines = "".join(each["body"] for each in found if each["language"] == "sh").splitlines()
    assert program
    assert lines
    for arguments in (["-c", program], *(["-m", *shlex.split(line)] for line in lines)):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, f"{arguments[1]}\n{done.stderr}"
