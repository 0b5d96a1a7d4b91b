"""`edgec compile`: the whole journey, from a model to a verdict."""

from __future__ import annotations

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
    from ...errors import OptionError
    from ..report.census import Census
    from .console import print_json, print_text
    from .request import project_file, request_of
    from .talk import talking
    from .unmatched import Unmatched

    if output.dry_run:
        from .plan import show_plan

        return show_plan(model, target, calibration, evaluation, quantize, contract, passes, talk)
    _, folder = model.source, output.output  # a model that is missing is told first
    if folder is None:
        raise OptionError("-o/--output", "is missing", remedy="Name the folder of the bundle, say -o out/")

    from ...bundle import MANIFEST
    from ..compile import compile_request
    from ..depfile import sources_of, write_depfile
    from ..report.checked import checked_table
    from ..report.compiled import compiled_facts, float_nodes
    from ..report.diagnosed import diagnosed
    from ..report.json import compiled_json
    from ..report.layout import heading
    from ..report.page import PAGE
    from ..report.records import proof_json
    from ..report.text import proof_facts, verdict_line, verdict_table

    census = Census()
    with talking(talk) as talker:
        request = request_of(
            model, target, calibration, evaluation, quantize, contract, passes, talker, output=output, census=census
        )
        result = compile_request(request)
        if output.depfile is not None:
            project = () if (file := project_file(evaluation.config)) is None else (file,)
            write_depfile(output.depfile, {folder / MANIFEST: sources_of(request, *project)})
        for observer in request.observers:
            for line in observer.found if isinstance(observer, Unmatched) else ():
                talker.say(f"warning: {line}")
    verdict = None if result.verdict is None else result.verdict.to_json()
    if talk.json:
        print_json(compiled_json(result, census))
    else:
        print_text(compiled_facts(result, census))
        if talk.verbose and result.skipped:
            print_text(heading("Float nodes"), float_nodes(result.skipped))
        proof = proof_json(result.bundle, "proof")
        if proof is not None and verdict is not None:
            print_text(heading("Proof"), proof_facts(proof))
            if talk.verbose and proof["checked"] is not None:
                print_text(heading("Node by node"), checked_table(proof["checked"]))
            if result.diagnosis is not None:
                print_text(heading("Diagnosis"), *diagnosed(result.diagnosis))
            if request.report:
                print_text(heading("Report"), str(result.bundle.proof / PAGE))
            print_text(heading("Contract"), verdict_table(verdict), verdict_line(verdict))
    return 0 if result.verdict is None else result.verdict.exit_code
