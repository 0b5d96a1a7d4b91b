"""The zoo's records as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence

from forms import BUDGET, FLOAT, OURS, RIVALS, net_peak
from line import Line, last_line
from process import Record

__all__ = ["accuracy_table", "cost_table", "lines_table", "markdown"]

FORMS = (OURS, BUDGET, *RIVALS)


def accuracy_table(records: Sequence[Record]) -> str:
    """One row per model and form: metric, drop, SQNR, latency, size, integer MACs; below, why forms have no figures."""
    head = "model|metric|form|float|int8 [95%]|lost [95%]|lost %|SQNR dB (pooled)|x float 1t|x float 2t|ms 1t|size"
    rows, reasons = [], []
    for record in records:
        if "absent" in record:
            rows.append([record["model"], "", "skipped"])
            reasons.append(f"{record['model']} skipped: {record['absent']}")
            continue
        for form in FORMS:
            if form in record["measure"]:
                rows.append(_row(record, form))
            elif form in record["compile"]:
                word = "refused" if form in RIVALS else "failed"
                rows.append([record["model"], "", form, word])
                problem = record["compile"][form].get("error") or record["measure"].get("error", "not measured")
                reasons.append(f"{record['model']} {form} {word}: {last_line(problem)}")
    table = markdown([*head.split("|"), "integer MACs"], rows)
    return "\n\n".join([table, "\n".join(reasons)]) if reasons else table


def _row(record: Record, form: str) -> list[str]:
    measured = record["measure"]
    metric, drop, latency = (measured[form][part] for part in ("metric", "drop", "latency"))
    share = record["placement"].get(form, {}).get("share")
    scale = 100 if metric["unit"] == "pt" else 1
    return [
        record["model"],
        metric["name"],
        form,
        f"{measured[FLOAT]['metric']['estimate']:.4f}",
        f"{metric['estimate']:.4f}{_interval(metric['interval'], 1, '.4f')}",
        f"{scale * drop['estimate']:+.2f}{_interval(drop['interval'], scale, '+.2f')}",
        f"{drop['relative']:+.2%}",
        f"{measured[form]['sqnr_db']:.2f} ({measured[form]['sqnr_pooled_db']:.2f})",
        *(_ratio(latency.get(threads)) for threads in ("1", "2")),
        f"{latency['1']['p50_ms']:.3f}",
        f"{record['compile'][form]['size_bytes'] / record['float_bytes']:.3f}",
        "unknown" if share is None else f"{share:.1%}",
    ]


def _interval(interval: Sequence[float] | None, scale: float, form: str) -> str:
    return "" if interval is None else f" [{scale * interval[0]:{form}}, {scale * interval[1]:{form}}]"


def _ratio(latency: Record | None) -> str:
    """Median and, in brackets, the fastest rounds."""
    if latency is None:
        return ""
    ratio = latency["ratio"][FLOAT]
    return f"{ratio['median']:.3f} ({ratio['minimum']:.3f})"


def cost_table(records: Sequence[Record]) -> str:
    """One row per model and form: compile seconds and memory."""
    head = "model|form|compile s|all runs s|process s|peak MB|peak less samples MB|after imports MB|samples"
    rows = []
    for record in records:
        for form, compiled in record.get("compile", {}).items():
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
                    f"{compiled['samples_used']} of {compiled['samples']}" if "samples_used" in compiled else "all",
                ]
            )
    return markdown(head.split("|"), rows)


def lines_table(lines: Sequence[Line]) -> str:
    """One row per line of acceptance."""
    return markdown(
        ["model", "line", "status", "measured"], [[line.model, line.name, line.status, line.text] for line in lines]
    )


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    full = [list(row) + [""] * (len(head) - len(row)) for row in rows]
    widths = [max(len(cell) for cell in (name, *(row[i] for row in full))) for i, name in enumerate(head)]

    def text(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([text(head), text(["-" * width for width in widths]), *(text(row) for row in full)])
