"""Cells as the tables and lines of acceptance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from line import Line, status
from table import markdown
from weight_only_cell import Cell, Counts
from weight_only_forms import CODEBOOK, TABLE, Form

if TYPE_CHECKING:
    from edgec.compiler.metrics import Metric

__all__ = ["judge", "model_table"]

BETTER = (("GPTQ", "nearest"), ("AWQ", "nearest"))


def model_table(name: str, metric: Metric, counts: Counts, exact: Cell, found: Mapping[Form, Cell]) -> str:
    """One model: a row for each number of bits and size of blocks, a column for each method; reasons below."""
    methods = list(dict.fromkeys([*TABLE, *(form.method for form in found)]))
    methods = [each for each in methods if any(form.method == each for form in found)]
    places = list(dict.fromkeys((form.bits, form.block) for form in found))
    by_place = {(form.bits, form.block, form.method): each for form, each in found.items()}
    rows = []
    for bits, block in places:
        cells = [_told(by_place.get((bits, block, each))) for each in methods]
        rows.append([str(bits), str(block or "none"), *cells, _sizes(found, bits, block)])
    low, high = exact.interval or (float("nan"), float("nan"))
    spans = [each.interval[1] - each.interval[0] for each in found.values() if each.interval is not None]
    spread = f"; of a form's distance to it, median, ± {sorted(spans)[len(spans) // 2] / 2:.2g}" if spans else ""
    title = (
        f"**{name}**: {metric.name} of float {exact.value:.4f} [{low:.4f}, {high:.4f}], {exact.size / 1e6:.3g} MB; "
        f"{counts.evaluation} evaluation samples, {counts.samples} for calibration{spread}"
    )
    reasons = {
        f"{form.method}: {'failed: ' if each.failed else 'not applicable: '}{each.problem}"
        for form, each in found.items()
        if each.value is None
    }
    parts = [title, markdown(["bits", "block", *methods, "MB"], rows), *sorted(reasons)]
    return "\n\n".join(parts)


def _sizes(found: Mapping[Form, Cell], bits: int, block: int | None) -> str:
    """Megabytes of a row: the smallest and the largest."""
    here = [each.size for form, each in found.items() if (form.bits, form.block) == (bits, block) and each.size]
    return " to ".join(dict.fromkeys(f"{each / 1e6:.3g}" for each in (min(here), max(here)))) if here else ""


def _told(each: Cell | None) -> str:
    """The metric, and the noise in dB."""
    if each is None:
        return ""
    if each.value is None:
        return "failed" if each.failed else "n/a"
    value = f"{each.value:.4f}" if each.value < 10 else f"{each.value:.4g}"
    return f"{value} / {_noise(each):.1f}"


def judge(model: str, metric: Metric, found: Mapping[Form, Cell]) -> Iterator[Line]:
    """The order of the papers, at the widths of their tables, by the noise of the outputs."""
    by_name = {(form.bits, form.block, form.method): each for form, each in found.items() if each.noise_db is not None}
    for (bits, block, method), each in by_name.items():
        for better, worse in BETTER:
            other = by_name.get((bits, block, worse))
            if method == better and other is not None and bits in (3, 4):
                yield _line(model, metric, f"{better}, {bits} bits, blocks of {block}", each, worse, other)
    scalar = [(each, key) for key, each in by_name.items() if key[0] == 2 and key[1] is not None]
    codebook = by_name.get((2, None, CODEBOOK))
    if scalar and codebook is not None:
        best, (_, block, method) = min(scalar, key=lambda each: _noise(each[0]))
        yield _line(model, metric, "codebook, 2 bits", codebook, f"{method}, blocks of {block}", best)


def _line(model: str, metric: Metric, name: str, each: Cell, worse: str, other: Cell) -> Line:
    text = (
        f"{_noise(each) - _noise(other):+.2f} dB of noise, {metric.name} {each.value:.4f} against {other.value:.4f} "
        f"of {worse}"
    )
    return Line(model=model, name=name, status=status(_noise(each) < _noise(other)), text=text)


def _noise(each: Cell) -> float:
    assert each.noise_db is not None
    return each.noise_db
