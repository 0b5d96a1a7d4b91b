"""Everything the commands can print, as JSON values."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from ...bundle import Bundle
from .records import proof_json

if TYPE_CHECKING:
    from ...targets.spec import TargetSpec
    from ..compile import CompileResult
    from ..inspect import Inspection
    from ..plan import Plan
    from .census import Census

__all__ = ["bundle_json", "compiled_json", "inspection_json", "plan_json", "target_json"]


def compiled_json(result: CompileResult, census: Census) -> dict[str, object]:
    """A compile, its proof and its verdict."""
    return {
        "bundle": str(result.bundle.path),
        "digest": result.bundle.digest,
        "size_bytes": result.bundle.size_bytes,
        "target": dict(result.bundle.manifest["target"]),
        "scheme": result.scheme,
        "reason": result.reason,
        "samples": result.bundle.manifest["samples"],
        "nodes": census.to_json(),
        "skipped": dict(result.skipped),
        "provider_options": dict(result.bundle.manifest["provider_options"]),
        "context": result.bundle.manifest.get("context"),
        "ort": result.bundle.manifest.get("ort"),
        "notes": list(result.bundle.manifest["notes"]),
        "seconds": dict(result.seconds),
        "measured": dict(result.measured),
        "passes": [{field.name: getattr(each, field.name) for field in fields(each)} for each in result.passes],
        "proof": proof_json(result.bundle, "proof"),
        "verdict": None if result.verdict is None else result.verdict.to_json(),
        "diagnosis": None if result.diagnosis is None else result.diagnosis.to_json(),
    }


def plan_json(plan: Plan) -> dict[str, object]:
    """A plan."""
    return {
        "target": plan.target.name,
        "scheme": plan.scheme,
        "reason": plan.reason,
        "recipe": plan.recipe.to_json(),
        "macs": dict(plan.macs),
        "integer_nodes": list(plan.integer_nodes),
        "float_nodes": dict(plan.float_nodes),
        "memory_bytes": plan.target.limits.memory_bytes,
        "compile_peak_bytes": plan.compile_peak_bytes,
        "schemes": [{field.name: getattr(each, field.name) for field in fields(each)} for each in plan.schemes],
        "notes": list(plan.notes),
    }


def inspection_json(found: Inspection) -> dict[str, object]:
    """A model."""
    tensors = {
        name: [{"name": each.name, "dtype": each.dtype, "shape": each.shape and list(each.shape)} for each in side]
        for name, side in (("inputs", found.inputs), ("outputs", found.outputs))
    }
    return {
        "model": found.origin,
        "sha256": found.digest,
        "files": [str(file) for file in found.files],
        "file_bytes": found.file_bytes,
        "producer": found.producer,
        "ir_version": found.ir_version,
        "opsets": dict(found.opsets),
        **tensors,
        "parameters": found.parameters,
        "weight_bytes": found.weight_bytes,
        "ops": dict(found.ops),
        "macs": dict(found.macs),
        "quantized": list(found.quantized),
        "target": found.target,
        "nodes": None if found.census is None else found.census.to_json(),
        "skipped": dict(found.skipped),
        "checked": None if found.checked is None else dict(found.checked),
        "notes": list(found.notes),
    }


def bundle_json(bundle: Bundle) -> dict[str, object]:
    """A verified bundle, and the proof and verdict it was last given."""
    return {
        "bundle": str(bundle.path),
        "digest": bundle.digest,
        "size_bytes": bundle.size_bytes,
        "manifest": dict(bundle.manifest),
        "proof": proof_json(bundle, "proof"),
        "verdict": proof_json(bundle, "verdict"),
    }


def target_json(target: TargetSpec) -> dict[str, object]:
    """A target with its facts and rules."""
    from .device import rule_texts

    return {
        "name": target.name,
        "family": target.family,
        "description": target.description,
        "runtime": target.runtime,
        "isa": target.isa,
        "providers": list(target.providers),
        "provider_options": dict(target.provider_options),
        "proof": list(target.proof),
        "support": list(target.support),
        "opset": target.opset,
        "max_opset": target.max_opset,
        "max_ir_version": target.max_ir_version,
        "memory_bytes": target.limits.memory_bytes,
        "facts": [{"statement": f.statement, "source": f.source, "date": f.date} for f in target.facts],
        "rules": [rule_texts(rule) for rule in target.rules],
    }
