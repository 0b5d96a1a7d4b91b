"""Errors as JSON, our own defects with a file to report, full memory."""

from __future__ import annotations

import errno
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgec.errors import InternalError

Edgec = Callable[..., Any]


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*args: object, **options: object) -> None:
        raise error

    return fail


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.mark.usefixtures("folder")
def test_an_error_is_json_too(edgec: Edgec) -> None:
    answer = edgec("compile", "model.onnx", "-o", "new", "--samples", "0", "--format", "json")
    message = "--samples: 0 is not a positive number. Give at least 1."
    assert (answer.code, answer.err) == (2, f"edgec: error: {message}\n")
    assert json.loads(answer.out) == {
        "error": {
            "kind": "OptionError",
            "message": message,
            "where": "--samples",
            "problem": "0 is not a positive number",
            "affects": "",
            "remedy": "Give at least 1",
            "exit_code": 2,
        }
    }


def test_a_usage_error_is_json_too(edgec: Edgec) -> None:
    answer = edgec("compile", "--nonsense", "--format=json")
    error = json.loads(answer.out)["error"]
    assert (answer.code, error["kind"], error["exit_code"]) == (2, "UsageError", 2)
    assert answer.err == f"edgec: error: {error['message']}\n"
    assert error["message"].endswith(" Try: edgec compile --help")


@pytest.mark.usefixtures("folder")
def test_a_defect_of_ours_names_a_file_to_report(edgec: Edgec, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgec.compiler.inspect.inspect_model", failing(RuntimeError("two\nlines")))
    answer = edgec("inspect", "model.onnx")
    (file,) = scratch.iterdir()
    report = f"This is a defect of edgec: report it with {file}."
    assert (answer.code, answer.out) == (4, "")
    assert answer.err == f"edgec: error: edgec: failed with RuntimeError: two lines. {report}\n"
    text = file.read_text(encoding="utf-8")
    assert "command: edgec 'inspect' 'model.onnx'" in text
    assert "RuntimeError: two\nlines" in text
    assert "Traceback" in text


@pytest.mark.usefixtures("folder")
def test_an_internal_error_keeps_its_words(edgec: Edgec, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = InternalError("pass 3 FuseConvBn", "left an invalid model", remedy="Report it with the model")
    monkeypatch.setattr("edgec.compiler.inspect.inspect_model", failing(error))
    answer = edgec("inspect", "model.onnx")
    (file,) = scratch.iterdir()
    words = "pass 3 FuseConvBn: left an invalid model. Report it with the model."
    assert answer.err == f"edgec: error: {words} This is a defect of edgec: report it with {file}.\n"
    assert answer.code == 4


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            MemoryError(),
            "memory: this machine has too little for the job. Close other programs, or compile on a machine with more "
            "memory.",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/x/y"),
            "/x/y: cannot be written: No space left on device. Free some space, or name another temporary folder "
            "with TMPDIR.",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "secret.onnx"),
            "secret.onnx: cannot be used: Permission denied. Check the path and its permissions, or give another.",
        ),
    ],
    ids=["memory", "temporary disk", "permission"],
)
def test_what_the_machine_lacks_is_no_defect(
    error: Exception, message: str, edgec: Edgec, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgec.compiler.inspect.inspect_model", failing(error))
    answer = edgec("inspect", "model.onnx")
    assert (answer.code, answer.out, answer.err) == (2, "", f"edgec: error: {message}\n")
    assert not list(scratch.iterdir())
