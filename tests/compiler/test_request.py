"""Requests from what a library user writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgec.compiler.request import CompileRequest


@pytest.mark.parametrize("name", ["output", "merge_adapter", "cache_dir", "recipe"])
def test_a_path_may_be_a_string(name: str) -> None:
    assert getattr(CompileRequest.of("model.onnx", {name: "some/where"}), name) == Path("some/where")
