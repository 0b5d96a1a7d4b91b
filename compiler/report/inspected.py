"""An inspected model or bundle for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType

from ...bundle import Bundle
from ..inspect import Inspection, Tensor
from .checked import checked_lines
from .compiled import context_text, float_lines, integer_lines, ort_text, required_text
from .layout import facts, heading, lines, table
from .shapes import shape_text
from .text import proof_facts, verdict_line, verdict_table
from .units import count, plural, share, short_digest, size

__all__ = ["bundle_report", "model_report"]


def model_report(found: Inspection) -> Iterator[RenderableType]:
    """The parts of a model's report, in order."""
    opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in sorted(found.opsets.items()))
    files = f", {plural(len(found.files), 'file')}" if len(found.files) > 1 else ""
    yield facts(
        [
            ("model", f"{found.origin} ({size(found.file_bytes)}{files})"),
            ("sha256", found.digest),
            ("written by", found.producer or None),
            ("opset", f"{opsets}; IR version {found.ir_version}"),
            ("inputs", lines(map(_tensor, found.inputs))),
            ("outputs", lines(map(_tensor, found.outputs))),
            ("parameters", f"{count(found.parameters)} ({size(found.weight_bytes)})"),
            ("quantized", f"already: {', '.join(found.quantized)}" if found.quantized else "no"),
            ("notes", lines(found.notes)),
        ]
    )
    yield heading("Operators")
    total = sum(found.macs.values())
    rows = [
        (op, str(number), count(found.macs[op]) if found.macs.get(op) else "", _of(found.macs.get(op, 0), total))
        for op, number in sorted(found.ops.items(), key=lambda item: (-found.macs.get(item[0], 0), -item[1], item[0]))
    ]
    yield table(("operator", "nodes", "MACs", ""), rows, right=("nodes", "MACs", ""))
    if found.checked is not None:
        yield heading(f"On {found.target}, as it is: checked, not executed")
        yield facts([("checked", lines(checked_lines(found.checked)))])
    if found.census is not None:
        yield heading(f"On {found.target}")
        integers = lines(integer_lines(found.census))
        yield facts(
            [
                ("integers", integers or "nothing: no operator here has an integer kernel"),
                ("float", lines(float_lines(found.skipped, found.census))),
            ]
        )


def bundle_report(bundle: Bundle, proof: Mapping[str, Any] | None, verdict: Mapping[str, Any] | None) -> Iterator[Any]:
    """The parts of a bundle's report, in order; proof and verdict are those it was last given."""
    manifest = bundle.manifest
    target, calibration = manifest["target"], manifest["samples"]["calibration"]
    yield facts(
        [
            ("bundle", str(bundle.path)),
            ("digest", bundle.digest),
            ("files", f"{plural(len(manifest['files']), 'file')} verified, model {size(bundle.size_bytes)}"),
            ("target", f"{target['name']} ({target['isa']}, {target['runtime']})"),
            ("scheme", manifest["scheme"]),
            ("source", f"{manifest['source']['origin']} ({short_digest(manifest['source']['digest'])})"),
            ("samples", "none" if calibration is None else f"{calibration['count']} of {calibration['origin']}"),
            ("inputs", lines(map(_described, manifest["inputs"]))),
            ("outputs", lines(map(_described, manifest["outputs"]))),
            ("state", _pairs(manifest["state"])),
            ("options", _pairs(manifest["session_options"])),
            ("provider", lines(_provider_lines(manifest.get("provider_options", {})))),
            ("context", context_text(manifest)),
            ("ORT format", ort_text(manifest)),
            ("its kernels", required_text(manifest)),
            ("made with", f"edgec {manifest['edgec']}, {_versions(manifest['versions'])}"),
            ("notes", lines(manifest["notes"])),
            ("checked", lines(checked_lines(manifest["checked"])) if "checked" in manifest else None),
        ]
    )
    if proof is not None:
        yield heading("Proof")
        yield proof_facts(proof)
    if verdict is not None:
        yield heading("Contract")
        yield verdict_table(verdict)
        yield verdict_line(verdict)
    else:
        yield heading("Not proved yet")


def _tensor(tensor: Tensor) -> str:
    return f"{tensor.name}  {tensor.dtype}{shape_text(tensor.shape)}"


def _described(tensor: Mapping[str, Any]) -> str:
    return f"{tensor['name']}  {tensor['dtype']}{shape_text(tensor['shape'])}"


def _of(part: int, whole: int) -> str:
    return share(part / whole) if part else ""


def _pairs(pairs: Mapping[str, str]) -> str | None:
    return ", ".join(f"{key} = {value}" for key, value in pairs.items()) or None


def _provider_lines(options: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for provider, given in options.items():
        yield f"{provider}: {_pairs(given)}"


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
