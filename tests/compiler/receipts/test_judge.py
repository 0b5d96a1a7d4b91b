"""Receipts against contracts: what a device says of each clause, alone and beside what was proved here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.receipts import digits_bundle, said_of

from edgec.bundle import Bundle
from edgec.compiler.contract import ClauseResult, Contract, Limit, Verdict
from edgec.compiler.receipts.judge import judge_receipts, with_receipts
from edgec.compiler.receipts.receipt import Receipt, read_statement


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Bundle:
    return digits_bundle(digits, tmp_path_factory.mktemp("bundle") / "digits")


def answer(bundle: Bundle, **predicate: Any) -> Receipt:
    import json

    return read_statement("r.json", "0123456789abcdef", json.dumps(said_of(bundle, **predicate)).encode())


def latency(bundle: Bundle, **changes: Any) -> dict[str, Any]:
    return {"latency": {**said_of(bundle)["predicate"]["latency"], **changes}}


def apart(decibels: float | None, nonfinite: int = 0) -> dict[str, Any]:
    each = {"name": "logits", "exact": False, "sqnr_db": decibels, "nonfinite": nonfinite}
    return {"golden": {"steps": 1, "outputs": [each]}}


CONTRACT = Contract.from_flags(max_p95="2ms", max_load_time="100ms", max_peak_memory="10MB", max_drop="1pt")


def test_what_a_device_answers_alone(bundle: Bundle) -> None:
    """Its own clauses, and none that a receipt cannot show."""
    verdict = judge_receipts(CONTRACT, bundle, [answer(bundle)])
    assert (verdict.word, verdict.exit_code) == ("proved", 0)
    assert {each.id: each.measured for each in verdict.results} == {
        "p95": pytest.approx(1.0), "load_time": pytest.approx(50.0), "peak_memory": pytest.approx(8.0),
        "finite": 0.0, "golden": None, "off_provider": 0.0,
    }  # fmt: skip
    assert verdict.notes == (
        "receipt r.json: pi (Raspberry Pi 5, aarch64, Linux 6.12), onnxruntime 1.31.1 in Python 3.13.5, "
        "of 2026-11-22 12:00 UTC, key 0123456789abcdef",
    )


BROKEN = {
    "p95": ({"latency": {"threads": 1, "warmup": 5, "ns": [3_000_000] * 20, "computing_ns": 60_000_000}}, 18, "on pi"),
    "load_time": ({"load_ns": 101_000_000}, 17, "on pi"),
    "peak_memory": (
        {"memory": {"before": 0, "peak": 11_000_000, "runs": 2}},
        27,
        "on pi: a new process of pi: 0 MB before, 11 MB at most",
    ),
    "golden": (apart(39.9), 23, "on pi: not bit-identical to the golden outputs: 39.9 dB"),
    "off_provider": (
        {"placement": {"evidence": "profile", "nodes": [{"name": "c", "op": "Conv", "provider": "Other"}]}},
        21,
        "on pi: Conv c on Other",
    ),
}


@pytest.mark.parametrize("clause", BROKEN)
def test_each_clause_can_break(bundle: Bundle, clause: str) -> None:
    change, code, reason = BROKEN[clause]
    verdict = judge_receipts(CONTRACT, bundle, [answer(bundle), answer(bundle, **change)])
    assert (verdict.word, verdict.exit_code) == ("broken", code)
    (broken,) = [each for each in verdict.results if each.status == "broken"]
    assert (broken.id, broken.reason) == (clause, reason)


def test_answers_that_are_not_finite(bundle: Bundle) -> None:
    verdict = judge_receipts(Contract(), bundle, [answer(bundle, **apart(None, nonfinite=2))])
    assert (verdict.word, verdict.exit_code) == ("broken", 1)
    assert [each.reason for each in verdict.results if each.status == "broken"] == [
        "on pi: 2 elements are NaN or infinite",
        "on pi: the golden outputs differ",
    ]


@pytest.mark.parametrize(("decibels", "status"), [(40.1, "met"), (39.9, "broken"), (None, "broken")])
def test_how_far_from_golden_is_too_far(bundle: Bundle, decibels: float | None, status: str) -> None:
    verdict = judge_receipts(Contract(), bundle, [answer(bundle, **apart(decibels))])
    assert next(each.status for each in verdict.results if each.id == "golden") == status


def test_an_output_that_nobody_compared_breaks_golden(bundle: Bundle) -> None:
    other = {"golden": {"steps": 1, "outputs": [{"name": "x", "exact": True, "sqnr_db": None, "nonfinite": 0}]}}
    assert judge_receipts(Contract(), bundle, [answer(bundle, **other)]).exit_code == 23


def test_adapters_are_judged_as_the_model_without_one(bundle: Bundle) -> None:
    """What a bundle with adapters is asked; those that nobody ran are named."""
    values = {**bundle.manifest, "adapters": {"law": {}, "tone": {}}}
    tuned = Bundle(bundle.path, values)

    def verdict(**outputs: list[dict[str, Any]]) -> Verdict:
        golden = said_of(bundle)["predicate"]["golden"]
        return judge_receipts(Contract(), tuned, [answer(bundle, golden={**golden, "adapters": outputs})])

    exact, far = said_of(bundle)["predicate"]["golden"]["outputs"], apart(12.0)["golden"]["outputs"]
    met = verdict(law=exact, tone=exact)
    assert (met.word, len(met.notes)) == ("proved", 1)
    broken = verdict(law=exact, tone=far)
    assert (broken.exit_code, [each.reason for each in broken.results if each.status == "broken"]) == (
        23, ["on pi: with adapter 'tone': not bit-identical to the golden outputs: 12.0 dB"],
    )  # fmt: skip
    assert verdict(law=exact).notes[1:] == ("on pi these adapters were not run: tone",)


def test_times_with_more_threads_say_nothing_of_one(bundle: Bundle) -> None:
    verdict = judge_receipts(CONTRACT, bundle, [answer(bundle, **latency(bundle, threads=4, computing_ns=None))])
    (p95,) = [each for each in verdict.results if each.id == "p95"]
    assert (p95.status, p95.reason, verdict.exit_code) == (
        "unknown", "on pi: one thread was not timed: add 1 to the thread counts", 5,
    )  # fmt: skip


def test_a_busy_device_decides_only_what_its_fastest_run_does(bundle: Bundle) -> None:
    slow = latency(bundle, ns=[1_000_000] + [3_000_000] * 19, computing_ns=20_000_000)
    (p95,) = [each for each in judge_receipts(CONTRACT, bundle, [answer(bundle, **slow)]).results if each.id == "p95"]
    assert (p95.status, p95.interval) == ("inconclusive", (pytest.approx(1.0), pytest.approx(3.0)))
    assert p95.reason == "on pi: on a busy machine: 2.9 s passed per second of computing"


def test_an_emulated_device_has_no_times(bundle: Bundle) -> None:
    device = {**said_of(bundle)["predicate"]["device"], "emulated": "qemu-aarch64 10.0, cortex-a76"}
    results = {each.id: each for each in judge_receipts(CONTRACT, bundle, [answer(bundle, device=device)]).results}
    assert {name for name, each in results.items() if each.status == "unknown"} == {"p95", "load_time", "peak_memory"}
    assert results["p95"].reason == (
        "on pi: an emulated processor has no times of its own: qemu-aarch64 10.0, cortex-a76"
    )
    assert results["golden"].status == "met"


def proved_here(**changes: Any) -> Verdict:
    """A verdict of another machine: golden agrees, times are not this target's."""
    p95 = Limit(value=2, unit="ms")
    results = [
        ClauseResult(id="p95", limit=p95, measured=None, status="unknown", reason="not timed: another machine"),
        ClauseResult(id="golden", limit=None, measured=50.0, n=1, status="met"),
        ClauseResult(id="size", limit=Limit(value=1, unit="MB"), measured=0.1, status="met"),
        ClauseResult(id="latency_ratio", limit=Limit(value=1, unit="x"), measured=None, status="unknown"),
    ]
    return Verdict.of(results, **{"excused": {"latency_ratio"}, "notes": ["seen here"], **changes})


P95 = Contract.from_flags(max_p95="2ms", max_size="1MB", max_latency_ratio="1x")


def test_a_receipt_answers_what_could_not_be_timed_here(bundle: Bundle) -> None:
    before = proved_here()
    assert (before.word, before.exit_code) == ("inconclusive", 5)
    after = with_receipts(before, P95, bundle, [answer(bundle)])
    assert (after.word, after.exit_code) == ("proved", 0)
    assert [each.id for each in after.results] == [each.id for each in before.results]
    assert (after.results[0].status, after.results[0].reason) == ("met", "on pi")
    assert after.results[2] == before.results[2]
    assert after.notes[0] == "seen here"
    assert after.notes[1].startswith("receipt r.json: pi ")


def test_what_was_only_checked_here_is_executed_there(bundle: Bundle) -> None:
    excused = {"latency_ratio", "p95", "golden"}
    before = proved_here(executed=False, excused=excused)
    unrun = [replace(each, status="unknown", measured=None) if each.id == "golden" else each for each in before.results]
    before = Verdict.of(unrun, executed=False, excused=excused, notes=["seen here"])
    assert before.word == "checked"
    after = with_receipts(before, P95, bundle, [answer(bundle)])
    assert (after.word, after.executed, after.excused) == ("proved", True, {"latency_ratio"})
    assert [(each.id, each.status) for each in after.results] == [
        ("p95", "met"), ("golden", "met"), ("size", "met"), ("latency_ratio", "unknown"),
    ]  # fmt: skip
    # What a device could have told, and did not, is not excused by what this machine cannot.
    threads = answer(bundle, **latency(bundle, threads=4, computing_ns=None))
    assert with_receipts(before, P95, bundle, [threads]).word == "inconclusive"


def test_accuracy_that_another_machine_showed_says_so(bundle: Bundle) -> None:
    sqnr = ClauseResult(id="sqnr", limit=Limit(value=20, unit="dB"), measured=30.0, n=8, status="met")
    here = proved_here()
    results = [*here.results, sqnr]
    checked = with_receipts(Verdict.of(results, executed=False, excused=here.excused), P95, bundle, [answer(bundle)])
    assert checked.notes[-1] == ("sqnr: measured here, not on the device's kernels, which answered the golden sample")
    proved = with_receipts(Verdict.of(results, excused=here.excused), P95, bundle, [answer(bundle)])
    assert len(proved.notes) == 1


def test_an_older_release_that_is_not_here_is_in_no_receipt(bundle: Bundle) -> None:
    before = proved_here(executed=False, excused={"latency_ratio", "oldest_onnxruntime"})
    assert with_receipts(before, P95, bundle, [answer(bundle)]).word == "checked"


def test_the_worst_device_counts(bundle: Bundle) -> None:
    slow = answer(bundle, **latency(bundle, ns=[5_000_000] * 20, computing_ns=100_000_000))
    for receipts in ([answer(bundle), slow], [slow, answer(bundle)]):
        after = with_receipts(proved_here(), P95, bundle, receipts)
        assert (after.exit_code, after.results[0].measured) == (18, pytest.approx(5.0))


def test_golden_must_hold_in_both_places(bundle: Bundle) -> None:
    here = with_receipts(proved_here(), P95, bundle, [answer(bundle)]).results[1]
    assert (here.measured, here.status) == (50.0, "met")  # the device is exact, this machine is not
    there = with_receipts(proved_here(), P95, bundle, [answer(bundle, **apart(45.0))]).results[1]
    assert (there.measured, there.status) == (45.0, "met")
    broken = with_receipts(proved_here(), P95, bundle, [answer(bundle, **apart(10.0))])
    assert (broken.results[1].status, broken.exit_code) == ("broken", 23)


def test_without_receipts_a_verdict_stays_what_it_is(bundle: Bundle) -> None:
    verdict = proved_here()
    assert with_receipts(verdict, P95, bundle, []) is verdict
