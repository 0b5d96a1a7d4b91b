"""Every clause against proofs made by hand: met, broken, undecided, unknown."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from edgec.compiler.contract import ClauseResult, Contract, Verdict
from edgec.compiler.metrics import metric_named
from edgec.compiler.proving.judge import check_units, judge
from edgec.compiler.proving.machine import Machine
from edgec.compiler.proving.probing.off_wanted import OffWanted
from edgec.compiler.proving.proof import (
    AdapterProof,
    EvaluationProof,
    GoldenProof,
    LatencyProof,
    MetricProof,
    OrtProof,
    OutputProof,
    Proof,
)
from edgec.errors import ContractError
from edgec.runtimes.base import Kernel, Latency, Memory, Placement
from edgec.runtimes.compare import Comparison

HERE = Machine(cpu="a", architecture="b", cores=2, system="c", python="3")


def kernel(name: str, macs: int | None, *, integer: bool = True, provider: str = "CPUExecutionProvider") -> Kernel:
    return Kernel(name=name, op_type="Conv", provider=provider, inputs=(), outputs=(), macs=macs, integer=integer)


def output(name: str = "y", *, carried: bool = False, nonfinite: int = 0, **values) -> OutputProof:
    given = {"sqnr_db": 25.0, "cosine": 0.998, "max_error": 0.5, "peak": 10.0, "equal_share": 0.0, **values}
    comparison = Comparison(elements=10, nonfinite=nonfinite, **given)
    return OutputProof(name=name, carried=carried, against_float=comparison, nonfinite=nonfinite)


METRIC = MetricProof(
    name="top1", direction="higher", unit="pt", n=500, float_value=0.9, float_interval=(0.87, 0.93),
    value=0.89, value_interval=(0.86, 0.92), drop=0.01, drop_interval=(0.002, 0.018),
)  # fmt: skip
EVALUATION = EvaluationProof(origin="eval", digest="d", samples=500, steps=500, outputs=(output(),), metric=METRIC)
FAST = Latency(p50=0.002, p95=0.004, minimum=0.001, runs=100, threads=1)
SLOW = Latency(p50=0.004, p95=0.008, minimum=0.003, runs=100, threads=1)
LATENCY = LatencyProof(
    threads=1, bundle=FAST, float_model=SLOW, ratio=0.5, ratio_interval=(0.45, 0.55), without_options=None,
    p95_ratio=0.5, p95_ratio_interval=(0.4, 0.6),
)  # fmt: skip
PROOF = Proof(
    bundle="d", date="2026-01-01", machine=HERE, versions={}, runtime="r", providers=("CPUExecutionProvider",),
    session_options={}, unexecuted="",
    golden=GoldenProof(exact=True, sqnr_db=None, nonfinite=0, steps=1, agrees=True),
    placement=Placement(
        kernels=(kernel("a", 90), kernel("b", 10, integer=False), kernel("c", 0)), evidence="e", partitions=3
    ),
    evaluation=EVALUATION, size_bytes=3_000_000, float_bytes=10_000_000, load_seconds=0.05, opened=3,
    latency=(LATENCY,), memory=Memory(before=40_000_000, peak=47_000_000, runs=2),
)  # fmt: skip


def of(proof: Proof, **flags: str) -> ClauseResult:
    """The result of the one clause the flag names."""
    return judge(Contract.from_flags(**flags), proof).results[0]


def verdict(proof: Proof, **flags: str) -> Verdict:
    return judge(Contract.from_flags(**flags), proof)


def test_what_is_always_asked_is_proved():
    found = verdict(PROOF)
    assert [result.id for result in found.results] == ["finite", "golden", "off_provider"]
    assert (found.word, found.exit_code) == ("proved", 0)


@pytest.mark.parametrize(
    ("flag", "limit", "status", "measured"),
    [
        ("max_drop", "2pt", "met", 1.0),
        ("max_drop", "1.8pt", "met", 1.0),  # the very end of the interval
        ("max_drop", "1pt", "inconclusive", 1.0),
        ("max_drop", "0.1pt", "broken", 1.0),
        ("max_drop", "2.1%", "met", 100 * 0.01 / 0.9),
        ("max_drop", "0.1%", "broken", 100 * 0.01 / 0.9),
        ("max_drop", "0.02abs", "met", 0.01),
        ("min_accuracy", "85%", "met", 89.0),
        ("min_accuracy", "85pt", "met", 89.0),
        ("min_accuracy", "0.85abs", "met", 0.89),
        ("min_accuracy", "89%", "inconclusive", 89.0),
        ("min_accuracy", "93%", "broken", 89.0),
        ("min_sqnr", "25dB", "met", 25.0),
        ("min_sqnr", "25.1dB", "broken", 25.0),
        ("min_cosine", "0.99cos", "met", 0.998),
        ("min_cosine", "99.9%", "broken", 99.8),
        ("max_error", "0.5abs", "met", 0.5),
        ("max_error", "4%", "broken", 5.0),
        ("max_size", "3MB", "met", 3.0),
        ("max_size", "2.8MiB", "broken", 3_000_000 / 2**20),
        ("max_size_ratio", "0.3x", "met", 0.3),
        ("max_size_ratio", "29%", "broken", 30.0),
        ("max_load_time", "50ms", "met", 50.0),
        ("max_load_time", "0.04s", "broken", 0.05),
        ("max_p95", "4ms", "met", 4.0),
        ("max_p95", "3999us", "broken", 4000.0),
        ("max_latency_ratio", "0.6x", "met", 0.5),
        ("max_latency_ratio", "0.5x", "inconclusive", 0.5),
        ("max_latency_ratio", "40%", "broken", 50.0),
        ("min_integer_macs", "90%", "met", 90.0),
        ("min_integer_macs", "91%", "broken", 90.0),
        ("max_off_provider", "0nodes", "met", 0.0),
        ("max_p95_ratio", "0.6x", "met", 0.5),
        ("max_p95_ratio", "50%", "inconclusive", 50.0),
        ("max_p95_ratio", "0.3x", "broken", 0.5),
        ("max_peak_memory", "7MB", "met", 7.0),
        ("max_peak_memory", "6999KB", "broken", 7000.0),
        ("max_partitions", "3partitions", "met", 3.0),
        ("max_partitions", "2partitions", "broken", 3.0),
    ],
)
def test_limits(flag, limit, status, measured):
    result = of(PROOF, **{flag: limit})
    assert result.status == status
    assert result.measured == pytest.approx(measured)


@pytest.mark.parametrize(("limit", "status"), [("4ms", "met"), ("3.9ms", "inconclusive"), ("900us", "broken")])
def test_a_busy_machine_breaks_no_limit_that_the_fastest_run_keeps(limit, status):
    result = of(replace(PROOF, latency=(replace(LATENCY, busy=3.21),)), max_p95=limit)
    assert result.status == status
    assert result.interval == pytest.approx((result.measured / 4, result.measured))
    assert result.reason == "on a busy machine: 3.2 s passed per second of computing"


def test_a_ratio_tells_that_the_machine_was_busy():
    result = of(replace(PROOF, latency=(replace(LATENCY, busy=3.21),)), max_latency_ratio="0.6x")
    assert result.status == "met"
    assert result.reason.endswith("; on a busy machine: 3.2 s passed per second of computing")
    assert "busy" not in of(replace(PROOF, latency=(replace(LATENCY, busy=1.05),)), max_latency_ratio="0.6x").reason


def test_a_limit_is_not_missed_by_rounding():
    metric = replace(METRIC, drop=0.914 - 0.904, drop_interval=(0.0, 0.914 - 0.904))
    assert 0.914 - 0.904 > 0.01
    assert of(replace(PROOF, evaluation=replace(EVALUATION, metric=metric)), max_drop="1pt").status == "met"


def test_reasons_say_what_stands_behind_a_number():
    assert of(PROOF, max_drop="1pt").reason == "top1: float 0.9, bundle 0.89"
    assert of(PROOF, min_accuracy="90%").reason == "top1 0.89"  # float's 0.9 is enough
    assert of(PROOF, min_accuracy="91%").reason == "top1 0.89; float itself misses the limit with 0.9"
    error = replace(METRIC, name="mse", direction="lower", unit="abs", float_value=0.3, value=0.5)
    found = replace(PROOF, evaluation=replace(EVALUATION, metric=error))
    assert of(found, min_accuracy="0.3abs").reason == "mse 0.5"
    assert of(found, min_accuracy="0.2abs").reason == "mse 0.5; float itself misses the limit with 0.3"
    alone = replace(EVALUATION, metric=replace(METRIC, float_value=None, drop=None))
    assert of(replace(PROOF, evaluation=alone), min_accuracy="99%").reason == "top1 0.89"
    assert of(PROOF, min_sqnr="1dB").reason == "worst output: y"
    assert of(PROOF, max_latency_ratio="1x").reason == "p50: float 4 ms, bundle 2 ms"
    assert of(PROOF, max_p95_ratio="1x").reason == "p95: float 8 ms, bundle 4 ms"
    assert of(PROOF, max_peak_memory="1MB").reason == "a new process of r: 40 MB before, 47 MB at most"
    assert of(PROOF, max_partitions="1partition").reason == "on CPUExecutionProvider"
    assert of(PROOF, min_integer_macs="1%").reason == "float: Conv b"
    assert of(PROOF, max_drop="1pt").interval == pytest.approx((0.2, 1.8))
    assert of(PROOF, max_drop="1pt").n == 500


# --- lower is better ------------------------------------------------------------------------------------------------

PERPLEXITY = MetricProof(
    name="perplexity", direction="lower", unit="", n=50, float_value=4.0, float_interval=(3.5, 4.5),
    value=4.2, value_interval=(3.6, 4.8), drop=0.2, drop_interval=(0.1, 0.3),
)  # fmt: skip


@pytest.mark.parametrize(
    ("flag", "limit", "status"),
    [
        ("max_drop", "0.3abs", "met"),
        ("max_drop", "10%", "met"),
        ("max_drop", "1%", "broken"),
        ("min_accuracy", "5abs", "met"),  # at most, for a metric where lower is better
        ("min_accuracy", "4abs", "inconclusive"),
        ("min_accuracy", "3abs", "broken"),
    ],
)
def test_metrics_where_lower_is_better(flag, limit, status):
    proof = replace(PROOF, evaluation=replace(EVALUATION, metric=PERPLEXITY))
    assert of(proof, **{flag: limit}).status == status


@pytest.mark.parametrize(
    ("flag", "limit", "metric", "message"),
    [
        ("max_drop", "1pt", "psnr", "contract: accuracy_drop: '1pt' does not fit the metric psnr. "
         "Write it in 'dB', '%', 'abs'."),
        ("max_drop", "1dB", "top1", "contract: accuracy_drop: '1dB' does not fit the metric top1. "
         "Write it in 'pt', '%', 'abs'."),
        ("min_accuracy", "5%", "perplexity", "contract: accuracy: '5%' does not fit the metric perplexity. "
         "Write it in 'abs'."),
    ],
)  # fmt: skip
def test_units_that_do_not_fit_the_metric(flag, limit, metric, message):
    with pytest.raises(ContractError) as caught:
        check_units(Contract.from_flags(**{flag: limit}), metric_named(metric))
    assert str(caught.value) == message


# --- what could not be measured ---------------------------------------------------------------------------------------

NO_FLOAT = "no float model to compare with: add --model with the model this bundle was compiled from"
NO_EVALUATION = "no evaluation samples were given: add --evaluation"
ALONE = replace(
    PROOF,
    evaluation=replace(
        EVALUATION,
        outputs=(OutputProof(name="y", carried=False, against_float=None, nonfinite=0),),
        metric=replace(METRIC, float_value=None, float_interval=None, drop=None, drop_interval=None),
    ),
    float_bytes=None,
    latency=(
        replace(LATENCY, float_model=None, ratio=None, ratio_interval=None, p95_ratio=None, p95_ratio_interval=None),
    ),
)


@pytest.mark.parametrize(
    ("proof", "flag", "limit", "reason"),
    [
        (ALONE, "max_drop", "1pt", NO_FLOAT),
        (ALONE, "min_sqnr", "1dB", NO_FLOAT),
        (ALONE, "max_size_ratio", "1x", NO_FLOAT),
        (ALONE, "max_latency_ratio", "1x", NO_FLOAT),
        (ALONE, "max_p95_ratio", "1x", NO_FLOAT),
        (replace(PROOF, memory=None, memory_reason="qemu"), "max_peak_memory", "1MB", "qemu"),
        (
            replace(PROOF, placement=Placement(kernels=(kernel("a", 1),), evidence="e")),
            "max_partitions",
            "1partition",
            "the runtime showed no partitions",
        ),
        (replace(PROOF, evaluation=None), "max_drop", "1pt", NO_EVALUATION),
        (replace(PROOF, evaluation=None), "min_accuracy", "1pt", NO_EVALUATION),
        (replace(PROOF, evaluation=None), "max_error", "1abs", NO_EVALUATION),
        (
            replace(PROOF, evaluation=replace(EVALUATION, metric=None, metric_reason="no labels")),
            "max_drop",
            "1pt",
            "no labels",
        ),
        (
            replace(PROOF, evaluation=replace(EVALUATION, metric=replace(METRIC, float_value=0.0))),
            "max_drop",
            "1%",
            "float's top1 is 0: a relative limit has no meaning; write it in another unit",
        ),
        (
            replace(PROOF, latency=(replace(LATENCY, threads=2),)),
            "max_p95",
            "1ms",
            "one thread was not timed: add 1 to the thread counts",
        ),
        (
            replace(PROOF, placement=Placement(kernels=(kernel("a", 9), kernel("b", None)), evidence="e")),
            "min_integer_macs",
            "1%",
            "the multiply-accumulates of Conv cannot be counted",
        ),
        (
            replace(PROOF, placement=Placement(kernels=(kernel("a", 0),), evidence="e")),
            "min_integer_macs",
            "1%",
            "the model has no multiply-accumulates",
        ),
        (
            replace(PROOF, placement=Placement(kernels=(), evidence="none")),
            "max_off_provider",
            "0nodes",
            "the runtime showed no placement",
        ),
        (
            replace(
                PROOF,
                evaluation=replace(EVALUATION, outputs=(output(sqnr_db=None, cosine=None, max_error=None, peak=None),)),
            ),
            "min_sqnr",
            "1dB",
            "no output is a float tensor: limit the task metric instead",
        ),
    ],
)
def test_what_cannot_be_measured_is_unknown_and_exits_5(proof, flag, limit, reason):
    result = of(proof, **{flag: limit})
    assert (result.status, result.measured, result.reason) == ("unknown", None, reason)
    assert verdict(proof, **{flag: limit}).exit_code == 5


def test_accuracy_needs_no_float_model():
    assert of(ALONE, min_accuracy="85%").status == "met"


# --- outputs ----------------------------------------------------------------------------------------------------------


def outputs(*found: OutputProof) -> Proof:
    return replace(PROOF, evaluation=replace(EVALUATION, outputs=found))


def test_the_worst_output_counts_and_state_does_not():
    proof = outputs(output("a", sqnr_db=40.0), output("b", sqnr_db=21.0), output("h", sqnr_db=3.0, carried=True))
    result = of(proof, min_sqnr="20dB")
    assert (result.status, result.measured, result.reason) == ("met", 21.0, "worst output: b")


def test_an_identical_output_keeps_any_limit():
    exact = {"sqnr_db": math.inf, "cosine": 1.0, "max_error": 0.0, "equal_share": 1.0}
    result = of(outputs(output(**exact)), min_sqnr="300dB")
    assert (result.status, result.measured, result.reason) == ("met", math.inf, "identical to float")
    assert of(outputs(output(**exact)), max_error="0%").status == "met"


def test_nan_breaks_finite_and_sqnr():
    found = verdict(outputs(output(sqnr_db=-math.inf, nonfinite=3)), min_sqnr="20dB")
    assert [result.id for result in found.results if result.status == "broken"] == ["sqnr", "finite"]
    assert found.exit_code == 1
    assert found.results[1].reason == "3 elements are NaN or infinite in y"


def test_without_evaluation_the_golden_outputs_must_be_finite():
    bad = replace(PROOF, evaluation=None, golden=replace(PROOF.golden, nonfinite=2))  # type: ignore[type-var]
    assert verdict(bad).exit_code == 22
    assert verdict(replace(PROOF, evaluation=None)).exit_code == 0


@pytest.mark.parametrize(
    ("golden", "code", "reason"),
    [
        ({"exact": False, "sqnr_db": 47.26, "agrees": True}, 0, "not bit-identical to the golden outputs: 47.3 dB"),
        ({"exact": False, "sqnr_db": 17.0, "agrees": False}, 23, "not bit-identical to the golden outputs: 17.0 dB"),
        ({"exact": False, "sqnr_db": None, "agrees": False}, 23, "the golden outputs differ"),
    ],
)
def test_golden(golden, code, reason):
    found = verdict(replace(PROOF, golden=replace(PROOF.golden, **golden)))  # type: ignore[type-var]
    assert found.exit_code == code
    assert found.results[1].reason == reason


def test_a_node_off_the_provider_fails_by_name():
    kernels = tuple(kernel(f"n{i}", 1, provider="Other") for i in range(5))
    found = verdict(replace(PROOF, placement=Placement(kernels=kernels, evidence="e")))
    assert found.exit_code == 21
    assert found.results[2].reason == "Conv n0 on Other, Conv n1 on Other, Conv n2 on Other and 2 more"
    allowed = verdict(replace(PROOF, placement=Placement(kernels=kernels, evidence="e")), max_off_provider="5nodes")
    assert allowed.exit_code == 0


def placed(*providers: str, **given) -> Proof:
    """Kernels n0, n1, ... on these, of a target that wants Fast, and the CPU's behind it."""
    kernels = tuple(kernel(f"n{i}", 1, provider=each) for i, each in enumerate(providers))
    wanted = ("Fast", "CPUExecutionProvider")
    return replace(PROOF, placement=Placement(kernels=kernels, evidence="e"), providers=wanted, wanted="Fast", **given)


def test_who_limits_it_limits_what_leaves_the_first_provider():
    """Nobody's limit looks at all of the target's providers, one that is written at the first."""
    cpu = "CPUExecutionProvider"
    proof = placed("Fast", cpu, cpu, off_wanted=(OffWanted(op="Conv", nodes=("n1",), provider=cpu, reason="too wide"),))
    silent = verdict(proof)
    assert (silent.exit_code, silent.results[2].measured, silent.results[2].reason) == (0, 0.0, "")
    written = verdict(proof, max_off_provider="0nodes")
    assert (written.exit_code, written.results[0].measured) == (21, 2.0)
    assert written.results[0].reason == (
        "off Fast: Conv n1 on CPUExecutionProvider (too wide), Conv n2 on CPUExecutionProvider"
    )
    assert verdict(proof, max_off_provider="1node").exit_code == 21
    assert verdict(proof, max_off_provider="2nodes").exit_code == 0
    assert of(placed("Fast", "Fast"), max_off_provider="0nodes").reason == ""


def test_where_the_runtime_cannot_see_is_off_every_provider():
    proof = placed("Fast", "unknown")
    assert verdict(proof).results[2].reason == "Conv n1 on unknown"
    assert of(proof, max_off_provider="0nodes").reason == "off Fast: Conv n1 on unknown"


def test_computing_with_shapes_leaves_nothing():
    """ONNX Runtime keeps it on the CPU beside any provider; where it runs nowhere else it counts, as before."""
    shaped = {"macs": 0, "outputs": (("int64", (4,)),)}
    for provider, count in (("CPUExecutionProvider", 0.0), ("Other", 1.0)):
        shape = replace(kernel("shape", 0, provider=provider), **shaped)
        proof = replace(placed(), placement=Placement(kernels=(kernel("a", 1, provider="Fast"), shape), evidence="e"))
        assert of(proof, max_off_provider="0nodes").measured == count
        assert verdict(proof).results[2].measured == count


def test_a_target_of_the_cpu_alone_has_one_meaning():
    kernels = (kernel("a", 1), kernel("b", 1, provider="Other"))
    proof = replace(PROOF, placement=Placement(kernels=kernels, evidence="e"), wanted="CPUExecutionProvider")
    for result in (verdict(proof).results[2], of(proof, max_off_provider="0nodes")):
        assert (result.status, result.measured, result.reason) == ("broken", 1.0, "Conv b on Other")


@pytest.mark.parametrize(
    ("found", "code", "reason"),
    [
        ({"exact": True, "sqnr_db": None, "agrees": True}, 0, ""),
        ({"exact": False, "sqnr_db": 131.0, "agrees": True}, 0, "not bit-identical to the model: 131.0 dB apart"),
        ({"exact": False, "sqnr_db": 9.04, "agrees": False}, 25, "it does not answer as the model: 9.0 dB apart"),
        (
            {"exact": False, "sqnr_db": None, "agrees": False},
            25,
            "it does not answer as the model: the outputs differ",
        ),
    ],
)
def test_ort_format(found, code, reason):
    ort = OrtProof(model="model.ort", runtime="r", style="fixed", steps=2, **found)
    result = verdict(replace(PROOF, ort=ort))
    assert result.exit_code == code
    assert (result.results[-1].id, result.results[-1].n, result.results[-1].reason) == ("ort", 2, reason)


# --- not executed -----------------------------------------------------------------------------------------------------


def test_foreign_kernels_prove_accuracy_but_neither_speed_nor_placement():
    foreign = replace(PROOF, unexecuted="the target's instruction set is arm64, this machine's is x86_64")
    found = verdict(foreign, max_drop="2pt", max_p95="1ms", min_integer_macs="99%", max_peak_memory="1KB")
    assert (found.word, found.exit_code) == ("checked", 0)
    assert {result.id: result.status for result in found.results} == {
        "accuracy_drop": "met", "p95": "unknown", "integer_macs": "unknown", "peak_memory": "unknown",
        "finite": "met", "golden": "met",
        "off_provider": "unknown",
    }  # fmt: skip
    assert found.results[1].reason == (
        "not executed on the target's own kernels: the target's instruction set is arm64, this machine's is x86_64"
    )
    assert verdict(foreign, max_drop="0.1pt").exit_code == 10


def test_where_nothing_runs_only_the_size_is_judged():
    nothing = replace(
        PROOF, unexecuted="no runtime", golden=None, placement=None, evaluation=None, latency=(), load_seconds=None
    )
    found = verdict(nothing, max_size="5MB", max_drop="1pt")
    assert (found.word, found.exit_code) == ("checked", 0)
    assert verdict(nothing, max_size="1MB").exit_code == 15


def test_notes_stand_in_the_verdict():
    assert verdict(replace(PROOF, notes=("held out",))).notes == ("held out",)


# --- adapters ---------------------------------------------------------------------------------------------------------


def with_adapter(noise_db: float, **golden) -> AdapterProof:
    compared = replace(EVALUATION, outputs=(output(sqnr_db=noise_db),))
    replayed = GoldenProof(**{"exact": True, "sqnr_db": None, "nonfinite": 0, "steps": 1, "agrees": True, **golden})
    return AdapterProof(name="law", golden=replayed, evaluation=compared)


@pytest.mark.parametrize(
    ("limit", "sqnr_db", "status", "measured", "reason"),
    [
        ("20dB", 21.0, "met", 21.0, "with adapter 'law': worst output: y"),
        ("20dB", 30.0, "met", 25.0, "worst output: y"),
        ("20dB", 19.0, "broken", 19.0, "with adapter 'law': worst output: y"),
        ("27dB", 30.0, "broken", 25.0, "worst output: y"),
    ],
)
def test_a_limit_holds_with_every_adapter(limit, sqnr_db, status, measured, reason):
    result = of(replace(PROOF, adapters=(with_adapter(40.0), with_adapter(sqnr_db))), min_sqnr=limit)
    assert (result.status, result.measured, result.reason) == (status, measured, reason)


def test_golden_outputs_are_asked_with_every_adapter():
    differs = with_adapter(40.0, exact=False, sqnr_db=3.0, agrees=False)
    found = verdict(replace(PROOF, adapters=(differs,)))
    assert found.exit_code == 23
    (golden,) = (result for result in found.results if result.id == "golden")
    assert golden.reason == "with adapter 'law': not bit-identical to the golden outputs: 3.0 dB"


def test_labels_are_of_the_bundle_without_adapters():
    worse = replace(with_adapter(40.0), evaluation=replace(EVALUATION, metric=replace(METRIC, drop=0.5)))
    assert of(replace(PROOF, adapters=(worse,)), max_drop="2pt").status == "met"
