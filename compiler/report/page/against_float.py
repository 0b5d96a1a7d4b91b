"""Accuracy, size and latency against float: three figures, then what stands behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..units import plural, share, size
from .bars import Bar, Dot, bars, dots
from .numbers import between, duration, number, quantity
from .sources import Record, Sources
from .svg import Ids

__all__ = ["Figure", "LatencyRow", "OutputRow", "cards", "latency_rows", "load_text", "output_rows", "samples_text"]

_NOT_MEASURED = "–"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One figure of the page.

    Attributes:
        title: What is compared.
        value: The number to remember.
        lines: What it is made of.
        drawing: Bundle beside float; None where there is nothing to compare.
    """

    title: str
    value: str
    lines: tuple[str, ...]
    drawing: Markup | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputRow:
    """One output against float's."""

    name: str
    carried: bool
    sqnr: str
    cosine: str
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyRow:
    """One thread count; `label` is the count, or says what is different."""

    label: str
    p50: str
    p95: str
    float_p50: str
    float_p95: str
    ratio: str
    interval: str
    runs: str


def cards(sources: Sources, ids: Ids) -> tuple[Figure, ...]:
    """Accuracy, size, latency."""
    return _accuracy(sources.proof, ids), _size(sources.proof, ids), _latency(sources.proof, ids)


def _accuracy(proof: Record, ids: Ids) -> Figure:
    evaluation = proof["evaluation"]
    if evaluation is None:
        return Figure(title="Accuracy", value=_NOT_MEASURED, lines=("no evaluation samples: --evaluation",))
    metric = evaluation["metric"]
    if metric is None:
        return _closeness(evaluation)
    factor, unit = (100.0, "pt") if metric["unit"] == "pt" else (1.0, metric["unit"])
    value, other = metric["value"] * factor, metric["float_value"]
    lines = [f"{metric['name']} on {plural(metric['n'], 'labelled sample')}"]
    if other is None:
        return Figure(title="Accuracy", value=quantity(value, unit), lines=tuple(lines))
    inside = between(_scaled(metric["drop_interval"], factor), unit)
    lines.append(f"loss against float {quantity(metric['drop'] * factor, unit)}{inside and f' ({inside})'}")
    rows = [
        Dot(label="bundle", value=value, interval=_scaled(metric["value_interval"], factor), main=True),
        Dot(label="float", value=other * factor, interval=_scaled(metric["float_interval"], factor)),
    ]
    drawing = dots(ids, rows, unit=unit, title=f"{metric['name']} of bundle and float, intervals of 95%")
    return Figure(title="Accuracy", value=quantity(value, unit), lines=tuple(lines), drawing=drawing)


def _closeness(evaluation: Record) -> Figure:
    """Without a metric the worst output's signal to noise is what is known."""
    reason = f"no task metric: {evaluation['metric_reason']}"
    found = [
        (each["against_float"]["sqnr_db"], name)
        for name, each in evaluation["outputs"].items()
        if each["against_float"] is not None and not each["carried"]
    ]
    known = [pair for pair in found if pair[0] is not None]
    if known:
        worst, name = min(known)
        return Figure(
            title="Accuracy", value=quantity(worst, "dB"), lines=(f"SQNR of {name}, the worst output", reason)
        )
    same = found and all(each["against_float"]["exact"] for each in evaluation["outputs"].values())
    return Figure(title="Accuracy", value="identical" if same else _NOT_MEASURED, lines=(reason,))


def _size(proof: Record, ids: Ids) -> Figure:
    found = proof["size"]
    if found["ratio"] is None:
        return Figure(title="Size", value=size(found["bundle_bytes"]), lines=("float was not at hand: --model",))
    rows = [
        Bar(label="bundle", value=found["bundle_bytes"], shown=size(found["bundle_bytes"]), main=True),
        Bar(label="float", value=found["float_bytes"], shown=size(found["float_bytes"])),
    ]
    smaller = f"{share(1 - found['ratio'])} smaller" if found["ratio"] < 1 else "not smaller"
    drawing = bars(ids, rows, title="bytes of bundle and float")
    return Figure(
        title="Size", value=f"{found['ratio']:.2f}×", lines=(f"{smaller} than the float model",), drawing=drawing
    )


def _latency(proof: Record, ids: Ids) -> Figure:
    why = _untimed(proof)
    if why:
        return Figure(title="Latency", value="not claimed", lines=(why,))
    timed = next((each for each in proof["latency"] if each["threads"] == 1), None)
    if timed is None:
        return Figure(title="Latency", value=_NOT_MEASURED, lines=("not timed with one thread",))
    mine, other = timed["bundle"], timed["float_model"]
    spread = f"95th percentile {duration(mine['p95'])}"
    if other is None:
        return Figure(title="Latency", value=duration(mine["p50"]), lines=("median, one thread", spread))
    rows = [
        Bar(label="bundle", value=mine["p50"], shown=duration(mine["p50"]), main=True),
        Bar(label="float", value=other["p50"], shown=duration(other["p50"])),
    ]
    inside = between(timed["ratio_interval"], "x")
    lines = (f"of float's time, one thread{inside and f' ({inside})'}", f"medians below; {spread}")
    drawing = bars(ids, rows, title="median run of bundle and float, one thread")
    return Figure(title="Latency", value=f"{timed['ratio']:.2f}×", lines=lines, drawing=drawing)


def _untimed(proof: Record) -> str:
    """Why times measured here are not the device's; "" where they are."""
    return str(proof.get("untimed") or proof["unexecuted"])


def output_rows(proof: Record) -> tuple[OutputRow, ...]:
    """Every output against float's."""
    outputs: Mapping[str, Any] = {} if proof["evaluation"] is None else proof["evaluation"]["outputs"]
    return tuple(_output(name, each) for name, each in outputs.items() if each["against_float"] is not None)


def _output(name: str, output: Mapping[str, Any]) -> OutputRow:
    found = output["against_float"]
    if found["exact"]:
        texts = ("identical", "1", "0")
    elif found["nonfinite"]:
        texts = (f"{found['nonfinite']} not finite", _NOT_MEASURED, _NOT_MEASURED)
    elif found["cosine"] is None:  # integers are equal or not
        texts = (f"{share(found['equal_share'])} equal", _NOT_MEASURED, _NOT_MEASURED)
    else:
        sqnr = _NOT_MEASURED if found["sqnr_db"] is None else f"{found['sqnr_db']:.1f}\N{NO-BREAK SPACE}dB"
        peak = "" if found["peak"] is None else f" of {number(found['peak'], 3)}"
        error = _NOT_MEASURED if found["max_error"] is None else f"{number(found['max_error'], 3)}{peak}"
        texts = (sqnr, f"{found['cosine']:.6f}", error)
    return OutputRow(name=name, carried=output["carried"], sqnr=texts[0], cosine=texts[1], error=texts[2])


def samples_text(proof: Record) -> str:
    """Which samples the outputs are of; "" for none. A page names files, not this machine's folders."""
    found = proof["evaluation"]
    if found is None:
        return ""
    steps = "" if found["steps"] == found["samples"] else f" in {plural(found['steps'], 'step')}"
    return f"{plural(found['samples'], 'sample')}{steps} of {Path(found['origin']).name}"


def latency_rows(proof: Record) -> tuple[LatencyRow, ...]:
    """One row a thread count, one more without session options; nothing where the times are not the device's."""
    rows: list[LatencyRow] = []
    for each in () if _untimed(proof) else proof["latency"]:
        mine, other = each["bundle"], each["float_model"]
        ratio = _NOT_MEASURED if each["ratio"] is None else f"{each['ratio']:.2f}×"
        rows.append(
            LatencyRow(
                label=str(each["threads"]),
                p50=duration(mine["p50"]),
                p95=duration(mine["p95"]),
                float_p50=_NOT_MEASURED if other is None else duration(other["p50"]),
                float_p95=_NOT_MEASURED if other is None else duration(other["p95"]),
                ratio=ratio,
                interval=between(each["ratio_interval"], "x"),
                runs=str(mine["runs"]),
            )
        )
        bare = each["without_options"]
        if bare is not None:
            rows.append(
                LatencyRow(
                    label=f"{each['threads']}, without session options",
                    p50=duration(bare["p50"]),
                    p95=duration(bare["p95"]),
                    float_p50="",
                    float_p95="",
                    ratio="",
                    interval="",
                    runs=str(bare["runs"]),
                )
            )
    return tuple(rows)


def load_text(proof: Record) -> str:
    """How long a session takes to open, and what it holds; "" where neither is the device's, or was measured."""
    return " ".join(filter(None, (_opening(proof), _memory(proof))))


def _memory(proof: Record) -> str:
    found = None if proof["unexecuted"] else proof.get("memory")
    return "" if found is None else f"Opening and running it adds {size(found['peak'] - found['before'])} to a process."


def _opening(proof: Record) -> str:
    if _untimed(proof) or proof["load"]["seconds"] is None:
        return ""
    return (
        f"A session opens in {duration(proof['load']['seconds'])}, median of {plural(proof['load']['opened'], 'time')}."
    )


def _scaled(interval: Sequence[float] | None, factor: float) -> tuple[float, float] | None:
    return None if interval is None else (interval[0] * factor, interval[1] * factor)
