"""One bundle on several places: this process and another interpreter, which always is at hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from support.classifier import CLASSES, classifier, images

import edgec
from edgec.bundle import Bundle
from edgec.compiler.contract import Contract, Verdict
from edgec.compiler.portability import Portability, Proved, prove_on
from edgec.compiler.prove import prove
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


def test_times_of_another_place_are_excused_not_met(bundle: Bundle) -> None:
    contract = Contract.from_flags(max_p95="1s", min_integer_macs="1%")
    verdict = prove(bundle, on=ELSEWHERE, contract=contract, write=False)
    results = {result.id: result for result in verdict.results}
    assert verdict.word == "proved"
    assert (results["p95"].status, results["integer_macs"].status) == ("unknown", "met")
    assert results["p95"].reason == f"not timed: times under {ELSEWHERE} are not the device's"


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


def test_layers_that_saturate_are_named(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor is told to be one without VNNI, and the place to answer otherwise: the layers are computed."""
    from dataclasses import replace

    from edgec.compiler import portability
    from edgec.compiler.proving.steps import OutputSteps
    from edgec.runtimes.compare import compare

    honest = portability.measure
    other = compare({"y": np.ones(2)}, {"y": np.zeros(2)})["y"]

    def lying(*arguments, **options):
        proof = honest(*arguments, **options)
        apart = {"y": OutputSteps(step=1.0, max_steps=1.0, comparison=other)}
        return replace(proof, isa="x86_64+avx2", apart=apart)

    asked = []
    monkeypatch.setattr(portability, "measure", lying)
    monkeypatch.setattr(portability, "predict", lambda model, samples, isa: asked.append((isa, len(samples))) or ())
    prove_on(bundle, [ELSEWHERE], evaluation=EVALUATION, samples=3, write=False)
    assert asked == [("x86_64+avx2", 3)]
