"""The guard within --max-memory: fewer samples at once, then none and a note."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights

import edgec
from edgec.bundle import read_manifest
from edgec.compiler.searching import guard_room
from edgec.compiler.searching.guard_room import threads_within

MB = 1_000_000


@pytest.fixture(autouse=True)
def small_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of 100 MB, whatever these tests run in."""
    monkeypatch.setattr(guard_room, "resident_bytes", lambda: 100 * MB)


def wide() -> ir.Model:
    """Two activations of 4 MB alive at once."""
    text = "g (float[1, 16, 256, 256] x) => (float[1, 16, 1, 1] y) { t = Conv(x, w) y = GlobalAveragePool(t) }"
    return model(text, w=weights(16, 16, 1, 1))


def test_without_a_limit_nothing_changes() -> None:
    assert threads_within(wide(), None, samples=8, threads=0) == (0, None)


def test_fewer_threads_where_memory_is_short() -> None:
    found = [threads_within(wide(), limit * MB, samples=8, threads=4)[0] for limit in range(100, 240, 5)]
    assert found == sorted(found)
    assert set(found) == {0, 1, 2, 3, 4}


def test_a_limit_that_holds_no_two_sessions_is_told_and_a_large_one_is_not(tmp_path: Path) -> None:
    source = wide()
    assert threads_within(source, 110 * MB, samples=8, threads=4) == (
        0,
        "accuracy was not searched: --max-memory 110MB does not hold float and a candidate at once, which take 125MB",
    )
    common = {"calibration": [feeds_of(source, seed=seed) for seed in range(4)], "prove": False, "scheme": "a8w8"}
    made = edgec.compile(source, output=tmp_path / "out", **common, max_memory=2**60)
    assert read_manifest(made.path / "manifest.json").get("notes", []) == []


def test_a_compile_under_a_limit_says_that_it_did_not_search(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = wide()
    monkeypatch.setattr(guard_room, "resident_bytes", lambda: 2**60)
    data = [feeds_of(source, seed=seed) for seed in range(4)]
    made = edgec.compile(source, calibration=data, prove=False, output=tmp_path / "out", max_memory=2**50)
    (note,) = made.manifest["notes"]
    assert note.startswith("accuracy was not searched: --max-memory 1125899907MB does not hold float and a candidate")
