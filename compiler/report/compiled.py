"""What a compile made and what it took, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from ..compile import CompileResult
from ..sparsity import read_sparsity
from .census import Census, grouped
from .layout import facts, lines, table
from .units import plural, seconds, short_digest, size

__all__ = [
    "compiled_facts",
    "context_text",
    "float_lines",
    "float_nodes",
    "integer_lines",
    "ort_text",
    "required_text",
    "zeros_text",
]

_REASONS_SHOWN = 4


def compiled_facts(result: CompileResult, census: Census) -> Table:
    """The bundle, what is in it, and the time each stage took."""
    manifest = result.bundle.manifest
    target = manifest["target"]
    stages = ", ".join(f"{name} {seconds(taken)}" for name, taken in result.seconds.items())
    return facts(
        [
            ("bundle", f"{result.bundle.path} ({size(result.bundle.size_bytes)})"),
            ("digest", short_digest(result.bundle.digest)),
            ("target", f"{target['name']} ({target['isa']}, {target['runtime']})"),
            ("scheme", f"{result.scheme}: {result.reason}"),
            ("samples", _samples(manifest["samples"]["calibration"])),
            ("integers", lines(integer_lines(census))),
            ("float", lines(float_lines(result.skipped, census))),
            ("zeros", zeros_text(read_sparsity(result.bundle))),
            ("context", context_text(manifest)),
            ("ORT format", ort_text(manifest)),
            ("its kernels", required_text(manifest)),
            ("notes", lines(manifest["notes"])),
            ("time", f"{seconds(sum(result.seconds.values()))}: {stages}"),
        ]
    )


def context_text(manifest: Mapping[str, Any]) -> str | None:
    """What the target's backend compiled, and for which versions; None without it."""
    context = manifest.get("context")
    if context is None:
        return None
    bytes_ = sum(int(manifest["files"][name]["bytes"]) for name in (context["model"], *context["binaries"]))
    made = context["made_with"]
    return f"{context['model']} ({size(bytes_)}), SDK {made['sdk']}, ONNX Runtime {made['onnxruntime']}"


def ort_text(manifest: Mapping[str, Any]) -> str | None:
    """The model in ORT format, and what a session needs to open it; None without it."""
    ort = manifest.get("ort")
    if ort is None:
        return None
    bytes_, needs = int(manifest["files"][ort["model"]]["bytes"]), ort["session_options"]
    options = "".join(f", opened with {name} = {value}" for name, value in needs.items())
    unfused = ort.get("unfused", 0)
    left = f", {plural(unfused, 'MatMul')} in float where left to the CPU" if unfused else ""
    return f"{ort['model']} ({size(bytes_)}), ONNX Runtime {ort['made_with']['onnxruntime']}{options}{left}"


def required_text(manifest: Mapping[str, Any]) -> str | None:
    """What a build of ONNX Runtime for the model in ORT format is given; None without it."""
    required = manifest.get("ort", {}).get("required")
    if required is None:
        return None
    return f"{required}: give it to ONNX Runtime's build.py --include_ops_by_config, and no others are built"


def zeros_text(found: Mapping[str, Any] | None) -> str | None:
    """Weights that are 0, and what the file takes with them, compressed too; None where there are few."""
    if found is None:
        return None
    share = f"{100 * found['zeros'] / found['weights']:.0f}% of {found['weights']:,} weights"
    zipped = "" if found["zipped_bytes"] is None else f", {size(found['zipped_bytes'])} zipped"
    return f"{share}; model {size(found['bytes'])}{zipped}"


def integer_lines(census: Census) -> Iterator[str]:
    """What runs in integers, by operator."""
    if census.computing:
        yield f"{_counted(census.computing)} compute in integers"
    if census.following:
        yield f"{_counted(census.following)} pass integers on"
    if census.weights:
        yield f"{plural(census.weights, 'weight')} stored in fewer bits, expanded when the model is loaded"


def float_lines(skipped: Mapping[str, str], census: Census) -> Iterator[str]:
    """What stays float and why, the most frequent reasons first."""
    groups = grouped(skipped)
    for reason, nodes in groups[:_REASONS_SHOWN]:
        yield f"{len(nodes)}: {reason}"
    if len(groups) > _REASONS_SHOWN:
        rest = sum(len(nodes) for _, nodes in groups[_REASONS_SHOWN:])
        yield f"{rest}: {plural(len(groups) - _REASONS_SHOWN, 'more reason')} (-v lists every node)"
    if census.without_kernel:
        counted = _counted(census.without_kernel)
        yield f"{census.without_kernel.total()}: no integer kernel here, and no MACs ({counted})"


def float_nodes(skipped: Mapping[str, str]) -> Table:
    """Every node that stays float, with its reason."""
    return table(("node", "stays float because"), sorted(skipped.items()))


def _samples(calibration: Mapping[str, Any] | None) -> str:
    if calibration is None:
        return "none"
    return f"{calibration['count']} of {calibration['origin']} observed (seed {calibration['seed']})"


def _counted(counter: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {op}" for op, number in sorted(counter.items(), key=lambda item: (-item[1], item[0])))
