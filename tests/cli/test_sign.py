"""`edgec sign`, `edgec verify`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography")


def test_from_a_new_key_to_a_verified_bundle(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("sign", "out", "--new-key", "release.pem")
    assert answer.code == 0, answer.err
    first, second = answer.out.splitlines()
    assert first == "wrote release.pem and release.pem.pub"
    assert second.startswith(f"signed payload of {folder}/out by key ")
    key = second.rpartition(" ")[2]
    answer = edgec("verify", "out", "--key", "release.pem.pub")
    assert answer.code == 0, answer.err
    rows = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert rows[0] == f"bundle {folder}/out"
    assert rows[2:] == [f"payload whole, signed by key {key}", "proof whole, not signed"]
    found = json.loads(edgec("verify", "out", "--format", "json").out)
    assert (found["payload_key"], found["proof_key"], found["trusted"]) == (key, None, False)
    assert "not compared with a key of yours: give --key" in edgec("verify", "out").out


def test_an_altered_bundle_ends_in_2(folder: Path, edgec: Callable[..., Any]) -> None:
    edgec("sign", "out", "--new-key", "release.pem")
    (folder / "out" / "recipe.lock").write_text("{}", encoding="utf-8")
    answer = edgec("verify", "out")
    assert (answer.code, answer.err) == (
        2,
        f"edgec: error: {folder}/out/recipe.lock: does not have the sha256 of the manifest. "
        "Compile the bundle again.\n",
    )


def test_nothing_to_sign(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("sign")
    assert (answer.code, answer.err) == (
        2, "edgec: error: BUNDLE: is missing. Name the bundle, or make a key with --new-key.\n",
    )  # fmt: skip
