"""Proof and verdict for the terminal, from their JSON: what was just measured and what lies in a bundle look alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .checked import checked_lines, off_lines
from .layout import facts, lines, table
from .units import count, plural, seconds, share, size

__all__ = ["golden_text", "placed_lines", "proof_facts", "verdict_line", "verdict_table"]

MARKS = {"met": ("✓", "green"), "broken": ("✗", "red"), "inconclusive": ("?", "yellow"), "unknown": ("–", "yellow")}
_WORDS = {"proved": "green", "checked": "green", "broken": "red", "inconclusive": "yellow"}
_NAMES_SHOWN = 4
_CPU = "CPUExecutionProvider"


def verdict_table(verdict: Mapping[str, Any]) -> Table:
    """One row per clause: met, broken, inconclusive or unknown; limit, measured with interval and n, reason."""
    rows = []
    for result in verdict["results"]:
        mark, style = MARKS[result["status"]]
        rows.append(
            (
                Text(mark, style=style),
                result["id"],
                Text(result["status"], style=style),
                result["limit"] or "",
                _measured(result),
                "" if result["n"] is None else str(result["n"]),
                result["reason"],
            )
        )
    return table(("", "clause", "", "limit", "measured", "n", "reason"), rows, right=("limit", "n"))


def verdict_line(verdict: Mapping[str, Any]) -> Text:
    """`verdict: proved`, and what keeps it from being so."""
    word = verdict["word"]
    text = Text.assemble("verdict: ", (word, f"bold {_WORDS[word]}"))
    if word == "checked":
        text.append(", not executed")
    for status in ("broken", "inconclusive", "unknown"):
        named = [result["id"] for result in verdict["results"] if result["status"] == status]
        if named and word in ("broken", "inconclusive"):
            text.append(f"; {status}: {', '.join(named)}")
    return text


def proof_facts(proof: Mapping[str, Any]) -> Table:
    """Everything measured, by name; what is checked by rules and not measured stands apart."""
    checked = proof.get("checked")
    return facts(
        [
            ("where", _where(proof)),
            ("golden", None if proof["golden"] is None else golden_text(proof["golden"])),
            ("metric", _metric(proof["evaluation"])),
            ("outputs", _outputs(proof["evaluation"])),
            ("adapters", _adapters(proof)),
            ("size", _size(proof["size"])),
            ("load", _load(proof["load"])),
            ("latency", _latency(proof["latency"])),
            ("memory", _memory(proof.get("memory"))),
            ("checked", None if checked is None else lines(checked_lines(checked))),
            ("integers", _placement(proof["placement"], rules=checked is not None)),
            ("apart", _apart(proof.get("apart"))),
            ("context", _context(proof.get("context"))),
            ("ORT format", _ort(proof.get("ort"))),
            ("notes", lines(proof["notes"])),
        ]
    )


def _measured(result: Mapping[str, Any]) -> str:
    value, unit = result["measured"], result["unit"] or ""
    if value is None:
        # Numbers without bound are null in JSON: an identical output has no noise to measure.
        return "identical" if result["status"] == "met" and unit == "dB" else ""
    text = f"{value:.4g}{'' if unit == 'version' else unit}"
    if result["interval"] is None:
        return text
    low, high = result["interval"]
    return f"{text} [{low:.3g}, {high:.3g}]"


def _where(proof: Mapping[str, Any]) -> str:
    machine = proof["machine"]
    what = f"{proof['runtime']} {proof['versions']['onnxruntime']} on {machine['cpu']}"
    text = f"{what} ({plural(machine['cores'], 'core')}, {machine['system']}), {proof['date']}"
    if proof.get("emulated"):
        text += f"; emulated by {proof['emulated']}: accuracy and placement, no times"
    if proof["session_options"]:
        text += f"; session options {', '.join(f'{k}={v}' for k, v in proof['session_options'].items())}"
    return text if proof["executed"] else f"{text}; not on the target: {proof['unexecuted']}"


def golden_text(golden: Mapping[str, Any]) -> str:
    """How the golden answers compare with what was packed."""
    steps = plural(golden["steps"], "step")
    if golden["exact"]:
        return f"{steps}, identical"
    apart = "differs" if golden["sqnr_db"] is None else f"{golden['sqnr_db']:.1f} dB"
    return f"{steps}, {apart}" + ("" if golden["agrees"] else ": not the same model")


def _metric(evaluation: Mapping[str, Any] | None) -> str | None:
    if evaluation is None:
        return "no evaluation samples"
    metric = evaluation["metric"]
    if metric is None:
        return f"none: {evaluation['metric_reason']}"
    factor, unit = (100.0, "pt") if metric["unit"] == "pt" else (1.0, metric["unit"])

    def shown(value: float, interval: Sequence[float] | None) -> str:
        text = f"{value * factor:.4g}{unit}"
        return text if interval is None else f"{text} [{interval[0] * factor:.4g}, {interval[1] * factor:.4g}]"

    parts = [f"{metric['name']} {shown(metric['value'], metric['value_interval'])}"]
    if metric["float_value"] is not None:
        parts.append(f"float {shown(metric['float_value'], metric['float_interval'])}")
        parts.append(f"drop {shown(metric['drop'], metric['drop_interval'])}")
    return f"{'; '.join(parts)}; n = {metric['n']}, intervals of 95%"


def _outputs(evaluation: Mapping[str, Any] | None) -> RenderableType | None:
    if evaluation is None:
        return None
    rows = [
        (name + (" (state)" if output["carried"] else ""), *_against_float(output))
        for name, output in evaluation["outputs"].items()
    ]
    samples = plural(evaluation["samples"], "sample")
    steps = "" if evaluation["steps"] == evaluation["samples"] else f", {plural(evaluation['steps'], 'step')}"
    columns = ("output", "SQNR", "cosine", "max error")
    return Group(f"{samples}{steps} of {evaluation['origin']}, against float", table(columns, rows, right=columns[1:]))


def _adapters(proof: Mapping[str, Any]) -> RenderableType | None:
    """One row per adapter: golden replay, and the worst output against float with the same adapter."""
    rows = []
    for name, found in proof.get("adapters", {}).items():
        outputs = [] if found["evaluation"] is None else found["evaluation"]["outputs"].values()
        against = [output["against_float"] for output in outputs if not output["carried"]]
        noise = [each["sqnr_db"] for each in against if each is not None and each["sqnr_db"] is not None]
        rows.append((name, golden_text(found["golden"]), f"{min(noise):.1f} dB" if noise else ""))
    return table(("adapter", "golden", "SQNR"), rows, right=("SQNR",)) if rows else None


def _against_float(output: Mapping[str, Any]) -> tuple[str, str, str]:
    found = output["against_float"]
    if found is None:
        return "–", "–", "–"
    if found["exact"]:
        return "identical", "1", "0"
    if found["nonfinite"]:
        return f"{found['nonfinite']} not finite", "–", "–"
    if found["cosine"] is None:
        return f"{share(found['equal_share'])} equal", "–", "–"
    decibels = "–" if found["sqnr_db"] is None else f"{found['sqnr_db']:.1f} dB"
    peak = "" if found["peak"] is None else f" of {found['peak']:.3g}"
    error = "–" if found["max_error"] is None else f"{found['max_error']:.3g}{peak}"
    return decibels, f"{found['cosine']:.6f}", error


def _size(found: Mapping[str, Any]) -> str:
    text = size(found["bundle_bytes"])
    return text if found["ratio"] is None else f"{text}, {found['ratio']:.2f}x of float's {size(found['float_bytes'])}"


def _load(found: Mapping[str, Any]) -> str | None:
    if found["seconds"] is None:
        return None
    return f"{seconds(found['seconds'])}, median of {plural(found['opened'], 'time')}"


def _memory(found: Mapping[str, Any] | None) -> str | None:
    if found is None:
        return None
    added = size(max(0, found["peak"] - found["before"]))
    return f"{added} at most, to open it and run it in a new process that held {size(found['before'])}"


def _latency(found: Sequence[Mapping[str, Any]]) -> RenderableType | None:
    if not found:
        return None
    rows = []
    for each in found:
        bundle, other, ratio = each["bundle"], each["float_model"], each["ratio"]
        low, high = each["ratio_interval"] or (None, None)
        rows.append(
            (
                str(each["threads"]),
                seconds(bundle["p50"]),
                seconds(bundle["p95"]),
                "–" if other is None else seconds(other["p50"]),
                "–" if other is None else seconds(other["p95"]),
                "–" if ratio is None else f"{ratio:.2f}x" + ("" if low is None else f" [{low:.2f}, {high:.2f}]"),
                str(bundle["runs"]),
            )
        )
        bare = each["without_options"]
        if bare is not None:
            rows.append(("  without options", seconds(bare["p50"]), seconds(bare["p95"]), "", "", "", ""))
    columns = ("threads", "p50", "p95", "float p50", "float p95", "ratio", "runs")
    return table(columns, rows, right=columns[1:])


def _placement(found: Mapping[str, Any] | None, *, rules: bool) -> RenderableType | None:
    if found is None:
        return None
    return lines(_integer_lines(found, rules=True) if rules else _placement_lines(found))


def _placement_lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield from placed_lines(found)
    yield from _integer_lines(found)
    if found.get("partitions", 0) > 1:
        crossing = found["crossing_bytes"]
        bytes_ = "an unknown number of bytes crosses" if crossing is None else f"{size(crossing)} cross"
        providers = ", ".join(dict.fromkeys(kernel["provider"] for kernel in found["kernels"]))
        yield f"{found['partitions']} partitions on {providers}; {bytes_} between them in one run"
    if found["off_provider"]:
        yield f"off the provider: {', '.join(found['off_provider'][:_NAMES_SHOWN])}{_more(len(found['off_provider']))}"


def _integer_lines(found: Mapping[str, Any], *, rules: bool = False) -> Iterator[str]:
    if found["integer_mac_share"] is None:
        yield "the model has no multiply-accumulates that can be counted"
    else:
        run = "would run" if rules else "run"
        yield f"{share(found['integer_mac_share'])} of {count(found['macs'])} MACs {run} in integer kernels"
    floats = sorted(
        (kernel for kernel in found["kernels"] if kernel["macs"] and not kernel["integer"]),
        key=lambda kernel: -int(kernel["macs"]),
    )
    if floats:
        shown = [f"{kernel['name']} ({kernel['op']}, {count(kernel['macs'])})" for kernel in floats[:_NAMES_SHOWN]]
        yield f"in float: {', '.join(shown)}{_more(len(floats))}"
    if found["uncounted"]:
        yield f"not counted: {', '.join(found['uncounted'][:_NAMES_SHOWN])}{_more(len(found['uncounted']))}"


def placed_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """How much ran on the provider wanted, and why the rest did not; nothing where that is the CPU's."""
    wanted = found.get("wanted", "")
    if wanted in ("", _CPU):
        return
    if found["macs"]:
        there = sum(kernel["macs"] or 0 for kernel in found["kernels"] if kernel["provider"] == wanted)
        yield f"{count(there)} of {count(found['macs'])} MACs on {wanted}"
    yield from off_lines(found["off_wanted"], wanted)


def _context(found: Mapping[str, Any] | None) -> str | None:
    """Whether what the backend compiled offline is the model it was made of."""
    if found is None:
        return None
    how = "identical" if found["exact"] else "differs"
    if found["sqnr_db"] is not None:
        how = f"{found['sqnr_db']:.1f} dB apart"
    return f"{found['model']} in a process of its own, against the model compiled there: {how}"


def _ort(found: Mapping[str, Any] | None) -> str | None:
    """Whether the model in ORT format is the model."""
    if found is None:
        return None
    how = "identical" if found["exact"] else "differs"
    if not found["exact"] and found["sqnr_db"] is not None:
        how = f"{found['sqnr_db']:.1f} dB apart"
    return f"{found['model']} on {found['runtime']}, against the model there: {how}"


def _apart(found: Mapping[str, Any] | None) -> RenderableType | None:
    """How far the place is from the same bundle in this process."""
    if found is None:
        return None
    return lines(
        f"{name}: identical to this machine's"
        if each["exact"]
        else f"{name}: at most {each['max_steps']:.2g} quantization steps from this machine's, "
        f"{share(each['equal_share'])} equal"
        if each["max_steps"] is not None
        else f"{name}: {share(each['equal_share'])} equal to this machine's"
        for name, each in found.items()
    )


def _more(number: int) -> str:
    return f" and {number - _NAMES_SHOWN} more" if number > _NAMES_SHOWN else ""
