"""Lines of the seven classifiers: points of accuracy, SQNR, latency and the cost of compiling, beside min-max."""

from __future__ import annotations

from collections.abc import Iterator

from forms import MINMAX, OURS, net_peak
from line import Line, status
from process import Record

__all__ = ["judge_classic"]

DROP_LIMIT_PT = 1.0
FASTER_LIMIT, SLOWER_LIMIT = 1.0, 1.05
SPEED_GOAL, SPEED_FLOOR = 5.0, 3.0
SPEED_MODEL = "mobilenetv2_100"


def judge_classic(record: Record) -> Iterator[Line]:
    """Every line of a classifier whose bundle was measured."""
    yield from _against_float(record)
    yield from _against_rival(record)
    yield from _compile_cost(record)


def _against_float(record: Record) -> Iterator[Line]:
    model = record["model"]
    measured = record["measure"][OURS]
    change = 100 * measured["versus"]["float"]["estimate"]
    yield Line(
        model=model,
        name="metric",
        status=status(change >= -DROP_LIMIT_PT),
        text=f"top1 {change:+.2f} pt against float, limit -{DROP_LIMIT_PT:g} pt",
    )
    ratio = measured["latency"]["1"]["ratio"]["float"]
    yield Line(
        model=model,
        name="faster",
        status=_latency_status(ratio, FASTER_LIMIT),
        text=f"{ratio['median']:.3f}x float with 1 thread (minima {ratio['minimum']:.3f}x), limit 1x",
    )


def _against_rival(record: Record) -> Iterator[Line]:
    model, measured = record["model"], record["measure"]
    rivals = [form for form in MINMAX if form in measured]
    if not rivals:
        yield Line(model=model, name="rival", status="unknown", text="no min-max form of the rival was measured")
        return
    ours = measured[OURS]
    best = max(rivals, key=lambda form: measured[form]["metric"]["estimate"])
    gap = ours["versus"][best]
    yield Line(
        model=model,
        name="not-worse",
        status=status(gap["high"] >= 0),
        text=f"top1 {100 * gap['estimate']:+.2f} pt [{100 * gap['low']:+.2f}, {100 * gap['high']:+.2f}] against {best}",
    )
    cleanest = max(rivals, key=lambda form: measured[form]["sqnr_db"])
    theirs = measured[cleanest]["sqnr_db"]
    yield Line(
        model=model,
        name="sqnr",
        status=status(round(ours["sqnr_db"], 2) >= round(theirs, 2)),
        text=f"{ours['sqnr_db']:.2f} dB, {cleanest} {theirs:.2f} dB; over all samples at once "
        f"{ours['sqnr_pooled_db']:.2f} dB, {measured[cleanest]['sqnr_pooled_db']:.2f} dB",
    )
    for threads in ("1", "2"):
        ratios = ours["latency"][threads]["ratio"]
        fastest = max(rivals, key=lambda form: ratios[form]["median"])
        yield Line(
            model=model,
            name=f"latency-{threads}t",
            status=_latency_status(ratios[fastest], SLOWER_LIMIT),
            text=f"{ratios[fastest]['median']:.3f}x {fastest} (minima {ratios[fastest]['minimum']:.3f}x), "
            f"limit {SLOWER_LIMIT:g}x",
        )


def _compile_cost(record: Record) -> Iterator[Line]:
    """Speed and memory of the compile: acceptance asks them of one model; of the others a miss is amber."""
    model, compiled = record["model"], record["compile"]
    missed = "red" if model == SPEED_MODEL else "amber"
    rivals = {form: compiled[form] for form in MINMAX if "seconds" in compiled.get(form, {})}
    if not rivals:
        return
    ours = compiled[OURS]
    form = min(rivals, key=lambda name: rivals[name]["seconds"])
    times = rivals[form]["seconds"] / ours["seconds"]
    yield Line(
        model=model,
        name="compile-speed",
        status="green" if times >= SPEED_GOAL else "amber" if times >= SPEED_FLOOR else missed,
        text=f"{times:.1f}x as fast as {form} ({ours['seconds']:.2f} s, {rivals[form]['seconds']:.2f} s), "
        f"goal {SPEED_GOAL:g}x, floor {SPEED_FLOOR:g}x",
    )
    lean = min(rivals, key=lambda name: net_peak(rivals[name]))
    yield Line(
        model=model,
        name="compile-memory",
        status="green" if ours["peak_bytes"] <= net_peak(rivals[lean]) else missed,
        text=f"{ours['peak_bytes'] / 1e6:.0f} MB, {lean} {net_peak(rivals[lean]) / 1e6:.0f} MB without its samples",
    )


def _latency_status(ratio: Record, limit: float) -> str:
    """Green or red when the median of the rounds and the fastest rounds agree about the limit, else amber."""
    within = {ratio["median"] < limit, ratio["minimum"] < limit}
    return "amber" if len(within) == 2 else status(within == {True})
