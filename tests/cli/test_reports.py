"""Numbers as people read them, and a proof on the page."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console, RenderableType

from edgec.compiler.report.census import Census, grouped
from edgec.compiler.report.compiled import integer_lines
from edgec.compiler.report.text import golden_text, proof_facts, verdict_line, verdict_table
from edgec.compiler.report.units import count, plural, seconds, share, size


def printed(*parts: RenderableType) -> list[str]:
    console = Console(file=io.StringIO(), width=300, highlight=False, markup=False)
    for part in parts:
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("show", "number", "text"),
    [
        (size, 0, "0 B"),
        (size, 999, "999 B"),
        (size, 999.9, "1.00 kB"),
        (size, 68_123, "68.1 kB"),
        (size, 999_960, "1.00 MB"),
        (size, 2.5e9, "2.50 GB"),
        (count, 62_106, "62.1 k"),
        (count, 35_200_000, "35.2 M"),
        (count, 12, "12"),
        (seconds, 0.00042, "0.42 ms"),
        (seconds, 0.0000125, "12.5 us"),
        (seconds, 0.9999, "1.00 s"),
        (seconds, 12.34, "12.3 s"),
        (seconds, 125.9, "2 min 5 s"),
        (share, 1.0, "100%"),
        (share, 0.99999, "99.9%"),
        (share, 0.00001, "<0.1%"),
        (share, 0.0, "0%"),
        (share, 0.5, "50%"),
    ],
)
def test_numbers(show: Callable[[float], str], number: float, text: str) -> None:
    assert show(number) == text


def test_plurals() -> None:
    assert [plural(number, "step") for number in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]


def test_stored_weights_are_of_any_width() -> None:
    assert list(integer_lines(Census(weights=2))) == [
        "2 weights stored in fewer bits, expanded when the model is loaded"
    ]


def test_reasons_are_grouped_without_the_names_in_them() -> None:
    notes = {
        "a": "its weight 'w1' is computed at run time",
        "b": "is excluded by name",
        "c": "its weight 'w2' is computed at run time",
    }
    assert grouped(notes) == [("its weight is computed at run time", ["a", "c"]), ("is excluded by name", ["b"])]


def result(name: str, status: str, **more: Any) -> dict[str, Any]:
    empty = {"limit": None, "measured": None, "unit": None, "interval": None, "n": None, "reason": ""}
    return {"id": name, "status": status, **empty, **more}


VERDICT = {
    "word": "broken",
    "exit_code": 10,
    "results": [
        result("accuracy_drop", "broken", limit="1pt", measured=2.5, unit="pt", interval=[1.25, 4.0], n=400,
               reason="top1: float 0.9, bundle 0.875"),
        result("sqnr", "met", limit="20dB", unit="dB", n=400, reason="identical to float"),
        result("p95", "unknown", limit="10ms", unit="ms", reason="one thread was not timed"),
        result("finite", "met", measured=0.0, n=400),
    ],
}  # fmt: skip


def test_a_verdict_clause_by_clause() -> None:
    assert printed(verdict_table(VERDICT), verdict_line(VERDICT)) == [
        "   clause                  limit  measured           n  reason",
        "✗  accuracy_drop  broken     1pt  2.5pt [1.25, 4]  400  top1: float 0.9, bundle 0.875",
        "✓  sqnr           met       20dB  identical        400  identical to float",
        "–  p95            unknown   10ms                        one thread was not timed",
        "✓  finite         met             0                400",
        "verdict: broken; broken: accuracy_drop; unknown: p95",
    ]


@pytest.mark.parametrize(
    ("word", "line"), [("proved", "verdict: proved"), ("checked", "verdict: checked, not executed")]
)
def test_the_last_line_of_a_good_verdict(word: str, line: str) -> None:
    assert printed(verdict_line({"word": word, "results": []})) == [line]


@pytest.mark.parametrize(
    ("golden", "text"),
    [
        ({"exact": True, "sqnr_db": None, "agrees": True, "steps": 1}, "1 step, identical"),
        ({"exact": False, "sqnr_db": 52.25, "agrees": True, "steps": 8}, "8 steps, 52.2 dB"),
        ({"exact": False, "sqnr_db": 17.0, "agrees": False, "steps": 1}, "1 step, 17.0 dB: not the same model"),
        ({"exact": False, "sqnr_db": None, "agrees": False, "steps": 1}, "1 step, differs: not the same model"),
    ],
)
def test_a_golden_replay(golden: dict[str, Any], text: str) -> None:
    assert golden_text(golden) == text


def kernel(name: str, macs: int, *, integer: bool) -> dict[str, Any]:
    return {"name": name, "op": "Conv", "macs": macs, "integer": integer}


PROOF = {
    "machine": {"cpu": "Z80", "cores": 1, "system": "CP/M 3"},
    "versions": {"onnxruntime": "1.31.1"},
    "runtime": "onnxruntime-cpu",
    "date": "2026-11-21T09:00:00+00:00",
    "session_options": {"session.x": "1"},
    "executed": False,
    "unexecuted": "the target's instruction set is aarch64, this machine's is z80",
    "golden": {"exact": True, "sqnr_db": None, "agrees": True, "steps": 1},
    "evaluation": {
        "origin": "eval.npz",
        "samples": 10,
        "steps": 20,
        "metric": {"name": "top1", "unit": "pt", "n": 10, "value": 0.5, "value_interval": [0.25, 0.75],
                   "float_value": 0.75, "float_interval": None, "drop": 0.25, "drop_interval": [0.0, 0.5]},
        "metric_reason": "",
        "outputs": {
            "y": {"carried": False, "against_float": {"exact": False, "nonfinite": 0, "cosine": 0.5, "sqnr_db": 20.0,
                                                      "max_error": 0.25, "peak": 4.0, "equal_share": 0.0}},
            "h": {"carried": True, "against_float": {"exact": True, "nonfinite": 0, "cosine": 1.0, "sqnr_db": None,
                                                     "max_error": 0.0, "peak": 4.0, "equal_share": 1.0}},
            "k": {"carried": False, "against_float": {"exact": False, "nonfinite": 0, "cosine": None, "sqnr_db": None,
                                                      "max_error": None, "peak": None, "equal_share": 0.5}},
            "n": {"carried": False, "against_float": {"exact": False, "nonfinite": 7, "cosine": 0.0, "sqnr_db": None,
                                                      "max_error": None, "peak": 4.0, "equal_share": 0.5}},
            "alone": {"carried": False, "against_float": None},
        },
    },
    "size": {"bundle_bytes": 1000, "float_bytes": 4000, "ratio": 0.25},
    "load": {"seconds": 0.002, "opened": 3},
    "latency": [
        {"threads": 1, "bundle": {"p50": 0.001, "p95": 0.002, "runs": 100}, "float_model": {"p50": 0.002, "p95": 0.004},
         "ratio": 0.5, "ratio_interval": [0.45, 0.55], "without_options": {"p50": 0.003, "p95": 0.005}},
        {"threads": 2, "bundle": {"p50": 0.001, "p95": 0.002, "runs": 90}, "float_model": None, "ratio": None,
         "ratio_interval": None, "without_options": None},
    ],
    "placement": {"integer_mac_share": 0.9, "macs": 1000, "uncounted": ["rnn"],
                  "off_provider": ["e1", "e2", "e3", "e4", "e5"],
                  "kernels": [kernel("a", 900, integer=True), kernel("b", 40, integer=False),
                              kernel("c", 60, integer=False)]},
    "notes": ["one", "two"],
}  # fmt: skip


def test_a_proof_on_the_page() -> None:
    assert printed(proof_facts(PROOF)) == [
        "where     onnxruntime-cpu 1.31.1 on Z80 (1 core, CP/M 3), 2026-11-21T09:00:00+00:00; session options "
        "session.x=1; not on the target: the target's instruction set is aarch64, this machine's is z80",
        "golden    1 step, identical",
        "metric    top1 50pt [25, 75]; float 75pt; drop 25pt [0, 50]; n = 10, intervals of 95%",
        "outputs   10 samples, 20 steps of eval.npz, against float",
        "          output             SQNR    cosine  max error",
        "          y               20.0 dB  0.500000  0.25 of 4",
        "          h (state)     identical         1          0",
        "          k             50% equal         –          –",
        "          n          7 not finite         –          –",
        "          alone                 –         –          –",
        "size      1.00 kB, 0.25x of float's 4.00 kB",
        "load      2.00 ms, median of 3 times",
        "latency   threads                p50      p95  float p50  float p95               ratio  runs",
        "          1                  1.00 ms  2.00 ms    2.00 ms    4.00 ms  0.50x [0.45, 0.55]   100",
        "            without options  3.00 ms  5.00 ms",
        "          2                  1.00 ms  2.00 ms          –          –                   –    90",
        "integers  90% of 1.00 k MACs run in integer kernels",
        "          in float: c (Conv, 60), b (Conv, 40)",
        "          not counted: rnn",
        "          off the provider: e1, e2, e3, e4 and 1 more",
        "notes     one",
        "          two",
    ]


def test_a_proof_of_almost_nothing() -> None:
    nothing = {"golden": None, "evaluation": None, "latency": [], "placement": None, "notes": [], "session_options": {}}
    sizes = {"bundle_bytes": 1000, "float_bytes": None, "ratio": None}
    bare = {**PROOF, **nothing, "executed": True, "load": {"seconds": None, "opened": 0}, "size": sizes}
    assert [line.split()[0] for line in printed(proof_facts(bare))] == ["where", "metric", "size"]
