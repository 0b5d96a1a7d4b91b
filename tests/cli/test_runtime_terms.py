"""`edgec runtime install` of what comes under a vendor's licence: named, refused, left out of --all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgec.runtimes.places import places

Edgec = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEC_RUNTIMES", str(tmp_path / "runtimes"))
    monkeypatch.delenv("EDGEC_ACCEPT_LICENSES", raising=False)
    if reason := places()["qnn-htp"].impossible():
        pytest.skip(reason)
    return tmp_path / "runtimes"


def test_it_is_named_and_refused(edgec: Edgec, home: Path) -> None:
    found = edgec("runtime", "install", "qnn-htp")
    assert found.code == 2
    assert "Qualcomm AI Stack License: to develop" in found.err
    assert f"Its text: {home}" in found.err
    last = found.err.splitlines()[-1]
    assert "comes under the Qualcomm AI Stack License, which is not accepted" in last
    assert last.endswith("then accept it: --accept-license qnn, or EDGEC_ACCEPT_LICENSES=qnn.")
    assert not home.exists()


def test_a_dry_run_names_it(edgec: Edgec) -> None:
    found = edgec("runtime", "install", "qnn-htp", "--dry-run")
    assert found.code == 0
    assert "Qualcomm AI Stack License" in found.out


@pytest.mark.parametrize("accepted", [True, False])
def test_all_leaves_it_out_unless_it_is_accepted(edgec: Edgec, accepted: bool) -> None:
    words = ("--accept-license", "qnn") if accepted else ()
    found = edgec("runtime", "install", "--all", "--dry-run", "--format", "json", *words)
    names = [each["name"] for each in json.loads(found.out)["fetch"]]
    assert any(name.startswith("qnn-") for name in names) == accepted
