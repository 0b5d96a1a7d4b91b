"""Options that make no difference are named; those that do are not, whatever value they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import edgec
from edgec.compiler.request import CompileRequest
from edgec.compiler.unread import unread
from edgec.targets import find_target
from edgec.targets.policy import Policy


def said(scheme: str, target: str = "x86-64-vnni", **options: Any) -> list[str]:
    request = CompileRequest(model="model.onnx", policy=Policy(**options))
    return [note.split(":")[0] for note in unread(request, find_target(target), scheme)]


@pytest.mark.parametrize(
    ("scheme", "options", "named"),
    [
        ("nf4", {"zero_points": True}, ["--zero-points"]),
        ("nf4", {"block_size": 48}, []),
        ("nf4", {"block_size": 64}, []),  # the default of its own
        ("w8f", {"block_size": 32}, ["--block-size"]),
        ("w4", {"double_scales": True}, ["--double-scales"]),
        ("w4", {"weight_form": "folded"}, []),
        ("a8w8", {"weight_form": "packed", "long_inputs": True}, ["--weight-form"]),
        ("d8w8", {"rotate": True, "smooth": "auto"}, ["--rotate", "--smooth"]),
        ("w4", {"clip_weights": True, "recurrent": "dynamic"}, ["--clip-weights", "--recurrent"]),
        ("w4", {"rounding": "gptq", "in_turn": True}, []),
        ("w4", {"rounding": "hqq"}, []),
        ("a8w8", {"clip_weights": True, "reduce_range": False, "calibration_method": "mse"}, []),
        ("float", {}, []),
    ],
)
def test_what_is_named(scheme: str, options: dict[str, Any], named: list[str]) -> None:
    assert said(scheme, **options) == named


def test_a_target_with_rounding_of_its_own_says_so() -> None:
    named = said("w4", "web-webgpu", rounding="gptq", zero_points=True, block_size=32)
    assert named == ["--rounding", "--zero-points"]


def test_a_recipe_stands_for_all_options(tmp_path: Path) -> None:
    request = CompileRequest(model="model.onnx", policy=Policy(zero_points=True), recipe=tmp_path)
    assert unread(request, find_target("host"), "nf4") == ()


def test_plan_and_bundle_tell(digits: Path, tmp_path: Path) -> None:
    options = {"scheme": "fp16", "zero_points": True, "target": "host"}
    note = "--zero-points: scheme fp16 on target host has no use for it"
    assert note in edgec.plan(digits / "digits.onnx", **options).notes
    bundle = edgec.compile(digits / "digits.onnx", output=tmp_path / "out", prove=False, **options)
    assert note in bundle.manifest["notes"]
