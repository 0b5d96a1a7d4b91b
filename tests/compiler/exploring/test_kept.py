"""Failures that would be the same again are kept, others are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgec.compiler.exploring.kept import Failure, Kept
from edgec.errors import EdgecError, InternalError, MissingExtraError, ModelError, OptionError, OutputError


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (ModelError("m.onnx", "is none", remedy="Mend it"), True),
        (OptionError("--scheme", "is wrong", remedy="Change it"), True),
        (OutputError("out", "is full", remedy="Free some space"), False),
        (MissingExtraError("x", "tokenizers", "llm"), False),
        (InternalError("m", "failed", remedy="Report it"), False),
    ],
)
def test_what_lasts(error: EdgecError, kept: bool, tmp_path: Path) -> None:
    folder = Kept(folder=tmp_path / "trials")
    failure = Failure.of(error)
    folder.keep("ab12", failure)
    assert folder.find("ab12") == (failure if kept else None)
    assert (failure.message, failure.exit_code) == (str(error), error.exit_code)


@pytest.mark.parametrize("text", ["", "[]", '{"kind": 3}'])
def test_what_is_not_what_was_written_counts_for_nothing(text: str, tmp_path: Path) -> None:
    folder = Kept(folder=tmp_path)
    folder.keep("ab12", Failure.of(ModelError("m.onnx", "is none", remedy="Mend it")))
    (file,) = tmp_path.glob("failed/*.json")
    file.write_text(text, encoding="utf-8")
    assert folder.find("ab12") is None
    assert not file.exists()


def test_nothing_is_kept_of_a_trial_nobody_made(tmp_path: Path) -> None:
    assert Kept(folder=tmp_path / "none").find("ab12") is None
    assert not (tmp_path / "none").exists()
