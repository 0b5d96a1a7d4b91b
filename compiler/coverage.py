"""Do the calibration samples stand for the evaluation samples? Ranges covered, elements clipped, distributions shifted.

Observed in the float model, value by value, on at most 64 samples of either set; on 16 where the model is so large
that it is observed in segments. `shift` is the largest distance of the two cumulative distributions
(Kolmogorov-Smirnov): 0 alike, 1 disjoint.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from ..bundle import Bundle
from ..errors import OutputError
from ..passes.observe.statistics import Counts, Extremes, Histogram, Need, Range
from ..passes.quantize.decision import decided_values, params_of
from ..passes.spec import QuantParams
from .materialize import weight_bytes
from .observing.segments import SEGMENT_ABOVE, observe_any
from .progress import Progress, Quiet
from .samples.base import Samples
from .samples.subset import draw, view_of
from .value_histograms import ValueHistogram, value_histogram

__all__ = ["Coverage", "ValueCoverage", "coverage", "outside", "shift", "window", "write_coverage"]

# Samples looked at of either set, of a model in segments, and elements of each.
_SAMPLES, _FEWER, _ELEMENTS = 64, 16, 1 << 12
# What two sets may differ by before anything is said; small sets differ more by chance alone.
_SHIFTED, _CLIPPED, _MORE = 0.25, 1e-2, 4.0
_NAMED = 3
_DRAWN = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueCoverage:
    """One quantized value on both sets.

    Attributes:
        name: The value.
        reader: A node that reads it, or its producer.
        is_input: Whether it is an input of the graph.
        covered: Share of the width evaluation samples take that lies inside the calibrated range; 1 where all does.
        clipped: Share of evaluation elements outside what the integers hold.
        clipped_before: The same of calibration elements.
        shift: Distance of the distributions, 0 to 1.
        mismatched: Calibration does not stand for evaluation here, by more than chance.
    """

    name: str
    reader: str
    is_input: bool
    covered: float
    clipped: float
    clipped_before: float
    shift: float
    mismatched: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """All quantized values, in graph order.

    Attributes:
        values: Each on both sets.
        histograms: Of the few to look at: those not stood for, then those that lose most by their own rounding.
    """

    values: tuple[ValueCoverage, ...]
    histograms: tuple[ValueHistogram, ...] = ()

    @property
    def worst(self) -> tuple[ValueCoverage, ...]:
        """Those calibration does not stand for, inputs first, the farthest first."""
        found = [each for each in self.values if each.mismatched]
        return tuple(sorted(found, key=lambda each: (not each.is_input, -max(each.shift, each.clipped))))

    def warning(self) -> str | None:
        """One sentence for the verdict; None where the sets agree."""
        if not self.worst:
            return None
        named = "; ".join(
            f"{'input' if each.is_input else 'value'} {each.name!r} ({each.reader}): shift {each.shift:.2f}, "
            f"{each.clipped:.1%} clipped against {each.clipped_before:.1%}, {each.covered:.0%} of its range covered"
            for each in self.worst[:_NAMED]
        )
        more = len(self.worst) - _NAMED
        return (
            "calibration samples do not stand for the evaluation samples: "
            + named
            + (f"; and {more} more" if more > 0 else "")
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, worst first."""
        rest = [each for each in self.values if not each.mismatched]
        return {
            "mismatched": [asdict(each) for each in self.worst],
            "matched": [asdict(each) for each in rest],
            "histograms": [each.to_json() for each in self.histograms],
        }


def coverage(
    model: ir.Model,
    decided: ir.Model,
    calibration: Samples,
    evaluation: Samples,
    *,
    threads: int,
    progress: Progress | None = None,
    max_memory: int | None = None,
) -> Coverage:
    """Compare what a float model's values are on calibration and on evaluation samples.

    Args:
        model: The float model as it was observed; not changed.
        decided: What ships, or anything made from `model`: its values carry params under the names they have there.
        calibration: The samples that were observed.
        evaluation: The samples that prove.
        threads: Cores to use; 0 is all of them.
        progress: Told of every batch.
        max_memory: Bytes this process may hold; None does not limit it.

    Raises:
        OptionError: `max_memory` does not hold one statistic of one batch.
    """
    params = _params_by_name(decided)
    values = {str(value.name): value for value in model.graph.inputs}
    values |= {str(value.name): value for node in model.graph for value in node.outputs}
    names = [name for name in values if name in params]
    needs = [
        Need(value=name, statistic=statistic)
        for name in names
        for statistic in (Extremes(), Counts(elements=_ELEMENTS))
    ]
    most = _FEWER if weight_bytes(model) > SEGMENT_ABOVE else _SAMPLES
    sets = [_few(samples, most) for samples in (calibration, evaluation)]
    before, after = (
        observe_any(model.clone(), needs, samples, threads=threads, progress=progress or Quiet(), max_memory=max_memory)
        for samples in sets
    )
    n, m = (len(samples) for samples in sets)
    found, drawn = [], []
    for name in names:
        extremes, counts = (Need(value=name, statistic=each) for each in (Extremes(), Counts(elements=_ELEMENTS)))
        seen, known, now = after[extremes], before[counts], after[counts]
        assert isinstance(seen, Range)
        assert isinstance(known, Histogram)
        assert isinstance(now, Histogram)
        held = window(params[name])
        clipped, clipped_before, apart = outside(now, *held), outside(known, *held), shift(known, now)
        # By Kolmogorov and Smirnov, 1 in 1,000; of samples, since the elements of one move together.
        shifted = apart >= max(_SHIFTED, 1.95 * math.sqrt((n + m) / (n * m)))
        # The extremes of n draws are left by others now and then.
        clips = clipped >= max(_CLIPPED, 1.5 / n, 16 / max(1, int(known.counts.sum())), _MORE * clipped_before)
        found.append(
            ValueCoverage(
                name=name,
                reader=_neighbour(values[name]),
                is_input=values[name].is_graph_input(),
                covered=_covered(held, float(seen.low), float(seen.high)),
                clipped=clipped,
                clipped_before=clipped_before,
                shift=apart,
                mismatched=shifted or clips,
            )
        )
        both, step = [("calibration", known), ("evaluation", now)], float(params[name].scale.reshape(()))
        drawn.append((not found[-1].mismatched, value_histogram(name, found[-1].reader, both, step=step, clip=held)))
    drawn.sort(key=lambda each: (each[0], math.inf if each[1].sqnr_db is None else each[1].sqnr_db))
    # What only moves elements shows its input's histogram once more.
    unlike: dict[object, ValueHistogram] = {}
    for _, each in drawn:
        unlike.setdefault((each.step, *each.counts.values()), each)
    return Coverage(values=tuple(found), histograms=tuple(unlike.values())[:_DRAWN])


def write_coverage(found: Coverage, bundle: Bundle) -> None:
    """Write `proof/coverage.json` into a bundle.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        bundle.proof.mkdir(exist_ok=True)
        text = json.dumps(found.to_json(), indent=2, ensure_ascii=False) + "\n"
        (bundle.proof / "coverage.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            str(bundle.proof), f"cannot be written: {error.strerror}", remedy="Make the bundle's folder writable"
        ) from error


def shift(seen: Histogram, unseen: Histogram) -> float:
    """Largest distance between two distributions (Kolmogorov-Smirnov), 0 alike to 1 disjoint."""
    edges = np.union1d(seen.edges, unseen.edges)
    shares = []
    for each in (seen, unseen):
        total = np.concatenate([[0.0], np.cumsum(each.counts)])
        shares.append(np.interp(edges, each.edges, total / max(total[-1], 1.0)))
    return float(np.abs(shares[0] - shares[1]).max())


def window(params: QuantParams) -> tuple[float, float]:
    """The real values that params can hold without clipping, half a step more on either side."""
    scale, zero = float(params.scale.reshape(())), float(params.zero_point.astype(np.float32).reshape(()))
    return (params.spec.qmin - zero - 0.5) * scale, (params.spec.qmax - zero + 0.5) * scale


def outside(histogram: Histogram, low: float, high: float) -> float:
    """Share of elements in bins that lie wholly outside [low, high]."""
    total = int(histogram.counts.sum())
    beyond = (histogram.edges[1:] < low) | (histogram.edges[:-1] > high)
    return float(histogram.counts[beyond].sum() / total) if total else 0.0


def _params_by_name(decided: ir.Model) -> Mapping[str, QuantParams]:
    found = {}
    for value, _ in decided_values(decided.graph):
        params = params_of(value)
        if params is not None and params.scale.size == 1:
            found[str(value.name)] = params
    return found


def _covered(held: tuple[float, float], low: float, high: float) -> float:
    inside = min(high, held[1]) - max(low, held[0])
    return 1.0 if high <= low else max(0.0, min(1.0, inside / (high - low)))


def _neighbour(value: ir.Value) -> str:
    node = next((node for node, _ in value.uses()), value.producer())
    return "" if node is None else str(node.name or node.op_type)


def _few(samples: Samples, most: int) -> Samples:
    """At most so many samples, drawn over all of them."""
    if len(samples) <= most:
        return samples
    return view_of(samples).choose(draw(len(samples), most, seed=0), samples.origin)
