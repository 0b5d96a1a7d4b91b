"""`edgec prove`: measure a bundle on this machine and judge it by a contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import ContractOptions, EvaluationOptions, TalkOptions

__all__ = ["EXAMPLES", "prove"]

EXAMPLES = """
edgec prove out/ --evaluation eval.npz --model model.onnx --max-drop 1pt
edgec prove out/ --evaluation eval.npz --config edgec.toml --format json
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
    from ..prove import prove as make_verdict
    from ..report.json import proof_json
    from ..report.layout import heading
    from ..report.text import proof_facts, verdict_line, verdict_table
    from .console import print_json, print_text
    from .request import positive, proof_settings, thread_counts
    from .talk import talking

    bundle = Bundle.open(proof.bundle)
    with talking(talk) as talker:
        verdict = make_verdict(
            bundle,
            float_model=proof.float_model,
            latency_runs=positive("--latency-runs", proof.latency_runs) or 0,
            threads=thread_counts(proof.threads),
            progress=talker.progress,
            **proof_settings(evaluation, contract, talker),
        ).to_json()
    found = proof_json(bundle, "proof")
    if talk.json:
        print_json({"bundle": str(bundle.path), "digest": bundle.digest, "proof": found, "verdict": verdict})
    else:
        if found is not None:
            print_text(proof_facts(found))
        print_text(heading("Contract"), verdict_table(verdict), verdict_line(verdict))
    return int(str(verdict["exit_code"]))
