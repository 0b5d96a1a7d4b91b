"""Why nodes ran off the provider wanted: one of each kind, tried alone on the same place."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ....bundle import Bundle
from ....errors import EdgecError
from ....runtimes.base import Feeds, Kernel, Placement, Runtime
from ....runtimes.ort_session import PROVIDER
from .bench import Bench
from .cut import Cuts
from .explain import explain
from .form import Form
from .kinds import Kind, counts, kinds
from .off_wanted import OffWanted
from .words import kept_on_purpose, left_by_default, mend, reason

__all__ = ["MOST_KINDS", "MOST_SECONDS", "off_wanted", "wanted_provider"]

MOST_KINDS = 24
MOST_SECONDS = 30.0
_UNSEEN = "unknown"
_ASKED = "not tried, as asked (--no-probe)"


def wanted_provider(bundle: Bundle, place: Runtime) -> str:
    """The provider that is to run a bundle: its target's first; the place's first, where the target's is the CPU's.

    On a place of another provider a bundle for the CPU is tried as one for that provider.
    """
    first = str(next(iter(bundle.manifest["target"]["providers"]), PROVIDER))
    return place.providers[0] if first == PROVIDER else first


def off_wanted(
    bundle: Bundle,
    placement: Placement,
    *,
    wanted: str,
    feeds: Feeds,
    place: Runtime,
    probe: bool = True,
    most_kinds: int = MOST_KINDS,
    most_seconds: float = MOST_SECONDS,
) -> tuple[OffWanted, ...]:
    """Every kernel that multiplies or moves data and ran off the provider wanted, with the reason.

    Args:
        bundle: What ran.
        placement: Where.
        wanted: The provider.
        feeds: What it ran with.
        place: Where to try; a form may end its process, and the sessions that are open in it.
        probe: False tries nothing: what ran where is told all the same.
        most_kinds: Kinds of kernels to try, the costliest first; the rest is listed as not tried.
        most_seconds: No kind is begun after that time.

    Returns:
        One entry per kernel operator, provider and reason, the costliest first; none for the CPU's provider.
    """
    if wanted == PROVIDER:
        return ()
    off = [kernel for kernel in placement.off_provider((wanted,)) if counts(kernel)]
    if off and wanted not in place.providers:
        names = tuple(kernel.name for kernel in off)
        provider = " and ".join(dict.fromkeys(kernel.provider for kernel in off))
        return (OffWanted(op="kernels", nodes=names, provider=provider, reason=f"{place.name} is not run with it"),)
    seen = [kernel for kernel in off if kernel.provider != _UNSEEN]
    found = [_entry(kernel, "the runtime does not show where it ran") for kernel in off if kernel.provider == _UNSEEN]
    if seen:
        options = dict(bundle.manifest["session_options"])
        cuts = Cuts(bundle.model, feeds, options)
        bench = Bench(runtime=place, wanted=wanted, options=options)
        prober = _Prober(bench, cuts, bundle.manifest["target"], feeds)
        deadline = time.monotonic() + most_seconds
        groups = kinds(seen, cuts.nodes)
        why_not = {kind: prober.why_not(kind) for kind in groups}
        to_try = [kind for kind in groups if not why_not[kind]]
        most_kinds = most_kinds if probe else 0
        why_not |= dict.fromkeys(to_try[most_kinds:], f"not tried: {len(to_try)} kinds ran off it" if probe else _ASKED)
        entries = prober.entries(to_try[:most_kinds], deadline)
        found += [entries[kind] if kind in entries else _of_kind(kind, why_not[kind]) for kind in groups]
    return _merged(found)


class _Prober:
    def __init__(self, bench: Bench, cuts: Cuts, target: Mapping[str, Any], feeds: Feeds) -> None:
        self._bench = bench
        self._cuts = cuts
        self._target = target
        self._free = {name: feeds[name] for name in cuts.free_inputs() if name in feeds}

    def why_not(self, kind: Kind) -> str:
        """Why a kind is not tried; "" when it is."""
        if kind.node is None:
            return "made by the runtime itself (layout, type or fusion): no node of the bundle"
        return left_by_default(kind.kernels[0].op_type, self._bench.wanted) or self._cuts.why_not(kind.node)

    def entries(self, chosen: Sequence[Kind], deadline: float) -> dict[Kind, OffWanted]:
        """What trying each kind shows."""
        if not chosen:
            return {}
        try:
            forms = self._cuts.forms(str(kind.node) for kind in chosen)
        except EdgecError as error:
            return {kind: _of_kind(kind, f"not tried: {error.problem}") for kind in chosen}
        found = {}
        for kind in chosen:
            if time.monotonic() > deadline:
                found[kind] = _of_kind(kind, "not tried: trying the others took too long")
            else:
                found[kind] = self._entry(kind, forms[str(kind.node)])
        return found

    def _entry(self, kind: Kind, form: Form) -> OffWanted:
        wanted = self._bench.wanted
        if kept_on_purpose(form, wanted):
            return _of_kind(kind, "kept off it by edgec (KeepOffXnnpack): its kernel fails, or computes something else")
        seen = explain(self._bench, form)
        mended = mend(seen, form, node=str(kind.node), wanted=wanted, target=self._target, free=self._free)
        return replace(_of_kind(kind, reason(seen, form)), mend=mended, forms=seen.forms)


def _of_kind(kind: Kind, why: str) -> OffWanted:
    first = kind.kernels[0]
    names = tuple(kernel.name for kernel in kind.kernels)
    return OffWanted(op=first.op_type, nodes=names, provider=first.provider, reason=why)


def _entry(kernel: Kernel, why: str) -> OffWanted:
    return OffWanted(op=kernel.op_type, nodes=(kernel.name,), provider=kernel.provider, reason=why)


def _merged(found: Sequence[OffWanted]) -> tuple[OffWanted, ...]:
    """Entries that say the same of the same operator, as one."""
    merged: dict[tuple[str, str, str, str], OffWanted] = {}
    for each in found:
        key = (each.op, each.provider, each.reason, each.mend)
        old = merged.get(key)
        nodes, forms = ((), 0) if old is None else (old.nodes, old.forms)
        merged[key] = replace(each, nodes=(*nodes, *each.nodes), forms=forms + each.forms)
    return tuple(merged.values())
