"""Calibration data against evaluation data: a biased set is named, a fair split is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import model, weights
from support.recipes import compiled

import edgec
from edgec.compiler import build
from edgec.compiler import coverage as coverage_module
from edgec.compiler.coverage import Coverage, ValueCoverage, coverage, outside, shift
from edgec.compiler.observe import observe
from edgec.compiler.observing import segments, slices
from edgec.compiler.observing.segments import observe_any
from edgec.compiler.samples import open_samples
from edgec.compiler.signature import inputs_of
from edgec.passes.observe.statistics import Histogram


def net() -> ir.Model:
    return model(
        """g (float[N,3,8,8] image, float[N,4] side) => (float[N,5] y) {
            c = Conv<pads=[1,1,1,1]>(image, w)
            r = Relu(c)
            p = GlobalAveragePool(r)
            f = Flatten(p)
            s = MatMul(side, u)
            a = Add(f, s)
            y = MatMul(a, v)
        }""",
        w=weights(4, 3, 3, 3),
        u=weights(4, 4, seed=1),
        v=weights(4, 5, seed=2),
    )


def feeds(count: int, *, seed: int, bright: float = 0.0, gain: float = 1.0) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "image": (gain * rng.standard_normal((1, 3, 8, 8)) + bright).astype(np.float32),
            "side": rng.standard_normal((1, 4)).astype(np.float32),
        }
        for _ in range(count)
    ]


def compared(calibration: list[dict[str, np.ndarray]], evaluation: list[dict[str, np.ndarray]]) -> Coverage:
    source = net()
    decided = compiled(source, "a8w8", calibration)
    before, after = (
        open_samples(each, inputs_of(source), role=role)
        for each, role in ((calibration, "calibration"), (evaluation, "evaluation"))
    )
    return coverage(source, decided, before, after, threads=1)


@pytest.mark.parametrize("seed", range(4))
def test_a_fair_split_is_no_mismatch(seed: int) -> None:
    found = compared(feeds(48, seed=seed), feeds(100, seed=100 + seed))
    assert {each.name for each in found.values} >= {"image", "side"}
    assert found.worst == ()
    assert found.warning() is None


@pytest.mark.parametrize("seed", range(4))
def test_another_exposure_is_named_with_its_input(seed: int) -> None:
    found = compared(feeds(48, seed=seed), feeds(48, seed=100 + seed, bright=2.0))
    assert found.worst[0].name == "image"
    assert found.worst[0].shift > 0.5
    assert "side" not in {each.name for each in found.worst}
    warning = found.warning()
    assert warning is not None
    assert warning.startswith("calibration samples do not stand for the evaluation samples: input 'image' (")


def test_what_lies_outside_the_ranges_is_clipped_and_not_covered() -> None:
    found = {each.name: each for each in compared(feeds(48, seed=0), feeds(48, seed=1, gain=5.0)).values}
    assert found["image"].clipped > 0.2
    assert found["image"].clipped_before < 0.01
    assert found["image"].covered < 0.6
    assert found["image"].mismatched
    assert not found["side"].mismatched


def test_the_warning_names_three_and_counts_the_rest() -> None:
    values = tuple(
        ValueCoverage(
            name=f"v{k}",
            reader=f"n{k}",
            is_input=k == 3,
            covered=0.5,
            clipped=0.1,
            clipped_before=0.0,
            shift=0.1 * k,
            mismatched=k != 0,
        )
        for k in range(5)
    )
    assert Coverage(values=values).warning() == (
        "calibration samples do not stand for the evaluation samples: "
        "input 'v3' (n3): shift 0.30, 10.0% clipped against 0.0%, 50% of its range covered; "
        "value 'v4' (n4): shift 0.40, 10.0% clipped against 0.0%, 50% of its range covered; "
        "value 'v2' (n2): shift 0.20, 10.0% clipped against 0.0%, 50% of its range covered; and 1 more"
    )
    assert [each["name"] for each in Coverage(values=values).to_json()["mismatched"]] == ["v3", "v4", "v2", "v1"]


def histogram(x: np.ndarray, edges: np.ndarray) -> Histogram:
    return Histogram(edges=edges, counts=np.histogram(x, edges)[0])


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 1000), st.floats(-4, 4))
def test_shift_is_the_largest_distance_of_the_cumulative_distributions(seed: int, by: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-5, 6, 400), rng.integers(-5, 6, 300) + round(by)
    edges = np.arange(-12, 13) - 0.5
    expected = max(abs((x <= t).mean() - (y <= t).mean()) for t in range(-12, 12))
    assert shift(histogram(x, edges), histogram(y, edges)) == pytest.approx(expected, abs=1e-9)
    assert shift(histogram(x, edges), histogram(x, edges)) == 0.0


def test_outside_counts_whole_bins() -> None:
    found = Histogram(edges=np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), counts=np.array([1, 2, 3, 4]))
    assert outside(found, -0.5, 0.5) == pytest.approx(0.5)
    assert outside(found, -3.0, 3.0) == 0.0


def test_the_verdict_names_a_biased_calibration_set(tmp_path: Path) -> None:
    made = edgec.compile(
        net(), calibration=feeds(40, seed=0, bright=3.0), evaluation=feeds(40, seed=1), output=tmp_path / "biased"
    )
    notes = json.loads((made.proof / "proof.json").read_text(encoding="utf-8"))["notes"]
    assert [note for note in notes if note.startswith("calibration samples do not stand for")]
    table = json.loads((made.proof / "coverage.json").read_text(encoding="utf-8"))
    assert table["mismatched"][0]["name"] == "image"


def test_the_verdict_is_silent_about_a_fair_split(tmp_path: Path) -> None:
    made = edgec.compile(net(), calibration=feeds(80, seed=0), output=tmp_path / "fair")
    notes = json.loads((made.proof / "proof.json").read_text(encoding="utf-8"))["notes"]
    assert not [note for note in notes if note.startswith("calibration samples do not stand for")]


def notes_of(made: edgec.Bundle) -> list[str]:
    notes: list[str] = json.loads((made.proof / "proof.json").read_text(encoding="utf-8"))["notes"]
    return notes


def test_a_model_of_many_weights_is_compared_in_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same samples the same is found, and no part holds the weights of another."""
    sets = feeds(16, seed=0, bright=3.0), feeds(16, seed=1)
    whole = compared(*sets)
    held = []

    def watched(model: ir.Model, *arguments: Any, **options: Any) -> Any:
        held.append(list(model.graph.initializers))
        return observe(model, *arguments, **options)

    monkeypatch.setattr(coverage_module, "SEGMENT_ABOVE", 0)
    monkeypatch.setattr(segments, "SEGMENT_ABOVE", 0)
    monkeypatch.setattr(segments, "_SEGMENT_BYTES", 64)
    decided = compiled(net(), "a8w8", sets[0])
    monkeypatch.setattr(segments, "observe", watched)
    before, after = (open_samples(each, inputs_of(net()), role="calibration") for each in sets)
    assert coverage(net(), decided, before, after, threads=1) == whole
    assert held == 2 * [["w"], ["u"]]  # nothing is decided of what the last product writes


@pytest.mark.parametrize("more", [0, 40])
def test_a_limit_on_memory_is_kept_or_the_verdict_says_that_nothing_was_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: int
) -> None:
    monkeypatch.setattr(slices, "resident_bytes", lambda: 100_000_000)
    sizes = []

    def remembered(*arguments: Any, **options: Any) -> Any:
        sizes.append(options["max_memory"])
        # Calibrating fits; the comparison finds a process that has grown.
        options["max_memory"] = None if len(sizes) == 1 else options["max_memory"] + more * 1_000_000
        return observe_any(*arguments, **options)

    monkeypatch.setattr(build, "observe_any", remembered)
    monkeypatch.setattr(coverage_module, "observe_any", remembered)
    made = edgec.compile(
        net(),
        calibration=feeds(40, seed=0, bright=3.0),
        evaluation=feeds(40, seed=1),
        search=False,
        max_memory=101_000_000,
        output=tmp_path / "out",
    )
    assert set(sizes) == {101_000_000}
    said = [note for note in notes_of(made) if note.startswith("calibration samples")]
    if more:
        assert said[0].startswith("calibration samples do not stand for the evaluation samples: input 'image' (")
        assert (made.proof / "coverage.json").is_file()
    else:
        assert said == [
            "calibration samples were not compared with the evaluation samples: --max-memory: 101MB do not hold one "
            "statistic of one batch. This process holds 100MB before anything is observed. Give at least 128MB."
        ]
        assert not (made.proof / "coverage.json").exists()
