"""`edgec compile`: the whole journey, from a model to a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .groups import takes_groups
from .options import (
    CalibrationOptions,
    ContractOptions,
    EvaluationOptions,
    ModelOptions,
    OutputOptions,
    PassOptions,
    TalkOptions,
    TargetOptions,
)
from .quantize_options import QuantizeOptions

if TYPE_CHECKING:
    from ..compile import CompileResult
    from ..report.census import Census
    from ..request import CompileRequest

__all__ = ["EXAMPLES", "compile"]

EXAMPLES = """
edgec compile model.onnx --calibration calib.npz --evaluation eval.npz -o out/
edgec compile model.onnx -t arm64 --calibration images/ --config edgec.toml -o out/
edgec compile model.onnx --calibration calib.npz --max-drop 1pt --max-latency-ratio 1.0x -o out/
edgec compile model.onnx --precision int8 --calibration data.py:feeds --nodes-to-exclude '^head/' -o out/
"""


@takes_groups
def compile(
    model: ModelOptions,
    target: TargetOptions,
    calibration: CalibrationOptions,
    evaluation: EvaluationOptions,
    quantize: QuantizeOptions,
    contract: ContractOptions,
    output: OutputOptions,
    passes: PassOptions,
    talk: TalkOptions,
) -> int:
    """Compile a model for a target into a bundle, prove it, and print the verdict.

    The exit code is the verdict's: see `edgec --help`. Without calibration samples ranges are taken at run
    time, or only weights are made small, whichever fits the model.
    """
    from dataclasses import replace

    from ...errors import OptionError
    from ..report.census import Census
    from .console import print_json, print_text
    from .request import project_file, request_of
    from .talk import talking
    from .unmatched import Unmatched

    if output.dry_run:
        from .plan import show_plan

        return show_plan(model, target, calibration, evaluation, quantize, contract, passes, talk)
    source, folder = model.source, output.output  # a model that is missing is told first
    if folder is None:
        raise OptionError("-o/--output", "is missing", remedy="Name the folder of the bundle, say -o out/")

    from ...bundle import COMPONENTS, MANIFEST
    from ..building.outcome import exit_code_of
    from ..compile import compile_request
    from ..components import compile_components, components_of
    from ..depfile import sources_of, write_depfile
    from ..report.json import compiled_json
    from ..report.layout import heading

    with talking(talk) as talker:

        def asked() -> tuple[CompileRequest, Census]:
            census = Census()
            request = request_of(
                model, target, calibration, evaluation, quantize, contract, passes, talker, output=output, census=census
            )
            return request, census

        first = asked()
        names = components_of(source)
        asks = {name: asked() for name in names} if names else {"": first}
        results = (
            compile_components({name: request for name, (request, _) in asks.items()})
            if names
            else {"": compile_request(first[0])}
        )
        if output.depfile is not None:
            project = () if (file := project_file(evaluation.config)) is None else (file,)
            made = folder / (COMPONENTS if names else MANIFEST)
            # All models of a source are of the same files.
            reads = replace(first[0], model=f"{source}#{names[0]}") if names else first[0]
            write_depfile(output.depfile, {made: sources_of(reads, *project)})
        for request, _ in asks.values():
            for observer in request.observers:
                for line in observer.found if isinstance(observer, Unmatched) else ():
                    talker.say(f"warning: {line}")
    if talk.json:
        told = {name: compiled_json(result, asks[name][1]) for name, result in results.items()}
        print_json({"components": told} if names else told[""])
    else:
        for name, result in results.items():
            if name:
                print_text(heading(name.capitalize()))
            _show(result, *asks[name], talk)
    return exit_code_of([0 if each.verdict is None else each.verdict.exit_code for each in results.values()])


def _show(result: CompileResult, request: CompileRequest, census: Census, talk: TalkOptions) -> None:
    """Print what a compile made, its proof and its verdict."""
    from ..report.checked import checked_table
    from ..report.compiled import compiled_facts, float_nodes
    from ..report.diagnosed import diagnosed
    from ..report.layout import heading
    from ..report.page import PAGE
    from ..report.records import proof_json
    from ..report.text import proof_facts, verdict_line, verdict_table
    from .console import print_text

    print_text(compiled_facts(result, census))
    if talk.verbose and result.skipped:
        print_text(heading("Float nodes"), float_nodes(result.skipped))
    proof = proof_json(result.bundle, "proof")
    if proof is None or result.verdict is None:
        return
    verdict = result.verdict.to_json()
    print_text(heading("Proof"), proof_facts(proof))
    if talk.verbose and proof["checked"] is not None:
        print_text(heading("Node by node"), checked_table(proof["checked"]))
    if result.diagnosis is not None:
        print_text(heading("Diagnosis"), *diagnosed(result.diagnosis))
    if request.report:
        print_text(heading("Report"), str(result.bundle.proof / PAGE))
    print_text(heading("Contract"), verdict_table(verdict), verdict_line(verdict))
