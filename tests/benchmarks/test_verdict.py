"""The table's verdict: every line can be green, and each turns red when its own figure is spoiled, and only then."""

from __future__ import annotations

import copy
from typing import Any

import memory
import pytest
from table import accuracy_table, cost_table, lines_table
from verdict import judge, judge_all

Record = dict[str, Any]
SLOW = {"median": 1.06, "minimum": 1.06}


def _interval(estimate: float, half: float) -> Record:
    return {"estimate": estimate, "low": estimate - half, "high": estimate + half, "n": 500}


def _metric(value: float) -> Record:
    return {"name": "top1", "unit": "pt", "estimate": value, "interval": [value - 0.02, value + 0.02], "n": 500}


def _form(gap: float, sqnr: float, against: dict[str, float]) -> Record:
    ratios = {other: {"median": ratio, "minimum": ratio} for other, ratio in against.items()}
    return {
        "metric": _metric(0.9 + gap),
        "drop": {"estimate": 0.0 - gap, "relative": (0.0 - gap) / 0.9, "interval": None},
        "versus": {other: _interval(gap, 0.004) for other in against},
        "sqnr_db": sqnr,
        "sqnr_pooled_db": sqnr - 1,
        "latency": {threads: {"p50_ms": 3.0, "minimum_ms": 2.9, "ratio": ratios} for threads in ("1", "2")},
    }


def _compiled(seconds: float, peak: float, samples: float = 0) -> Record:
    return {
        "seconds": seconds,
        "all_seconds": [seconds],
        "process_seconds": 1.0,
        "baseline_bytes": 100e6,
        "peak_bytes": peak,
        "samples_bytes": samples,
        "size_bytes": 4e6,
        "path": "model.onnx",
    }


@pytest.fixture
def record() -> Record:
    """A run of mobilenetv2_100 in which everything holds."""
    return {
        "model": "mobilenetv2_100",
        "float_bytes": 14e6,
        "compile": {
            "edgec": _compiled(0.5, 300e6),
            "edgec-1%": _compiled(0.9, 300e6),
            "u8s8": _compiled(2.6, 372e6, 60e6),
            "s8s8": _compiled(2.7, 371e6, 60e6),
        },
        "measure": {
            "float": {"metric": _metric(0.9)},
            "edgec": _form(0.0, 23.0, {"float": 0.5, "u8s8": 1.0, "s8s8": 0.7}),
            "edgec-1%": _form(0.0, 23.0, {"float": 0.5, "u8s8": 1.0, "s8s8": 0.7}),
            "u8s8": _form(0.0, 22.2, {"float": 0.5, "s8s8": 0.7}),
            "s8s8": _form(-0.001, 22.3, {"float": 0.8, "u8s8": 1.4}),
        },
        "placement": {"edgec": {"share": 0.99}, "edgec-1%": {"share": 0.95}},
    }


def _statuses(record: Record) -> dict[str, str]:
    return {line.name: line.status for line in judge(record)}


def test_a_good_run_is_green_in_every_line(record: Record) -> None:
    assert _statuses(record) == dict.fromkeys(
        (
            "default-metric",
            "budget-metric",
            "integer-macs",
            "budget-integer-macs",
            "metric",
            "faster",
            "not-worse",
            "sqnr",
            "latency-1t",
            "latency-2t",
            "compile-speed",
            "compile-memory",
        ),
        "green",
    )


@pytest.mark.parametrize(
    ("line", "path", "value", "status"),
    [
        ("default-metric", ("measure", "edgec", "drop", "relative"), 0.0101, "red"),
        ("default-metric", ("measure", "edgec", "drop", "relative"), float("nan"), "red"),
        ("budget-metric", ("measure", "edgec-1%", "drop", "relative"), 0.0101, "red"),
        ("budget-integer-macs", ("placement", "edgec-1%", "share"), 0.79, "red"),
        ("metric", ("measure", "edgec", "versus", "float", "estimate"), -0.0101, "red"),
        ("integer-macs", ("placement", "edgec", "share"), 0.89, "red"),
        ("integer-macs", ("placement", "edgec", "share"), None, "red"),
        ("faster", ("measure", "edgec", "latency", "1", "ratio", "float"), SLOW, "red"),
        ("faster", ("measure", "edgec", "latency", "1", "ratio", "float", "median"), 1.0, "amber"),
        ("not-worse", ("measure", "edgec", "versus", "u8s8", "high"), -0.001, "red"),
        ("sqnr", ("measure", "edgec", "sqnr_db"), 22.29, "red"),
        ("latency-1t", ("measure", "edgec", "latency", "1", "ratio", "u8s8"), SLOW, "red"),
        ("latency-1t", ("measure", "edgec", "latency", "1", "ratio", "u8s8", "median"), 1.06, "amber"),
        ("latency-2t", ("measure", "edgec", "latency", "2", "ratio", "u8s8"), SLOW, "red"),
        ("latency-2t", ("measure", "edgec", "latency", "2", "ratio", "u8s8", "median"), 1.06, "amber"),
        ("compile-speed", ("compile", "edgec", "seconds"), 0.8, "amber"),
        ("compile-speed", ("compile", "edgec", "seconds"), 0.9, "red"),
        ("compile-memory", ("compile", "edgec", "peak_bytes"), 313e6, "red"),
    ],
)
def test_a_spoiled_figure_spoils_its_line_alone(
    record: Record, line: str, path: tuple[str, ...], value: object, status: str
) -> None:
    expected = _statuses(record) | {line: status}
    spoiled = copy.deepcopy(record)
    entry = spoiled
    for key in path[:-1]:
        if key == "ratio":  # one dict serves both thread counts in `_form`
            entry[key] = copy.deepcopy(entry[key])
        entry = entry[key]
    entry[path[-1]] = value
    assert _statuses(spoiled) == expected


def test_the_cost_of_compiling_the_other_models_is_amber_at_worst(record: Record) -> None:
    record["model"] = "squeezenet11"
    record["compile"]["edgec"] = _compiled(9.0, 900e6)
    statuses = _statuses(record)
    assert (statuses["compile-speed"], statuses["compile-memory"]) == ("amber", "amber")


def test_our_failure_is_red_and_the_rivals_is_unknown(record: Record) -> None:
    ours = copy.deepcopy(record)
    ours["compile"]["edgec"] = {"error": "Traceback\nModelError: no"}
    del ours["measure"]["edgec"]
    assert [(line.name, line.status, line.text) for line in judge(ours)] == [
        ("compiled edgec", "red", "ModelError: no"),
        ("budget-metric", "green", "top1 0.9000, float 0.9000: +0.00% lost, limit 1%"),
        ("budget-integer-macs", "green", "95.0% of the MACs, floor 80%"),
    ]
    alone = copy.deepcopy(record)
    for form in ("u8s8", "s8s8"):
        alone["compile"][form] = {"error": "ValueError: no"}
        del alone["measure"][form]
    assert _statuses(alone) == {
        "default-metric": "green",
        "budget-metric": "green",
        "integer-macs": "green",
        "budget-integer-macs": "green",
        "metric": "green",
        "faster": "green",
        "rival": "unknown",
    }


def test_a_recurrent_model_is_held_to_its_size(record: Record) -> None:
    record["model"] = "g2pm_bilstm"
    assert _statuses(record) == {
        "default-metric": "green",
        "budget-metric": "green",
        "size": "green",
        "budget-size": "green",
    }
    record["compile"]["edgec"]["size_bytes"] = 0.36 * 14e6
    assert _statuses(record)["size"] == "red"


def test_a_model_that_is_not_here_is_unknown() -> None:
    skipped = {"model": "sentence_encoder", "absent": "tokenizers not installed"}
    assert [(line.name, line.status) for line in judge(skipped)] == [("present", "unknown")]
    assert not list(judge_all([skipped]))
    assert accuracy_table([skipped]).endswith("\n\nsentence_encoder skipped: tokenizers not installed")


def _of(model: str, ours: float, **rivals: float) -> Record:
    forms = {"edgec": ours} | rivals
    return {"model": model, "compile": forms, "measure": {f: {"drop": {"relative": d}} for f, d in forms.items()}}


@pytest.mark.parametrize(
    ("ours", "worst", "mean"),
    [((0.01, 0.0), "green", "green"), ((0.03, -0.02), "red", "green"), ((0.015, 0.015), "green", "red")],
)
def test_all_models_together_beat_the_best_form_of_each(ours: tuple[float, float], worst: str, mean: str) -> None:
    records = [
        _of("a", ours[0], u8s8=0.5, percentile=0.02),
        _of("b", ours[1], u8s8=0.005, entropy=float("nan")),
        _of("c", 0.9),  # every form of the rival refused it: no comparison
    ]
    lines = {line.name: line for line in judge_all(records)}
    assert (lines["beats-rivals-worst"].status, lines["beats-rivals-mean"].status) == (worst, mean)
    assert lines["beats-rivals-mean"].text.endswith("over 2 models; every rival form refused c")


def test_a_measurement_that_died_is_red(record: Record) -> None:
    record["measure"] = {"error": "killed"}
    assert _statuses(record) == {"measured": "red"}


def test_tables_have_a_row_for_every_form_and_name_failures(record: Record) -> None:
    record["compile"]["s8s8"] = {"error": "Traceback\nValueError: no"}
    del record["measure"]["s8s8"]
    rows = accuracy_table([record]).splitlines()
    assert len(rows) == 8
    assert "| s8s8 " in rows[5]
    assert "refused" in rows[5]
    assert rows[7] == "mobilenetv2_100 s8s8 refused: ValueError: no"
    assert len(cost_table([record]).splitlines()) == 5
    assert len(lines_table(list(judge(record))).splitlines()) == 14


@pytest.mark.parametrize(
    ("path", "value", "red"),
    [
        (("compile", "1000", "peak_bytes"), 111e6, {"samples"}),
        (("plan", "compile_peak_bytes"), 84e6, {"plan-compile"}),
        (("plan", "peak_bytes"), 47e6, {"plan-bundle"}),
        (("plan", "peak_bytes"), 45e6, set()),
        (("footprint",), {"error": "killed"}, {"ran"}),
    ],
)
def test_memory_lines_turn_red_one_by_one(path: tuple[str, ...], value: object, red: set[str]) -> None:
    record: Record = {
        "model": "m",
        "compile": {"50": {"peak_bytes": 100e6}, "1000": {"peak_bytes": 109e6}},
        "plan": {"compile_peak_bytes": 90e6, "peak_bytes": 40e6},
        "footprint": {"peak_bytes": 40e6},
    }
    entry = record
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] = value
    assert {line.name for line in memory.judge_memory(record) if line.status == "red"} == red
