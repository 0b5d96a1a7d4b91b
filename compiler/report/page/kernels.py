"""Kernel truth: what runs where, how much of it in integers, the float islands and why they are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ...proving.probing.off_wanted import short_name
from ..census import grouped
from ..units import count, plural, share, size
from .float_nodes import FloatNodes
from .ribbon import ribbon, stretches
from .sources import Record, Sources
from .svg import Ids

__all__ = ["FloatKernel", "KernelKind", "Kernels", "OffRow", "Reason", "kernels_of"]

_CPU = "CPUExecutionProvider"
_WIDTHS = (720, 340)


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelKind:
    """Kernels of one operator on one provider."""

    op: str
    provider: str
    kernels: int
    macs: str
    share: str
    runs: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FloatKernel:
    """A kernel with multiply-accumulates in float; `why` is "" where no pass said so."""

    name: str
    op: str
    macs: str
    share: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why nodes stay float."""

    reason: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OffRow:
    """What ran off the provider wanted, and why."""

    op: str
    nodes: tuple[str, ...]
    provider: str
    reason: str
    mend: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernels:
    """Where everything runs.

    Attributes:
        lead: The truth in a sentence or two.
        evidence: How it is known.
        ribbons: The model as a ribbon, wide and narrow; () without multiply-accumulates.
        kinds: With multiply-accumulates; the largest first.
        moving: Those without, in words.
        floats: Float kernels with multiply-accumulates, the largest first; none where all are float, and nobody wanted
            otherwise.
        reasons: Why nodes stay float, the most frequent first.
        off: What ran elsewhere than wanted.
        uncounted: Kernels whose multiply-accumulates are not known.
        table: Every kernel in the order it ran: name, operator, provider, MACs, kind, inputs, outputs.
    """

    lead: tuple[str, ...]
    evidence: str
    ribbons: tuple[Markup, ...]
    kinds: tuple[KernelKind, ...]
    moving: str
    floats: tuple[FloatKernel, ...]
    reasons: tuple[Reason, ...]
    off: tuple[OffRow, ...]
    uncounted: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]


def kernels_of(sources: Sources, ids: Ids) -> Kernels | None:
    """What the proof says of placement; None where nothing was run and no rules were asked."""
    found = sources.proof["placement"]
    if found is None:
        return None
    wanted = found.get("wanted", "")
    kinds = [(_kind(kernel, wanted), kernel["name"], kernel["macs"] or 0) for kernel in found["kernels"]]
    parts = stretches(kinds)
    reasons = FloatNodes.of(sources)
    return Kernels(
        lead=tuple(_lead(found, sources, parts=sum(each.kind == "float" for each in parts))),
        evidence=found["evidence"],
        ribbons=tuple(ribbon(ids, parts, width) for width in _WIDTHS) if parts else (),
        kinds=tuple(_kinds(found)),
        moving=_moving(found["kernels"]),
        floats=tuple(_floats(found, reasons)) if found["integer_macs"] or reasons.by_name else (),
        reasons=tuple(Reason(reason=reason, nodes=tuple(nodes)) for reason, nodes in grouped(reasons.reasons)),
        off=tuple(_off(each) for each in found["off_wanted"]),
        uncounted=tuple(found["uncounted"]),
        table=tuple(_row(kernel, wanted) for kernel in found["kernels"]),
    )


def _kind(kernel: Mapping[str, Any], wanted: str) -> str:
    if wanted and kernel["provider"] != wanted:
        return "away"
    return "integer" if kernel["integer"] else "float"


def _lead(found: Record, sources: Sources, *, parts: int) -> Iterator[str]:
    would = "would run" if sources.proof["checked"] is not None else "run"
    if found["integer_mac_share"] is None:
        yield "The model has no multiply-accumulates that can be counted."
    elif not found["integer_macs"]:
        told = f"All {count(found['macs'])} multiply-accumulates {would} in float"
        yield f"{told} (scheme {sources.manifest['scheme']})."
    else:
        told = f"{share(found['integer_mac_share'])} of {count(found['macs'])} multiply-accumulates {would} in integers"
        islands = f"; the rest lies in {plural(parts, 'float island')}"
        yield told + (islands if parts else "") + "."
    wanted = found.get("wanted", "")
    if wanted not in ("", _CPU) and found["wanted_mac_share"] is not None:
        where = f"{share(found['wanted_mac_share'])} of them {would} on {short_name(wanted)}"
        away = sum(len(each["nodes"]) for each in found["off_wanted"])
        yield f"{where}; {plural(away, 'kernel')} elsewhere." if away else f"{where}."
    if found["partitions"] > 1:
        bytes_ = found["crossing_bytes"]
        crossing = "an unknown number of bytes crosses" if bytes_ is None else f"{size(bytes_)} cross"
        yield f"{found['partitions']} partitions; {crossing} between them in one run."


def _kinds(found: Record) -> Iterator[KernelKind]:
    groups: dict[tuple[str, str, bool], list[int]] = {}
    for kernel in found["kernels"]:
        if kernel["macs"]:
            groups.setdefault((kernel["op"], kernel["provider"], kernel["integer"]), []).append(kernel["macs"])
    for (op, provider, integer), macs in sorted(groups.items(), key=lambda item: -sum(item[1])):
        yield KernelKind(
            op=op,
            provider=short_name(provider),
            kernels=len(macs),
            macs=count(sum(macs)),
            share=share(sum(macs) / found["macs"]),
            runs="integers" if integer else "float",
        )


def _moving(kernels: Sequence[Mapping[str, Any]]) -> str:
    """Kernels without multiply-accumulates, by operator, the most frequent first."""
    counts: dict[str, int] = {}
    for kernel in kernels:
        if kernel["macs"] == 0:
            counts[kernel["op"]] = counts.get(kernel["op"], 0) + 1
    listed = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number} {op}" for op, number in listed)


def _floats(found: Record, reasons: FloatNodes) -> Iterator[FloatKernel]:
    kernels = [kernel for kernel in found["kernels"] if kernel["macs"] and not kernel["integer"]]
    for kernel in sorted(kernels, key=lambda each: -each["macs"]):
        name = kernel["name"]
        yield FloatKernel(
            name=name,
            op=kernel["op"],
            macs=count(kernel["macs"]),
            share=share(kernel["macs"] / found["macs"]),
            why=reasons.why(name, kernel["op"]),
        )


def _off(each: Mapping[str, Any]) -> OffRow:
    return OffRow(
        op=each["op"],
        nodes=tuple(each["nodes"]),
        provider=short_name(each["provider"]),
        reason=each["reason"],
        mend=each["mend"],
    )


def _row(kernel: Mapping[str, Any], wanted: str) -> tuple[str, ...]:
    macs = "unknown" if kernel["macs"] is None else count(kernel["macs"]) if kernel["macs"] else ""
    kind = "" if not kernel["macs"] else "integers" if kernel["integer"] else "float"
    place = short_name(kernel["provider"]) + (" (not wanted)" if wanted and kernel["provider"] != wanted else "")
    shapes = (" ".join(kernel["inputs"][:1]), " ".join(kernel["outputs"][:1]))
    return kernel["name"], kernel["op"], place, macs, kind, *shapes
