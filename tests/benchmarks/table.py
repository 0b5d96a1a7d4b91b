"""The zoo's records as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence

from process import Record
from verdict import OURS, RIVALS, Line, net_peak

__all__ = ["accuracy_table", "cost_table", "lines_table"]


def accuracy_table(records: Sequence[Record]) -> str:
    """One row per model and form: metric, SQNR, latency, size, integer MACs."""
    head = "model|form|float top1|int8 top1 [95%]|change pt [95%]|SQNR dB (pooled)|x float 1t|x float 2t|ms 1t|size"
    rows = []
    for record in records:
        measured = record["measure"]
        for form in (OURS, *RIVALS):
            if form not in record["compile"]:
                continue
            if form not in measured:
                problem = record["compile"][form].get("error") or measured.get("error", "not measured")
                rows.append([record["model"], form, "failed: " + problem.strip().splitlines()[-1]])
                continue
            metric, change = measured[form]["metric"], measured[form]["versus"]["float"]
            latency = measured[form]["latency"]
            share = record["placement"].get(form, {}).get("share")
            rows.append(
                [
                    record["model"],
                    form,
                    f"{measured['float']['metric']['estimate']:.4f}",
                    f"{metric['estimate']:.4f} [{metric['low']:.4f}, {metric['high']:.4f}]",
                    f"{100 * change['estimate']:+.2f} [{100 * change['low']:+.2f}, {100 * change['high']:+.2f}]",
                    f"{measured[form]['sqnr_db']:.2f} ({measured[form]['sqnr_pooled_db']:.2f})",
                    f"{latency['1']['ratio']['float']['median']:.3f} ({latency['1']['ratio']['float']['minimum']:.3f})",
                    f"{latency['2']['ratio']['float']['median']:.3f} ({latency['2']['ratio']['float']['minimum']:.3f})",
                    f"{latency['1']['p50_ms']:.3f}",
                    f"{record['compile'][form]['size_bytes'] / record['float_bytes']:.3f}",
                    "unknown" if share is None else f"{share:.1%}",
                ]
            )
    return _markdown([*head.split("|"), "integer MACs"], rows)


def cost_table(records: Sequence[Record]) -> str:
    """One row per model and form: compile seconds and memory."""
    head = "model|form|compile s|all runs s|process s|peak MB|peak less samples MB|after imports MB"
    rows = []
    for record in records:
        for form, compiled in record["compile"].items():
            if "error" in compiled:
                continue
            rows.append(
                [
                    record["model"],
                    form,
                    f"{compiled['seconds']:.3f}",
                    " ".join(f"{seconds:.2f}" for seconds in compiled["all_seconds"]),
                    f"{compiled['process_seconds']:.2f}",
                    f"{compiled['peak_bytes'] / 1e6:.0f}",
                    f"{net_peak(compiled) / 1e6:.0f}",
                    f"{(compiled['baseline_bytes'] - compiled.get('samples_bytes', 0)) / 1e6:.0f}",
                ]
            )
    return _markdown(head.split("|"), rows)


def lines_table(lines: Sequence[Line]) -> str:
    """One row per line of acceptance."""
    return _markdown(
        ["model", "line", "status", "measured"], [[line.model, line.name, line.status, line.text] for line in lines]
    )


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    full = [list(row) + [""] * (len(head) - len(row)) for row in rows]
    widths = [max(len(cell) for cell in (name, *(row[i] for row in full))) for i, name in enumerate(head)]

    def text(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([text(head), text(["-" * width for width in widths]), *(text(row) for row in full)])
