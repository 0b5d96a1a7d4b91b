from __future__ import annotations

import json
import math

import pytest

from edgec.compiler.clauses import CLAUSE_KINDS, Limit
from edgec.compiler.contract import Clause, ClauseResult, Contract, Verdict
from edgec.errors import ContractError


def refusal(**flags) -> str:
    with pytest.raises(ContractError) as caught:
        Contract.from_flags(**flags)
    return str(caught.value)


def result(clause: str, status: str) -> ClauseResult:
    limit = Limit(value=1, unit=CLAUSE_KINDS[clause].units[0]) if CLAUSE_KINDS[clause].units else None
    return ClauseResult(id=clause, limit=limit, measured=1.0, status=status)  # type: ignore[arg-type]


# --- the table ----------------------------------------------------------------------------------------------------


def test_exit_codes_are_stable():
    assert {kind.id: kind.exit_code for kind in CLAUSE_KINDS.values()} == {
        "accuracy_drop": 10, "accuracy": 11, "sqnr": 12, "cosine": 13, "max_error": 14, "size": 15, "size_ratio": 16,
        "load_time": 17, "p95": 18, "latency_ratio": 19, "integer_macs": 20, "off_provider": 21, "finite": 22,
        "golden": 23, "context": 24, "ort": 25, "p95_ratio": 26, "peak_memory": 27, "partitions": 28,
        "oldest_onnxruntime": 29, "opset": 30, "ir_version": 31,
    }  # fmt: skip


def test_flags_are_stable():
    assert {kind.id: kind.flag for kind in CLAUSE_KINDS.values() if kind.flag} == {
        "accuracy_drop": "--max-drop", "accuracy": "--min-accuracy", "sqnr": "--min-sqnr", "cosine": "--min-cosine",
        "max_error": "--max-error", "size": "--max-size", "size_ratio": "--max-size-ratio",
        "load_time": "--max-load-time", "p95": "--max-p95", "latency_ratio": "--max-latency-ratio",
        "integer_macs": "--min-integer-macs", "off_provider": "--max-off-provider",
        "p95_ratio": "--max-p95-ratio", "peak_memory": "--max-peak-memory", "partitions": "--max-partitions",
        "oldest_onnxruntime": "--min-onnxruntime", "opset": "--max-opset", "ir_version": "--max-ir-version",
    }  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in CLAUSE_KINDS.values() if kind.flag], ids=lambda kind: kind.id)
def test_every_example_can_be_read_by_flag_and_by_key(kind):
    by_flag = Contract.from_flags(**{kind.option: kind.example})
    assert by_flag == Contract.from_table({kind.key: kind.example}, where="edgec.toml: contract")
    limit = by_flag.clauses[0].limit
    assert Limit.parse(str(limit), kind, where="here") == limit
    assert kind.flag.startswith("--max" if kind.direction == "max" else "--min")
    assert 10 <= kind.exit_code <= 39


# --- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clause", "text", "value", "unit", "base"),
    [
        ("accuracy_drop", "0.5pt", 0.5, "pt", 0.5),
        ("accuracy_drop", " 1 % ", 1, "%", 1),
        ("accuracy_drop", ".3dB", 0.3, "dB", 0.3),
        ("accuracy_drop", "-1pt", -1, "pt", -1),
        ("size", "5MB", 5, "MB", 5e6),
        ("size", "5MiB", 5, "MiB", 5 * 2**20),
        ("p95", "1e1ms", 10, "ms", 0.01),
        ("latency_ratio", "90%", 90, "%", 0.9),
        ("latency_ratio", "0.9x", 0.9, "x", 0.9),
        ("integer_macs", "90%", 90, "%", 0.9),
        ("off_provider", "1node", 1, "node", 1),
        ("p95_ratio", "150%", 150, "%", 1.5),
        ("peak_memory", "64MiB", 64, "MiB", 64 * 2**20),
        ("partitions", "3partitions", 3, "partitions", 3),
        ("oldest_onnxruntime", " 1.20 ", 20, "release", 20),
        ("opset", "17", 17, "version", 17),
        ("ir_version", 8, 8, "version", 8),
        ("accuracy", "-3abs", -3, "abs", -3),
    ],
)
def test_limits(clause, text, value, unit, base):
    limit = Limit.parse(text, CLAUSE_KINDS[clause], where="here")
    assert (limit.value, limit.unit) == (value, unit)
    assert limit.base(clause) == pytest.approx(base)
    assert limit.from_base(clause, limit.base(clause)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"max_drop": "1"}, "--max-drop: '1' has no unit. Write it like '1pt'; units here: pt, %, dB, abs."),
        ({"max_drop": 1}, "--max-drop: 1 has no unit. Write it like '1pt'; units here: pt, %, dB, abs."),
        (
            {"max_drop": "one pt"},
            "--max-drop: 'one pt' is not a number with a unit. Write it like '1pt'; units here: pt, %, dB, abs.",
        ),
        (
            {"max_drop": True},
            "--max-drop: True is not a number with a unit. Write it like '1pt'; units here: pt, %, dB, abs.",
        ),
        (
            {"max_drop": "nanpt"},
            "--max-drop: 'nanpt' is not a number with a unit. Write it like '1pt'; units here: pt, %, dB, abs.",
        ),
        (
            {"max_size": "5mb"},
            "--max-size: unit 'mb' is unknown, did you mean 'MB'? "
            "Write it like '5MB'; units here: KB, MB, GB, KiB, MiB, GiB.",
        ),
        ({"min_sqnr": "20%"}, "--min-sqnr: unit '%' is unknown. Write it like '20dB'; units here: dB."),
        (
            {"max_dorp": "1pt"},
            "--max-dorp: unknown key, did you mean 'max_drop'? Keys here: max_drop, min_accuracy, min_sqnr, "
            "min_cosine, max_error, max_size, max_size_ratio, max_load_time, max_p95, max_latency_ratio, "
            "min_integer_macs, max_off_provider, max_p95_ratio, max_peak_memory, max_partitions, "
            "min_onnxruntime, max_opset, max_ir_version, proof.",
        ),
        ({"max_size": "0MB"}, "--max-size: '0MB' is not above 0. Write it like '5MB'."),
        ({"max_peak_memory": "-1MB"}, "--max-peak-memory: '-1MB' is not above 0. Write it like '64MB'."),
        ({"max_p95": "1e999ms"}, "--max-p95: '1e999ms' is too large a number. Write it like '10ms'."),
        (
            {"min_integer_macs": "101%"},
            "--min-integer-macs: '101%' is not from 0 to 100%. Write it like '90%'.",
        ),
        ({"min_accuracy": "900pt"}, "--min-accuracy: '900pt' is not from 0 to 100pt. Write it like '90%'."),
        ({"min_cosine": "2cos"}, "--min-cosine: '2cos' is not from -1 to 1cos. Write it like '0.999cos'."),
        ({"max_error": "-1abs"}, "--max-error: '-1abs' is below 0abs. Write it like '0.05abs'."),
        (
            {"min_onnxruntime": "1.20.1"},
            "--min-onnxruntime: '1.20.1' is not a release of ONNX Runtime. Write it like '1.20'.",
        ),
        (
            {"min_onnxruntime": 1.2},
            "--min-onnxruntime: 1.2 is not a release of ONNX Runtime. Write it like '1.20', in quotes.",
        ),
        ({"max_opset": "17pt"}, "--max-opset: '17pt' is not a version. Write it like '17'."),
        ({"max_ir_version": True}, "--max-ir-version: True is not a version. Write it like '8'."),
        (
            {"max_partitions": "0partitions"},
            "--max-partitions: '0partitions' is below 1partitions. Write it like '1partition'.",
        ),
        (
            {"max_off_provider": "0.5nodes"},
            "--max-off-provider: '0.5nodes' is no whole number. Write it like '0nodes'.",
        ),
        ({"proof": "maybe"}, "--proof: 'maybe' is not one of checked, executed. Choose one of them."),
    ],
)
def test_limits_that_are_refused(flags, message):
    assert refusal(**flags) == message


def test_a_key_that_is_refused_names_its_place():
    with pytest.raises(ContractError) as caught:
        Contract.from_table({"sqrn": "20dB"}, where="edgec.toml: contract")
    assert str(caught.value) == (
        "edgec.toml: contract.sqrn: unknown key, did you mean 'sqnr'? Keys here: accuracy_drop, accuracy, sqnr, "
        "cosine, max_error, size, size_ratio, load_time, p95, latency_ratio, integer_macs, off_provider, p95_ratio, "
        "peak_memory, partitions, oldest_onnxruntime, opset, ir_version, proof."
    )


# --- contracts ----------------------------------------------------------------------------------------------------


def test_flags_that_were_not_given_are_none():
    assert Contract.from_flags(max_drop=None, min_sqnr=None) == Contract()


def test_some_clauses_are_always_asked():
    assert [clause.id for clause in Contract().all_clauses] == ["finite", "golden", "off_provider"]
    off = Contract().clause("off_provider")
    assert off is not None
    assert str(off.limit) == "0nodes"
    allowed = Contract.from_flags(max_off_provider="2nodes")
    assert [str(clause.limit) for clause in allowed.all_clauses if clause.id == "off_provider"] == ["2nodes"]


def test_flags_go_over_the_file():
    file = Contract.from_table({"accuracy_drop": "1pt", "sqnr": "20dB"}, where="edgec.toml: contract")
    merged = file.merged(Contract.from_flags(max_drop="2pt", proof="executed"))
    assert merged.to_json() == {"sqnr": "20dB", "accuracy_drop": "2pt", "proof": "executed"}


def test_clauses_that_cannot_be():
    with pytest.raises(ValueError, match="needs a limit"):
        Clause(id="size", limit=None)
    with pytest.raises(ValueError, match="needs no limit"):
        Clause(id="golden", limit=Limit(value=1, unit="x"))
    with pytest.raises(ValueError, match="is not one of"):
        Clause(id="beauty", limit=None)
    twice = Clause(id="golden", limit=None)
    with pytest.raises(ValueError, match="names one twice"):
        Contract(clauses=(twice, twice))


# --- verdicts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "executed", "word", "code"),
    [
        ({"size": "met", "golden": "met"}, True, "proved", 0),
        ({"size": "broken", "golden": "met"}, True, "broken", 15),
        ({"size": "broken", "golden": "broken"}, True, "broken", 1),
        ({"size": "broken", "accuracy": "inconclusive"}, True, "broken", 15),
        ({"size": "met", "accuracy": "inconclusive"}, True, "inconclusive", 5),
        ({"size": "met", "accuracy": "unknown"}, True, "inconclusive", 5),
        ({"size": "met", "p95": "unknown"}, False, "checked", 0),
        ({"size": "broken", "p95": "unknown"}, False, "broken", 15),
        ({"accuracy": "unknown", "p95": "unknown"}, False, "inconclusive", 5),
    ],
)
def test_what_results_add_up_to(statuses, executed, word, code):
    results = [result(clause, status) for clause, status in statuses.items()]
    verdict = Verdict.of(results, executed=executed, excused=() if executed else ("p95",))
    assert (verdict.word, verdict.exit_code) == (word, code)


def test_verdicts_are_json():
    limit = Limit(value=20, unit="dB")
    exact = ClauseResult(id="sqnr", limit=limit, measured=math.inf, n=3, status="met", reason="identical to float")
    verdict = Verdict.of([exact, result("golden", "met")], notes=["held out"])
    assert json.loads(json.dumps(verdict.to_json(), allow_nan=False)) == {
        "word": "proved",
        "exit_code": 0,
        "results": [
            {
                "id": "sqnr", "limit": "20dB", "measured": None, "unit": "dB", "interval": None, "n": 3,
                "status": "met", "reason": "identical to float",
            },
            {
                "id": "golden", "limit": None, "measured": 1.0, "unit": None, "interval": None, "n": None,
                "status": "met", "reason": "",
            },
        ],
        "excused": [],
        "notes": ["held out"],
    }  # fmt: skip
