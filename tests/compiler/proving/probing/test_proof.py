"""No silent fallback: proof, clause and report say what ran off the provider wanted, and why."""

from __future__ import annotations

import io
import json
from pathlib import Path

import onnx_ir as ir
import pytest
from rich.console import Console
from support.classifier import classifier, images
from support.picky import PICKY, Picky

import edgec
from edgec.bundle import Bundle, read_manifest
from edgec.compiler.contract import Contract, Verdict
from edgec.compiler.portability import Portability, Proved
from edgec.compiler.proving.judge import judge
from edgec.compiler.proving.measure import measure
from edgec.compiler.proving.places import Place
from edgec.compiler.proving.proof import Proof
from edgec.compiler.report.portability import portability_report
from edgec.compiler.report.text import proof_facts

CPU = "CPUExecutionProvider"
NOTHING = Picky(takes=lambda seen: False)
SIGNED = Picky(takes=lambda seen: seen.inputs[:2] == ("int8", "int8"))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    samples = [{"image": each[None]} for each in images(8)]
    return edgec.compile(
        ir.from_proto(classifier()), target="x86-64-vnni", calibration=samples, output=tmp_path / "out", prove=False
    )


def wanting(bundle: Bundle, *providers: str) -> Bundle:
    """The bundle of a target that wants these providers."""
    file = bundle.path / "manifest.json"
    manifest = read_manifest(file)
    manifest["target"]["providers"] = list(providers)
    file.write_text(json.dumps(manifest), encoding="utf-8")
    return Bundle.open(bundle.path)


def proved(bundle: Bundle, place: Picky, *, probe: bool = True) -> tuple[Proof, Verdict]:
    proof = measure(bundle, place=Place(runtime=place, untimed="not the device"), probe=probe)
    return proof, judge(Contract(), proof)


def shown(renderable: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=400).print(renderable)
    return stream.getvalue()


def off(verdict: Verdict) -> tuple[str, str]:
    result = next(result for result in verdict.results if result.id == "off_provider")
    return result.status, result.reason


def test_a_provider_that_takes_nothing_stands_in_the_report(bundle: Bundle) -> None:
    proof, verdict = proved(wanting(bundle, PICKY, CPU), NOTHING)
    assert proof.placement is not None
    text = shown(proof_facts(proof.to_json()))
    assert f"0 of {proof.placement.macs / 1000:.2f} k MACs on {PICKY}" in text
    products = [kernel for kernel in proof.placement.kernels if kernel.macs]
    for op in {kernel.op_type.removeprefix("Q") for kernel in products}:
        assert f"takes no {op} in any form tried (" in text
    named = {name for each in proof.off_wanted for name in each.nodes}
    assert named == {kernel.name for kernel in proof.placement.kernels}
    assert off(verdict) == ("met", ""), "the target allows the CPU's"


def test_a_limit_that_is_written_counts_what_the_processor_got(bundle: Bundle) -> None:
    proof, _ = proved(wanting(bundle, PICKY, CPU), NOTHING)
    assert proof.placement is not None
    kernels = proof.placement.kernels
    verdict = judge(Contract.from_flags(max_off_provider="0nodes"), proof)
    result = verdict.results[0]
    assert (verdict.exit_code, result.measured) == (21, len(kernels))
    why = {name: each.reason for each in proof.off_wanted for name in each.nodes}
    first = kernels[0]
    assert result.reason.startswith(f"off {PICKY}: {first.op_type} {first.name} on {CPU} ({why[first.name]}), ")
    assert result.reason.endswith(f" and {len(kernels) - 3} more")
    taken, _ = proved(wanting(bundle, PICKY, CPU), Picky(takes=lambda seen: True))
    assert judge(Contract.from_flags(max_off_provider="0nodes"), taken).exit_code == 0


def test_the_proof_names_reason_and_mend(bundle: Bundle) -> None:
    proof, _ = proved(wanting(bundle, PICKY, CPU), SIGNED)
    placement = proof.to_json()["placement"]
    assert isinstance(placement, dict)
    assert placement["wanted"] == PICKY
    assert placement["wanted_mac_share"] == 0.0
    convs = [each for each in placement["off_wanted"] if each["op"] == "QConv"]
    assert [(each["provider"], each["reason"], each["mend"]) for each in convs] == [
        (
            CPU,
            "takes int8 activations with int8 weights, not uint8 with int8",
            'a target file with base = "x86-64-vnni" and a rule for Conv with these types',
        )
    ]
    assert json.loads(json.dumps(placement)) == placement


def test_off_every_provider_breaks_the_contract_and_says_why(bundle: Bundle) -> None:
    proof, verdict = proved(wanting(bundle, PICKY), SIGNED)
    status, reason = off(verdict)
    assert verdict.exit_code == 21
    assert status == "broken"
    assert proof.placement is not None
    first = proof.placement.kernels[0]
    why = {name: each.reason for each in proof.off_wanted for name in each.nodes}
    assert reason.startswith(f"{first.op_type} {first.name} on {CPU} ({why[first.name]}), ")


def test_a_bundle_for_the_cpu_on_a_place_of_another_provider(bundle: Bundle) -> None:
    """The place's provider is what is looked at there."""
    proof, _ = proved(bundle, SIGNED)
    assert proof.wanted == PICKY
    assert "0 of " in shown(proof_facts(proof.to_json()))


def test_what_is_taken_is_not_explained(bundle: Bundle) -> None:
    place = Picky(takes=lambda seen: True)
    proof, _ = proved(wanting(bundle, PICKY), place)
    assert proof.off_wanted == ()
    text = shown(proof_facts(proof.to_json()))
    assert f"MACs on {PICKY}" in text
    assert "off " not in text


def test_it_can_be_left_out(bundle: Bundle) -> None:
    place = Picky(takes=lambda seen: False)
    proof, verdict = proved(wanting(bundle, PICKY), place, probe=False)
    assert {each.reason for each in proof.off_wanted} == {"not tried, as asked (--no-probe)"}
    assert {name for each in proof.off_wanted for name in each.nodes} == {
        kernel.name
        for kernel in proved(wanting(bundle, PICKY), Picky(takes=lambda seen: False))[0].placement.kernels  # type: ignore[union-attr]
    }
    assert {each.forms for each in proof.off_wanted} == {0}
    assert len(place.opened) == 1
    assert off(verdict)[0] == "broken", "it is off all the same"


def test_the_processor_alone_has_nothing_to_explain(bundle: Bundle) -> None:
    place = Picky(takes=lambda seen: False, providers=(CPU,))
    proof, _ = proved(bundle, place)
    assert (proof.wanted, proof.off_wanted) == (CPU, ())
    assert " MACs on " not in shown(proof_facts(proof.to_json()))


def test_several_places_at_once(bundle: Bundle) -> None:
    proof, verdict = proved(wanting(bundle, PICKY, CPU), SIGNED)
    found = Portability(bundle="", places=(Proved(place="there", proof=proof, verdict=verdict),)).to_json()
    text = shown(portability_report(found))
    assert f"0 of {proof.placement.macs / 1000:.2f} k MACs on {PICKY}" in text  # type: ignore[union-attr]
    assert ": takes int8 activations with int8 weights, not uint8 with int8; to mend it: a target file" in text
