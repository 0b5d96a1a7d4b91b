"""What a page says, before there is any HTML: from the records of a proof to words and numbers."""

from __future__ import annotations

from typing import Any

import pytest
from support.pages import kernel, latency, metric, result, sources

from edgec.compiler.report.page.against_float import cards, latency_rows, load_text, output_rows, samples_text
from edgec.compiler.report.page.clauses import banner_of, clause_rows
from edgec.compiler.report.page.kernels import kernels_of
from edgec.compiler.report.page.numbers import between, duration, limit_text, number, quantity
from edgec.compiler.report.page.origin import date_text, provenance, recipe_of, when
from edgec.compiler.report.page.places import places_of
from edgec.compiler.report.page.ribbon import stretches
from edgec.compiler.report.page.sources import Sources
from edgec.compiler.report.page.svg import Ids
from edgec.compiler.report.page.values import depth_of, histograms_of
from edgec.compiler.report.page.view import page_of


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.37953, "x", "0.3795×"),
        (35.654, "dB", "35.65\N{NO-BREAK SPACE}dB"),
        (-0.1, "pt", "−0.1\N{NO-BREAK SPACE}pt"),
        (0.0, "pt", "0\N{NO-BREAK SPACE}pt"),
        (-0.0, "pt", "0\N{NO-BREAK SPACE}pt"),
        (100.0, "%", "100%"),
        (74093.0, "KB", "74093\N{NO-BREAK SPACE}KB"),
        (0.0000123, "abs", "1.23 × 10⁻⁵"),
        (1.0, "nodes", "1 node"),
        (3.0, "partition", "3 partitions"),
        (17.0, "version", "17"),
        (0.9, "cos", "0.9"),
    ],
)
def test_quantities_carry_their_units(value: float, unit: str, shown: str) -> None:
    assert quantity(value, unit) == shown


def test_numbers_keep_the_digits_that_are_known() -> None:
    assert [number(each, 3) for each in (0.0, 1234.5, -5.839, 0.5)] == ["0", "1234", "−5.84", "0.5"]
    assert between((-0.597, 0.597), "pt") == "−0.597 to 0.597\N{NO-BREAK SPACE}pt"
    assert between(None, "pt") == ""
    assert duration(0.0000116) == "11.6\N{NO-BREAK SPACE}µs"


def test_limits_are_read_as_they_were_asked() -> None:
    found = [
        limit_text({"limit": limit, "unit": unit}, direction)
        for limit, unit, direction in (
            ("1pt", "pt", "max"), ("60dB", "dB", "min"), ("0nodes", "nodes", "max"), (None, None, "max"),
            ("1.20", "release", "min"), ("17", "version", "max"),
        )
    ]  # fmt: skip
    assert found == ["at most 1\N{NO-BREAK SPACE}pt", "at least 60\N{NO-BREAK SPACE}dB", "at most 0 nodes", "",
                     "to open in 1.20", "at most 17"]  # fmt: skip


BROKEN = [
    result("finite", "met", measured=0.0, n=500),
    result("sqnr", "broken", limit="60dB", measured=35.65, unit="dB", n=500, reason="worst output: logits"),
    result("accuracy_drop", "inconclusive", limit="1pt", measured=0.9, unit="pt", interval=[-0.4, 2.4], n=500),
    result("size", "broken", limit="10KB", measured=74.09, unit="KB"),
]


def banner(found: Sources) -> Any:
    return banner_of(found, clause_rows(found, Ids()))


def test_the_banner_names_what_is_broken_with_limit_and_measured_value() -> None:
    found = banner(sources("broken", BROKEN, verdict={"exit_code": 1}))
    assert (found.head, found.lead, found.exit_code) == ("Broken", "2 of 4 clauses are broken.", 1)
    told = [(row.id, row.name, row.limit, row.measured, row.interval) for row in found.clauses]
    space = "\N{NO-BREAK SPACE}"
    assert told == [
        ("sqnr", "SQNR", f"at least 60{space}dB", f"35.65{space}dB", ""),
        ("size", "Size", f"at most 10{space}KB", f"74.09{space}KB", ""),
        ("accuracy_drop", "Accuracy drop", f"at most 1{space}pt", f"0.9{space}pt", f"−0.4 to 2.4{space}pt"),
    ]


def test_what_is_not_met_stands_before_what_is() -> None:
    rows = clause_rows(sources("broken", BROKEN), Ids())
    assert [row.status for row in rows] == ["broken", "broken", "inconclusive", "met"]


@pytest.mark.parametrize(
    ("word", "results", "contract", "lead"),
    [
        (
            "proved",
            [result("finite", "met", measured=0.0)],
            (),
            "No limit was set; what is always asked (1 clause) is met.",
        ),
        (
            "proved",
            [result("size", "met", limit="1MB", measured=0.1, unit="MB"), result("finite", "met", measured=0.0)],
            ("size",),
            "All 2 clauses of the contract are met.",
        ),
        (
            "inconclusive",
            [result("sqnr", "unknown", limit="20dB", unit="dB"), result("finite", "met", measured=0.0)],
            ("sqnr",),
            "No clause is broken; 1 of 2 is not decided.",
        ),
        (
            "checked",
            [result("p95", "unknown", limit="10ms", unit="ms"), result("finite", "met", measured=0.0)],
            ("p95",),
            "1 of 2 clauses is met; 1 can only be answered by the device.",
        ),
    ],
)
def test_every_verdict_has_its_sentence(word: str, results: list[Any], contract: tuple[str, ...], lead: str) -> None:
    assert banner(sources(word, results, contract=contract)).lead == lead


def test_where_it_was_not_executed_the_banner_says_so() -> None:
    found = banner(
        sources("checked", proof={"unexecuted": "it is another processor", "untimed": "it is another processor"})
    )
    assert (found.head, found.caveats) == (
        "Checked, not executed", ("Not on the target's own kernels: it is another processor.",),
    )  # fmt: skip
    emulated = {"emulated": "qemu-aarch64 8.2", "untimed": "times under qemu are not the device's"}
    assert banner(sources(proof=emulated)).caveats == (
        "Executed on qemu-aarch64 8.2: this proves accuracy and placement, never latency.",
    )


def test_three_figures_against_float() -> None:
    accuracy, size, speed = cards(sources(scored=metric()), Ids())
    space = "\N{NO-BREAK SPACE}"
    assert (accuracy.value, accuracy.lines) == (
        f"90.4{space}pt",
        ("top1 on 500 labelled samples", f"loss against float 1{space}pt (−0.4 to 2.4{space}pt)"),
    )
    assert (size.value, size.lines) == ("0.29×", ("70.6% smaller than the float model",))
    assert (speed.value, speed.lines) == (
        "0.40×", ("of float's time, one thread (0.36 to 0.44×)", f"medians below; 95th percentile 0.24{space}ms"),
    )  # fmt: skip


def test_without_a_metric_the_worst_output_is_the_figure() -> None:
    accuracy, _, _ = cards(sources(), Ids())
    assert accuracy.value == "35.65\N{NO-BREAK SPACE}dB"
    assert accuracy.lines == ("SQNR of logits, the worst output", "no task metric: the samples have no labels")


@pytest.mark.parametrize("why", ["unexecuted", "untimed"])
def test_times_that_are_not_the_devices_stand_nowhere(why: str) -> None:
    found = sources(proof={why: "this is not the device"})
    speed = cards(found, Ids())[2]
    assert (speed.value, speed.lines, speed.drawing) == ("not claimed", ("this is not the device",), None)
    assert latency_rows(found.proof) == ()
    assert load_text(found.proof) == ""


def test_session_options_are_compared_with_the_bundle_without_them() -> None:
    timed = {**latency(1, 0.001, 0.002), "without_options": {"p50": 0.0015, "p95": 0.003, "runs": 100}}
    rows = latency_rows(sources(proof={"latency": [timed]}).proof)
    assert [(row.label, row.p50) for row in rows] == [
        ("1", "1.00\N{NO-BREAK SPACE}ms"), ("1, without session options", "1.50\N{NO-BREAK SPACE}ms"),
    ]  # fmt: skip


def test_a_page_names_files_and_no_folders_of_the_machine() -> None:
    found = sources()
    found.proof["evaluation"]["origin"] = "/home/somebody/secret/photos.npz"
    page = page_of(found)
    assert samples_text(found.proof).endswith(" of photos.npz")
    assert "photos.npz" in repr(page)
    assert "somebody" not in repr(page)


def test_outputs_say_what_they_can() -> None:
    found = sources()
    outputs = found.proof["evaluation"]["outputs"]
    noisy = outputs["logits"]["against_float"]
    outputs["same"] = {**outputs["logits"], "against_float": {**noisy, "exact": True}}
    outputs["ids"] = {**outputs["logits"], "against_float": {**noisy, "cosine": None, "equal_share": 0.5}}
    outputs["nan"] = {**outputs["logits"], "against_float": {**noisy, "nonfinite": 3}}
    assert [(row.name, row.sqnr) for row in output_rows(found.proof)] == [
        ("logits", "35.6\N{NO-BREAK SPACE}dB"), ("same", "identical"), ("ids", "50% equal"), ("nan", "3 not finite"),
    ]  # fmt: skip


COMPILED = {
    "reason": "as asked",
    "seconds": {"load": 0.5, "prove": 2.0},
    "passes": [{"name": "FuseConvBn", "modified": True}, {"name": "DropIdentity", "modified": False}],
    "float_nodes": [
        {"name": "gate", "op": "Conv", "inputs": ["r"], "outputs": ["gated"], "reason": "was measured to be better"},
        {"name": "act", "op": "Sigmoid", "inputs": ["gated"], "outputs": ["gate_out"], "reason": "an operand is float"},
    ],
}


def test_a_fused_float_kernel_has_the_reason_of_the_node_that_computes() -> None:
    found = kernels_of(sources(compiled=COMPILED), Ids())
    assert found is not None
    assert found.lead == ("70% of 1.00 k multiply-accumulates run in integers; the rest lies in 1 float island.",)
    assert [(each.name, each.share, each.why) for each in found.floats] == [
        ("gate_out_nchwc", "30%", "was measured to be better")
    ]
    assert [(each.reason, each.nodes) for each in found.reasons] == [
        ("was measured to be better", ("gate",)), ("an operand is float", ("act",)),
    ]  # fmt: skip
    assert [(each.op, each.runs, each.share) for each in found.kinds] == [
        ("QLinearConv", "integers", "60%"), ("Conv", "float", "30%"), ("QGemm", "integers", "10%"),
    ]  # fmt: skip
    assert found.moving == "1 QuantizeLinear"


def test_what_runs_elsewhere_is_told_with_its_reason() -> None:
    off = {"op": "Resize", "nodes": ["up"], "provider": "CPUExecutionProvider", "reason": "cubic", "mend": "linear"}
    placed = {"wanted": "NnapiExecutionProvider", "wanted_mac_share": 0.9, "off_wanted": [off], "partitions": 3}
    found = kernels_of(sources(placement={**placed, "crossing_bytes": 2048}), Ids())
    assert found is not None
    assert found.lead[1:] == (
        "90% of them run on NNAPI; 1 kernel elsewhere.", "3 partitions; 2.05 kB cross between them in one run.",
    )  # fmt: skip
    assert (found.off[0].reason, found.off[0].mend) == ("cubic", "linear")
    assert {row[2] for row in found.table} == {"CPU (not wanted)"}


def test_a_model_all_in_float_is_no_list_of_islands() -> None:
    placed = {"integer_macs": 0, "integer_mac_share": 0.0, "kernels": [kernel("a", "Conv", 1000)]}
    found = kernels_of(sources(placement=placed, manifest={"scheme": "fp16"}), Ids())
    assert found is not None
    assert (found.lead, found.floats) == (("All 1.00 k multiply-accumulates run in float (scheme fp16).",), ())


def test_nothing_known_of_kernels_is_none() -> None:
    assert kernels_of(sources(proof={"placement": None}), Ids()) is None


def test_neighbours_of_one_kind_are_one_stretch() -> None:
    found = stretches(
        [("integer", "a", 10), ("integer", "b", 5), ("float", "m", 0), ("float", "c", 7), ("integer", "d", 1)]
    )
    assert [(each.kind, each.first, each.last, each.macs) for each in found] == [
        ("integer", "a", "b", 15), ("float", "c", "c", 7), ("integer", "d", "d", 1),
    ]  # fmt: skip


def test_what_ships_comes_before_what_a_diagnosis_examined() -> None:
    depth = {
        "sample": "eval.npz[0]",
        "values": [[0, "x", "input", None], [3, "r", "Relu", 30.0], [5, "y", "Conv", 20.0]],
    }
    diagnosis = {"error_by_depth": [[0, "z", 5.0]], "guilty": []}
    found = depth_of(sources(depth=depth, diagnosis=diagnosis), Ids())
    assert found is not None
    assert found.lowest == (("y", "Conv", "20.0"), ("r", "Relu", "30.0"))
    later = depth_of(sources(diagnosis=diagnosis), Ids())
    assert later is not None
    assert later.lowest == (("z", "", "5.0"),)
    assert depth_of(sources(), Ids()) is None


HISTOGRAM = {
    "name": "r", "reader": "conv", "step": 0.02, "clip": [-1.0, 1.0], "span": [-1.5, 1.5],
    "counts": {"calibration": [1, 2, 3, 2], "evaluation": [0, 2, 3, 3]}, "sqnr_db": 33.3,
}  # fmt: skip


def test_guilty_values_are_drawn_first_and_none_twice() -> None:
    guilty = {**HISTOGRAM, "name": "both", "counts": {"observed": [1, 2, 3, 2]}}
    coverage = {"mismatched": [], "histograms": [HISTOGRAM, {**HISTOGRAM, "name": "both"}]}
    diagnosis = {"error_by_depth": [], "guilty": [guilty], "cause": "shared-scale clash"}
    found = histograms_of(sources(coverage=coverage, diagnosis=diagnosis), Ids())
    assert found is not None
    assert ([each.name for each in found.drawn], found.two) == (["both", "r"], True)
    assert found.about == "First what the named cause, shared-scale clash, is about, then what loses most by rounding."
    assert histograms_of(sources(), Ids()) is None


def test_passes_that_changed_nothing_are_known() -> None:
    passes = [{"kind": "FuseConvBn"}, {"kind": "DropIdentity", "most": 16, "rules": [{"ops": ["Conv"] * 40}]}]
    found = recipe_of(sources(compiled=COMPILED, recipe={"passes": passes}))
    assert [(each.kind, each.options, each.changed) for each in found.passes] == [
        ("FuseConvBn", "", True), ("DropIdentity", "most = 16, rules = [1]", False),
    ]  # fmt: skip
    assert (found.total, found.stages) == (
        "2.50\N{NO-BREAK SPACE}s", (("load", "500\N{NO-BREAK SPACE}ms"), ("prove", "2.00\N{NO-BREAK SPACE}s")),
    )  # fmt: skip
    alone = recipe_of(sources(recipe={"passes": passes}))
    assert ([each.changed for each in alone.passes], alone.total) == ([None, None], "")


def test_the_date_is_the_proofs() -> None:
    assert date_text("2026-11-21T21:06:20+00:00") == "21 November 2026"
    assert when("2026-11-21T21:06:20+00:00") == "21 November 2026, 21:06 UTC"
    facts = {name: fact for name, fact, _ in provenance(sources())}
    assert facts["Date"] == "21 November 2026, 21:06 UTC"
    assert facts["Calibration"] == "200 samples of calib.npz, seed 0, sha256 cccccccccccc"
    assert "Session options" not in facts


def test_other_places_are_one_row_each() -> None:
    proof = {**sources(scored=metric()).proof, "apart": {"logits": {"max_steps": 1.5}}, "emulated": "qemu"}
    place = {"place": "raspberry-pi-4", "proof": proof, "verdict": {"word": "proved"}}
    (row,) = places_of(sources(portability={"places": [place]}))
    assert (row.place, row.word, row.steps, row.integers) == ("raspberry-pi-4", "proved", "1.5", "70%")
    assert places_of(sources()) == ()


def test_notes_of_verdict_and_manifest_are_told_once() -> None:
    assert page_of(sources(manifest={"notes": ["said", "held out"]})).notes == ("said", "held out")


def test_a_model_that_came_from_no_file_has_a_name() -> None:
    assert page_of(sources(manifest={"source": {"origin": "<onnx_ir.Model>", "digest": ""}})).model == "Model in memory"
