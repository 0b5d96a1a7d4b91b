"""How the bundle was made and where its numbers come from: recipe and provenance."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..units import plural, short_digest, size
from .numbers import duration
from .sources import Record, Sources

__all__ = ["PassLine", "Recipe", "date_text", "files_of", "provenance", "recipe_of", "when"]

# fmt: off
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
# fmt: on
_LONGEST = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class PassLine:
    """One pass: its kind, its options in short, whether it changed the model (None: not known)."""

    kind: str
    options: str
    changed: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How it was made.

    Attributes:
        scheme, reason: The scheme and why it was chosen.
        passes: In order.
        measured: What a search measured, as JSON; "" where nothing was.
        stages: (stage, time) of the compile.
        total: Their sum; "" where it is not known.
    """

    scheme: str
    reason: str
    passes: tuple[PassLine, ...]
    measured: str
    stages: tuple[tuple[str, str], ...]
    total: str


def recipe_of(sources: Sources) -> Recipe:
    """The passes of `recipe.lock`, and what the compile says of them."""
    compiled = sources.compiled or {}
    passes, reports = sources.recipe.get("passes", ()), compiled.get("passes", ())
    told = [each["modified"] for each in reports]
    if [each["name"] for each in reports] != [each["kind"] for each in passes]:
        told = [None] * len(passes)
    taken: Mapping[str, float] = compiled.get("seconds", {})
    measured = sources.recipe.get("measured")
    return Recipe(
        scheme=sources.manifest["scheme"],
        reason=compiled.get("reason", ""),
        passes=tuple(
            PassLine(kind=each["kind"], options=_options(each), changed=changed)
            for each, changed in zip(passes, told, strict=True)
        ),
        measured=json.dumps(measured, indent=1, ensure_ascii=False) if measured else "",
        stages=tuple((name, duration(each)) for name, each in taken.items()),
        total=duration(sum(taken.values())) if taken else "",
    )


def _options(each: Mapping[str, Any]) -> str:
    """Options in short; what is long is counted, and stands in `recipe.lock`."""
    found = []
    for name, value in each.items():
        written = json.dumps(value, ensure_ascii=False)
        if name == "kind":
            continue
        if len(written) > _LONGEST and isinstance(value, list | dict):
            written = f"[{len(value)}]"
        found.append(f"{name} = {written}")
    return ", ".join(found)


def provenance(sources: Sources) -> tuple[tuple[str, str, bool], ...]:
    """(name, fact, whether it is a digest or a path) of everything a number rests on."""
    return tuple(row for row in _facts(sources) if row[1])


def _facts(sources: Sources) -> Iterator[tuple[str, str, bool]]:
    proof, manifest = sources.proof, sources.manifest
    machine, target, samples = proof["machine"], manifest["target"], manifest["samples"]
    yield "Bundle", sources.digest, True
    yield "Source", f"{manifest['source'].get('origin', '')} sha256 {manifest['source'].get('digest', '')}", True
    yield "Target", f"{target['name']}: {target['isa']}, {target['runtime']}, {', '.join(target['providers'])}", False
    yield "Calibration", _calibration(samples["calibration"]), False
    evaluation = proof["evaluation"]
    if evaluation is not None:
        taken = f"{plural(evaluation['samples'], 'sample')} of {Path(evaluation['origin']).name}, sha256 "
        yield "Evaluation", taken + short_digest(evaluation["digest"]), False
    yield "Golden sample", str(samples.get("golden") or ""), False
    yield "Golden replay", _golden(proof["golden"]), False
    yield "Proved on", _place(proof), False
    yield "Machine", f"{machine['cpu']}, {plural(machine['cores'], 'core')}, {machine['system']}", False
    yield "Date", when(proof["date"]), False
    yield "Session options", ", ".join(f"{k} = {v}" for k, v in proof["session_options"].items()), False
    yield "Versions", ", ".join(f"{name} {version}" for name, version in proof["versions"].items()), False
    context, ort = proof.get("context"), proof.get("ort")
    if context is not None:
        yield "Context binary", f"{context['model']}: {_alike(context)} the model compiled there", False
    if ort is not None:
        yield "ORT format", f"{ort['model']} on {ort['runtime']}: {_alike(ort)} the model there", False
    yield "Older releases", "; ".join(_older(run) for run in (proof.get("older") or {}).get("runs", ())), False


def _alike(found: Record) -> str:
    if found["exact"]:
        return "identical to"
    return "differs from" if found["sqnr_db"] is None else f"{found['sqnr_db']:.1f} dB from"


def _older(run: Record) -> str:
    return f"ONNX Runtime {run['onnxruntime']}: {run['refused'] or f'{_alike(run)} the golden outputs'}"


def _calibration(found: Record | None) -> str:
    if found is None:
        return "none"
    taken = f"{plural(found['count'], 'sample')} of {found['origin']}, seed {found['seed']}"
    return f"{taken}, sha256 {short_digest(found['digest'])}"


def _golden(found: Record | None) -> str:
    if found is None:
        return "not run"
    steps = plural(found["steps"], "step")
    if found["exact"]:
        return f"{steps}, identical"
    apart = "differs" if found["sqnr_db"] is None else f"{found['sqnr_db']:.1f} dB"
    return f"{steps}, {apart}" + ("" if found["agrees"] else ": not the same model")


def _place(proof: Record) -> str:
    version = proof["versions"].get("onnxruntime")
    text = str(proof["runtime"]) + ("" if version is None else f", ONNX Runtime {version}")
    return text + (f", {proof['emulated']}" if proof.get("emulated") else "")


def files_of(sources: Sources) -> tuple[tuple[str, str, str], ...]:
    """(name, bytes, sha256) of every payload file."""
    return tuple((name, size(each["bytes"]), each["sha256"]) for name, each in sources.manifest["files"].items())


def date_text(date: str) -> str:
    """`21 November 2026`."""
    day = datetime.fromisoformat(date)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def when(date: str) -> str:
    """`21 November 2026, 21:06 UTC`."""
    return f"{date_text(date)}, {datetime.fromisoformat(date):%H:%M} UTC"
