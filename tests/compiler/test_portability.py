"""One bundle on several places: this process and another interpreter, which always is at hand."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console
from support.classifier import CLASSES, classifier, images
from support.planted import saturating

import edgec
from edgec import runtimes
from edgec.bundle import Bundle
from edgec.compiler.contract import Contract, Verdict
from edgec.compiler.diagnosing.avx2_kernels import Avx2Kernels
from edgec.compiler.portability import Portability, Proved, prove_on
from edgec.compiler.prove import prove
from edgec.compiler.proving import measure
from edgec.compiler.report.portability import portability_report
from edgec.errors import HostError, TargetError

ELSEWHERE = f"python:{sys.executable}"
EVALUATION = [{"image": image[None], "label": k % CLASSES} for k, image in enumerate(images(6, seed=1))]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("portability")
    return edgec.compile(
        classifier(), calibration=[{"image": image[None]} for image in images()], output=folder / "out", prove=False
    )


def test_another_interpreter_answers_alike(bundle: Bundle) -> None:
    found = prove_on(bundle, ["host", ELSEWHERE], evaluation=EVALUATION, float_model=classifier(), latency_runs=10)
    here, there = found.places
    assert (found.exit_code, here.place, there.place) == (0, "host", ELSEWHERE)
    assert here.proof.apart is None
    assert all(each.max_steps == 0 and each.comparison.exact for each in (there.proof.apart or {}).values())
    kept_here, kept_there = (json.loads(json.dumps(each.to_json()))["proof"] for each in found.places)
    assert kept_there["placement"]["integer_mac_share"] == kept_here["placement"]["integer_mac_share"] == 1.0
    # The metric is of the place, float of this process: both see the same samples.
    assert kept_there["evaluation"]["metric"] == kept_here["evaluation"]["metric"] is not None
    assert [len(here.proof.latency), len(there.proof.latency)] == [2, 0]


def test_what_was_found_lies_in_the_bundle(bundle: Bundle) -> None:
    found = prove_on(bundle, [ELSEWHERE], evaluation=EVALUATION)
    kept = json.loads((bundle.proof / "portability.json").read_text())
    assert kept == json.loads(json.dumps(found.to_json()))
    assert kept["bundle"] == bundle.digest
    assert [place["place"] for place in kept["places"]] == [ELSEWHERE]


def test_ratios_of_another_place_are_excused_not_met(bundle: Bundle) -> None:
    contract = Contract.from_flags(max_latency_ratio="1x", min_integer_macs="1%")
    verdict = prove(bundle, on=ELSEWHERE, contract=contract, write=False)
    results = {result.id: result for result in verdict.results}
    assert (verdict.word, verdict.exit_code) == ("proved", 0)
    assert (results["latency_ratio"].status, results["integer_macs"].status) == ("unknown", "met")
    assert results["latency_ratio"].reason == f"not timed: times under {ELSEWHERE} are not the device's"


@pytest.mark.parametrize(("flag", "clause"), [("max_p95", "p95"), ("max_load_time", "load_time")])
def test_milliseconds_limited_where_no_time_is_the_devices_are_undecided(
    bundle: Bundle, flag: str, clause: str
) -> None:
    verdict = prove(bundle, on=ELSEWHERE, contract=Contract.from_flags(**{flag: "1s"}), write=False)
    assert (verdict.word, verdict.exit_code) == ("inconclusive", 5)
    assert verdict.results[0].id == clause
    assert verdict.results[0].reason == (
        f"not timed: times under {ELSEWHERE} are not the device's; "
        "prove it on the device, --on ssh:MACHINE, or check its receipt"
    )


def test_a_place_that_is_missing_is_an_error_before_anything_runs(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="is no program"):
        prove_on(bundle, ["host", f"python:{tmp_path}"], evaluation=lambda: pytest.fail("it ran"))
    with pytest.raises(TargetError, match="is neither a runtime nor a target"):
        prove_on(bundle, ["host", "nowhere"], evaluation=lambda: pytest.fail("it ran"))


@pytest.mark.parametrize(("codes", "code"), [((0, 0), 0), ((0, 14), 14), ((14, 14), 14), ((10, 14), 1), ((5, 0), 5)])
def test_the_exit_code_is_the_one_all_failures_share(bundle: Bundle, codes: tuple[int, ...], code: int) -> None:
    proof = prove_on(bundle, ["host"], latency_runs=1, write=False).places[0].proof
    verdicts = [Verdict(results=(), word="broken", exit_code=each) for each in codes]
    places = tuple(Proved(place=str(k), proof=proof, verdict=each) for k, each in enumerate(verdicts))
    assert Portability(bundle="", places=places).exit_code == code


@pytest.mark.parametrize("seed", range(2))
def test_layers_that_saturate_are_named_and_mended(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a place that computes as AVX2 does: exactly the planted layers, and 7 bits there bring accuracy back."""
    planted, names = saturating(seed)
    made = edgec.compile(
        planted.model,
        target="x86-64-vnni",
        scheme="a8w8",
        calibration=planted.calibration,
        output=tmp_path / "out",
        prove=False,
        search=False,
    )
    monkeypatch.setitem(runtimes.RUNTIMES, "avx2", lambda: Avx2Kernels(runtimes.runtime("onnxruntime-cpu")))
    monkeypatch.setattr(measure, "_isa", lambda facts: "x86_64+avx2")
    found = prove_on(made, ["avx2"], evaluation=planted.evaluation, float_model=planted.model)
    saturation = found.places[0].saturation
    assert saturation is not None
    assert {layer.node for layer in saturation.layers} == set(names)
    assert saturation.sqnr_db is not None
    assert saturation.repaired_sqnr_db is not None
    assert saturation.sqnr_db < 15 < 25 < saturation.repaired_sqnr_db
    page = Console(width=200, record=True, file=io.StringIO())
    page.print(portability_report(found.to_json()))
    text = page.export_text()
    assert f"{saturation.sqnr_db:.1f} dB against float there become {saturation.repaired_sqnr_db:.1f} dB" in text
    assert "[compile]" in text
    assert saturation.repair[0] in text


def test_nothing_is_said_to_saturate_where_answers_agree(bundle: Bundle) -> None:
    assert prove_on(bundle, [ELSEWHERE], evaluation=EVALUATION, write=False).places[0].saturation is None
