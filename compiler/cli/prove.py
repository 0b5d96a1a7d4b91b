"""`edgec prove`: measure a bundle on this machine and judge it by a contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from .groups import takes_groups
from .options import ContractOptions, EvaluationOptions, TalkOptions

if TYPE_CHECKING:
    from ...bundle import Bundle

__all__ = ["EXAMPLES", "prove"]

EXAMPLES = """
edgec prove out/ --evaluation eval.npz --model model.onnx --max-drop 1pt
edgec prove out/ --evaluation eval.npz --config edgec.toml --format json
edgec prove out/ --evaluation eval.npz --model model.onnx --on raspberry-pi-4,raspberry-pi-5,x86-64-avx2
"""
_PROOF = "Proof"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProofOptions:
    """Which bundle, against what."""

    bundle: Annotated[str, Argument(metavar="BUNDLE", help="Folder that `edgec compile` wrote.", show_default=False)]
    float_model: Annotated[
        str | None,
        Option(
            "-m", "--model", "--float-model",
            metavar="MODEL",
            help="The float model it was compiled from; without it nothing is said against float.",
            rich_help_panel=_PROOF,
        ),
    ] = None  # fmt: skip
    on: Annotated[
        str | None,
        Option(
            "--on",
            metavar="PLACE,PLACE,...",
            help="Runtimes or targets to run it on (edgec runtime list, edgec targets); several are compared.",
            rich_help_panel=_PROOF,
        ),
    ] = None
    probe: Annotated[
        bool,
        Option(
            "--probe/--no-probe",
            help="Try what ran off the provider wanted in other forms, to find out why.",
            rich_help_panel=_PROOF,
        ),
    ] = True
    report: Annotated[
        bool,
        Option("--report/--no-report", help="Write proof/report.html, the proof for people.", rich_help_panel=_PROOF),
    ] = True
    latency_runs: Annotated[
        int,
        Option("--latency-runs", metavar="N", help="Timed runs of each session, at most.", rich_help_panel=_PROOF),
    ] = 100
    threads: Annotated[
        str, Option("--threads", metavar="N,N,...", help="Thread counts to time.", rich_help_panel=_PROOF)
    ] = "1,2"


@takes_groups
def prove(proof: ProofOptions, evaluation: EvaluationOptions, contract: ContractOptions, talk: TalkOptions) -> int:
    """Prove a bundle: run it where it will live, compare it with float, judge it by the contract.

    Proof and verdict are written into the bundle's proof/ folder; the exit code is the verdict's.
    """
    from ...bundle import Bundle
    from .request import positive, proof_settings, thread_counts
    from .talk import talking

    bundle = Bundle.open(proof.bundle)
    places = _places(proof.on)
    with talking(talk) as talker:
        settings: dict[str, Any] = {
            "float_model": proof.float_model,
            "latency_runs": positive("--latency-runs", proof.latency_runs) or 0,
            "threads": thread_counts(proof.threads),
            "progress": talker.progress,
            "probe": proof.probe,
            "report": proof.report,
            **proof_settings(evaluation, contract, talker),
        }
        if len(places) > 1:
            from ..portability import prove_on

            found = prove_on(bundle, places, **settings).to_json()
        else:
            from ..prove import prove as make_verdict

            found = make_verdict(bundle, on=places[0] if places else None, **settings).to_json()
    if len(places) > 1:
        _print_places(bundle, found, talk)
    else:
        _print_verdict(bundle, found, talk, report=proof.report)
    return int(str(found["exit_code"]))


def _places(on: str | None) -> tuple[str, ...]:
    return tuple(word for each in (on or "").split(",") if (word := each.strip()))


def _print_verdict(bundle: Bundle, verdict: Mapping[str, Any], talk: TalkOptions, *, report: bool) -> None:
    from ..report.checked import checked_table
    from ..report.layout import heading
    from ..report.page import PAGE
    from ..report.records import proof_json
    from ..report.text import proof_facts, verdict_line, verdict_table
    from .console import print_json, print_text

    found = proof_json(bundle, "proof")
    if talk.json:
        print_json({"bundle": str(bundle.path), "digest": bundle.digest, "proof": found, "verdict": verdict})
        return
    if found is not None:
        print_text(proof_facts(found))
        if talk.verbose and found["checked"] is not None:
            print_text(heading("Node by node"), checked_table(found["checked"]))
    if report:
        print_text(heading("Report"), str(bundle.proof / PAGE))
    print_text(heading("Contract"), verdict_table(verdict), verdict_line(verdict))


def _print_places(bundle: Bundle, found: Mapping[str, Any], talk: TalkOptions) -> None:
    from ..report.layout import heading
    from ..report.portability import portability_report
    from ..report.text import verdict_line, verdict_table
    from .console import print_json, print_text

    if talk.json:
        print_json({"path": str(bundle.path), **found})
        return
    print_text(portability_report(found))
    for place in found["places"]:
        verdict = place["verdict"]
        broken = [result for result in verdict["results"] if result["status"] == "broken"]
        if broken:
            print_text(heading(place["place"]), verdict_table({"results": broken}), verdict_line(verdict))
