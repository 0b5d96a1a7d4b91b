"""One row per place, from the JSON of a portability proof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from .layout import table
from .text import placed_lines
from .units import share

__all__ = ["portability_report"]

_SHOWN = 4
_WORDS = {"proved": "green", "checked": "green", "broken": "red", "inconclusive": "yellow"}


def portability_report(found: Mapping[str, Any]) -> Group:
    """What each place answers and how far it is from this process, in quantization steps; then where each ran."""
    return Group(_table(found["places"]), Text("\n".join(_where(found["places"]))))


def _table(places: list[Mapping[str, Any]]) -> Table:
    rows = []
    for place in places:
        proof, word = place["proof"], place["verdict"]["word"]
        rows.append(
            (
                place["place"],
                Text(word, style=_WORDS[word]),
                *_metric(proof["evaluation"]),
                *_apart(proof["apart"]),
                _integers(proof["placement"]),
                _on_provider(proof["placement"]),
            )
        )
    columns = ("place", "verdict", "metric", "drop", "max steps", "equal", "integer MACs", "on provider")
    return table(columns, rows, right=columns[2:])


def _metric(evaluation: Mapping[str, Any] | None) -> tuple[str, str]:
    metric = None if evaluation is None else evaluation["metric"]
    if metric is None:
        return "–", "–"
    factor, unit = (100.0, "pt") if metric["unit"] == "pt" else (1.0, metric["unit"])
    drop = "–" if metric["drop"] is None else f"{metric['drop'] * factor:.3g}{unit}"
    return f"{metric['name']} {metric['value'] * factor:.4g}{unit}", drop


def _apart(outputs: Mapping[str, Any] | None) -> tuple[str, str]:
    """The worst output's difference in steps, and the least share of equal elements."""
    if outputs is None:
        return "(reference)", ""
    steps = [output["max_steps"] for output in outputs.values() if output["max_steps"] is not None]
    equal = min((output["equal_share"] for output in outputs.values()), default=1.0)
    return (f"{max(steps):.2g}" if steps else "–"), share(equal)


def _integers(placement: Mapping[str, Any] | None) -> str:
    if placement is None or placement["integer_mac_share"] is None:
        return "unknown"
    return share(placement["integer_mac_share"])


def _on_provider(placement: Mapping[str, Any] | None) -> str:
    """Share of the MACs on the provider the target wants first."""
    if placement is None or placement["wanted_mac_share"] is None:
        return "unknown"
    return share(placement["wanted_mac_share"])


def _saturation(found: Mapping[str, Any]) -> Iterator[str]:
    """Who saturates there, what mends it, and what that buys."""
    layers = found["layers"]
    shown = ", ".join(
        f"{each['node']} ({each['op']}, {each['share']:.2%} of its sums, {each['loss_db']:.0f} dB left)"
        for each in layers[:_SHOWN]
    )
    more = f" and {len(layers) - _SHOWN} more" if len(layers) > _SHOWN else ""
    yield f"  saturates, by the arithmetic of its kernels: {shown}{more}"
    before, after = found["sqnr_db"], found["repaired_sqnr_db"]
    bought = "" if before is None or after is None else f": {before:.1f} dB against float there become {after:.1f} dB"
    yield f"  7-bit weights in just {'that layer' if len(layers) == 1 else 'those layers'}{bought}; in edgec.toml:"
    yield from ("    " + line for line in ("[compile]", *found["repair"]))


def _where(places: list[Mapping[str, Any]]) -> Iterator[str]:
    for place in places:
        proof = place["proof"]
        how = f", {proof['emulated']}" if proof["emulated"] else ""
        evidence = "unknown" if proof["placement"] is None else proof["placement"]["evidence"]
        yield (
            f"{place['place']}: {proof['runtime']}, ONNX Runtime {proof['versions'].get('onnxruntime', 'unknown')}"
            f"{how}; placement from {evidence}"
        )
        if place["saturation"] is not None:
            yield from _saturation(place["saturation"])
        if proof["placement"] is not None:
            yield from (f"  {line}" for line in placed_lines(proof["placement"]))
        if proof["unexecuted"]:
            yield f"  not on the target's own kernels: {proof['unexecuted']}"
    yield from dict.fromkeys(note for place in places for note in place["proof"]["notes"])
